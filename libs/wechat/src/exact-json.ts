/** An integer of more than 15 digits, or a text, in which digits are no number. */
const TEXT_OR_LONG_INTEGER = /"(?:[^"\\]|\\.)*"|(?<![\w.+-])-?\d{16,}(?![\d.eE])/g;

/**
 * Parses JSON. Integers of more than 15 digits become text, because a number would be rounded: WeChat's ids have up to 64 bits.
 * @throws SyntaxError
 */
export function parseExactJson(text: string): unknown {
  const json: unknown = JSON.parse(text);
  if (!/\d{16}/.test(text)) return json;
  return JSON.parse(
    text.replace(TEXT_OR_LONG_INTEGER, (match) => (match.startsWith('"') ? match : `"${match}"`)),
  );
}
