/** The bytes of standard base64, or `undefined`. `Buffer.from` alone takes anything and skips what it does not understand. */
export function decodeBase64(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
