/** Returns the bytes of standard base64, or `undefined`. `Buffer.from` alone skips characters that are not base64. */
export function decodeBase64(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
