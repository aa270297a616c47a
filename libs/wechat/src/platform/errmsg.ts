/** Shorter values are not masked. They occur in ordinary text, such as a language. */
const MIN_SECRET_LENGTH = 8;
const PUBLIC_PARAMETERS = new Set(['appid', 'grant_type', 'sig_method']);

/**
 * Prepares WeChat's errmsg for errors and logs. Control characters, which could forge a log line, become spaces. Secrets become
 * `***`. The text is cut after 200 characters.
 * @param sent the query and the body of the request. Every text in them is masked, except public parameters and short texts. It is
 *   also masked if it is percent-encoded or escaped as in JSON
 */
export function cleanErrmsg(errmsg: unknown, sent?: object): { text: string; rid?: string } {
  let text = typeof errmsg === 'string' ? errmsg : '';
  const secrets = textsIn(sent).filter(({ length }) => length >= MIN_SECRET_LENGTH);
  const longestFirst = secrets.flatMap(formsOf).toSorted((one, other) => other.length - one.length);
  for (const secret of longestFirst) text = text.replaceAll(secret, '***');
  text = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').slice(0, 200);
  const [, rid] = /rid: ([0-9a-f]+(?:-[0-9a-f]+){2})/.exec(text) ?? [];
  return { text, rid };
}

/** Returns the texts in a value at any depth. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, nested]) =>
    PUBLIC_PARAMETERS.has(name) ? [] : textsIn(nested),
  );
}

/** Returns a text as WeChat could repeat it: as it is, percent-encoded, and escaped as in JSON. */
function formsOf(text: string): string[] {
  const wellFormed = Buffer.from(text).toString(); // encodeURIComponent throws for a lone surrogate
  return [text, encodeURIComponent(wellFormed), JSON.stringify(text).slice(1, -1)];
}
