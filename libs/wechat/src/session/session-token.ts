import { hash, timingSafeEqual } from 'node:crypto';
import type { Keyring, RingKey } from '../crypto/keyring.js';
import { randomBytes } from '../crypto/random.js';
import { SECRET_BYTES } from './session.record.js';
import { LOGIN_ID_BYTES } from './user.record.js';

/** What a token is for. It is part of the token and of what proves it ours, so one kind is never taken for another. */
export type TokenKind = 'srd' | 'mot';

/**
 * A `session_rd` is `srd_`, and the token of a mobile login `mot_`, and 43 base64url characters: 8 random bytes that name the login and stay over refreshes, 16
 * random bytes that each refresh renews, and 8 bytes that prove both to be ours, so that a flood of invented tokens is
 * refused without a look into the store. It says nothing and depends on nothing.
 */
export interface SessionToken {
  /** The public name of the login. It cannot be turned back into a part of the token. */
  id: string;
  login: Buffer;
  secret: Buffer;
}

const LOGIN_BYTES = 8;
const RANDOM_BYTES = LOGIN_BYTES + SECRET_BYTES;
const CHECK_BYTES = 8;
/** 43 characters carry two bits more than 32 bytes; the last character must not, or one token would have four spellings. */
const TOKEN = /^(srd|mot)_([0-9A-Za-z_-]{42}[AEIMQUYcgkosw048])$/;

/** Whether a text has the format of a token of this library, of either kind. The token need not be valid. */
export function hasTokenFormat(text: string): boolean {
  return TOKEN.test(text);
}

export function newToken(): SessionToken {
  return tokenOf(randomBytes(RANDOM_BYTES));
}

/** The part that a refresh renews. */
export function newSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** The text for the client. Which key vouches for it is the key that sealed its record, so a repeated answer is the same. */
export function formatToken(
  kind: TokenKind,
  { login, secret }: Pick<SessionToken, 'login' | 'secret'>,
  key: RingKey,
): string {
  const random = Buffer.concat([login, secret]);
  return `${kind}_${Buffer.concat([random, key.checkOf(kind, random)]).toString('base64url')}`;
}

/** The token, or `undefined` for whatever is not of this kind or was not minted under one of these keys. */
export function parseToken(
  kind: TokenKind,
  text: string,
  { keys }: Keyring,
): SessionToken | undefined {
  const [, prefix, base64url = ''] = TOKEN.exec(text) ?? [];
  if (prefix !== kind) return undefined;
  const bytes = Buffer.alloc(RANDOM_BYTES + CHECK_BYTES); // its own: a piece of Node's pool, when kept, keeps the whole pool
  bytes.write(base64url, 'base64url');
  const random = bytes.subarray(0, RANDOM_BYTES);
  const check = bytes.subarray(RANDOM_BYTES);
  if (!keys.some((key) => timingSafeEqual(key.checkOf(kind, random), check))) return undefined;
  return tokenOf(random);
}

function tokenOf(random: Buffer): SessionToken {
  const login = random.subarray(0, LOGIN_BYTES);
  const id = hash('sha256', login, 'buffer').subarray(0, LOGIN_ID_BYTES).toString('base64url');
  return { id, login, secret: random.subarray(LOGIN_BYTES) };
}
