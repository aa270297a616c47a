const UNITS: Record<string, number> = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/**
 * Reads a size such as `200MB`, `1.5 GB` or `512KB`. A unit is 1,024 of the one before it.
 * @returns bytes; `undefined` if the text is not a size
 */
export function parseSize(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?) ?(KB|MB|GB)$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(amount) * (UNITS[unit.toUpperCase()] ?? NaN));
  return bytes > 0 ? bytes : undefined;
}
