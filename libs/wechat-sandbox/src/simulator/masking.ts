import { isObject } from '../transport/request.js';

/** What nobody may read off a screen. The keys are in lower case. */
const STRUCK_OUT = new Set([
  'session_key',
  'sessionkey',
  'secret',
  'appsecret',
  'access_token',
  'refresh_token',
]);
/** What must be recognisable when it comes by again, and useless to whoever copies it. */
const SHORTENED = new Set([
  'session_rd',
  'token',
  'registrationticket',
  'code',
  'js_code',
  'signature',
  'encrypteddata',
  'data', // the central service gives tokens as the whole data of its envelope
]);
const BLACK_BAR = '██████';
/** From here on, twelve characters give nothing away. */
const LONG = 32;

/** A JSON value for eyes and screens, at any depth. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, maskedField(key.toLowerCase(), inner)]),
  );
}

function maskedField(key: string, value: unknown): unknown {
  if (STRUCK_OUT.has(key)) return BLACK_BAR;
  return typeof value === 'string' && SHORTENED.has(key) ? shortened(value) : masked(value);
}

/** Both ends of a secret, since a refreshed session_rd begins like the one before; little of a short one. A scheme such as `Bearer` is no secret. */
export function shortened(secret: string): string {
  const [scheme = '', rest] = secret.split(' ', 2);
  if (rest !== undefined) return `${scheme} ${shortened(rest)}`;
  const { length } = secret;
  return length < LONG
    ? `${secret.slice(0, length / 6)}… (${length})`
    : `${secret.slice(0, 8)}…${secret.slice(-4)} (${length})`;
}

/** A body as it stood on the wire: JSON masked; of anything else, its type and size alone. */
export function maskedBody(body: Buffer, contentType = ''): unknown {
  if (body.length === 0) return undefined;
  try {
    return masked(JSON.parse(body.toString('utf8')));
  } catch {
    return describeBytes(body.length, contentType);
  }
}

export const describeBytes = (size: number, contentType = ''): string =>
  `(${contentType.split(';')[0] || 'unknown type'}, ${size} bytes)`;

/** The central routes carry secrets in their paths: `/wx/v1/{appId}/{secret}/oauth2`. */
export function maskedPath(path: string): string {
  return path.replace(/^(\/wx\/(?:mini\/)?v1\/[^/]+\/)[^/]+(?=\/)/, `$1${BLACK_BAR}`);
}
