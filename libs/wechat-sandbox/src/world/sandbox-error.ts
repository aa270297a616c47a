/** The sandbox was used wrongly. The message says why and what to do instead. It is never sent as a response of WeChat. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
}
