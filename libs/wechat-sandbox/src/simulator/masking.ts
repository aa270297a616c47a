import { isObject } from '../transport/request.js';

/** Fields that are never shown. The keys are in lower case. */
const HIDDEN = new Set([
  'session_key',
  'sessionkey',
  'secret',
  'appsecret',
  'access_token',
  'refresh_token',
]);
/** Fields that are shortened, so that a reader recognises the value again and cannot use it. */
const SHORTENED = new Set([
  'session_rd',
  'token',
  'registrationticket',
  'code',
  'js_code',
  'signature',
  'encrypteddata',
  'data', // the central service returns a token as the `data` of its envelope
  'paysign',
  'prepay_id',
  'package',
  'ciphertext',
]);
const BLACK_BAR = '██████';
/** From this length on, twelve characters do not reveal the secret. */
const LONG = 32;

/** Masks the secrets of a JSON value at every depth. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, maskedField(key.toLowerCase(), inner)]),
  );
}

function maskedField(key: string, value: unknown): unknown {
  if (HIDDEN.has(key)) return BLACK_BAR;
  return typeof value === 'string' && SHORTENED.has(key) ? shortened(value) : masked(value);
}

/** Shortens a secret to both ends, because a refreshed session_rd begins like the previous one. A scheme such as `Bearer` is kept. */
export function shortened(secret: string): string {
  const [scheme = '', rest] = secret.split(' ', 2);
  if (rest !== undefined) return `${scheme} ${shortened(rest)}`;
  const { length } = secret;
  return length < LONG
    ? `${secret.slice(0, length / 6)}… (${length})`
    : `${secret.slice(0, 8)}…${secret.slice(-4)} (${length})`;
}

/** Returns a body for the diagram: masked JSON, or type and size of anything else. */
export function maskedBody(body: Buffer, contentType = ''): unknown {
  if (body.length === 0) return undefined;
  try {
    return masked(JSON.parse(body.toString('utf8')));
  } catch {
    return describeBytes(body.length, contentType);
  }
}

/** The largest body that the diagram shows, in bytes. */
export const LARGEST_SHOWN = 65_536;

export const describeBytes = (size: number, contentType = ''): string =>
  `(${contentType.split(';')[0] || 'unknown type'}, ${size} bytes)`;

/** Masks the secrets in the paths of the central routes: `/wx/v1/{appId}/{secret}/oauth2`. */
export function maskedPath(path: string): string {
  return path.replace(/^(\/wx\/(?:mini\/)?v1\/[^/]+\/)[^/]+(?=\/)/, `$1${BLACK_BAR}`);
}
