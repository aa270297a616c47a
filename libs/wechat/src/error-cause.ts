/**
 * Copies from a system error what names the fault, for use as the `cause` of an error of this library. The system error itself
 * is not kept: it may hold the URL, or bytes of a request or a response.
 *
 * @param code the code of the fault. Default: `error.code`
 * @returns an error with `code`, `syscall`, `hostname`, `address` and `port`, or `undefined` if there is no code
 */
export function safeCause(
  error: unknown,
  code: unknown = (error as { code?: unknown } | null | undefined)?.code,
): Error | undefined {
  if (typeof code !== 'string' || code === '') return undefined;
  const { syscall, hostname, address, port } = (error ?? {}) as Record<string, unknown>;
  const fields = Object.entries({ code, syscall, hostname, address, port }).filter(
    ([, value]) => value !== undefined,
  );
  return Object.assign(
    new Error(fields.map(([, value]) => String(value)).join(' ')),
    Object.fromEntries(fields),
  );
}
