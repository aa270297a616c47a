import { Packer, unpack } from './packing.js';

/** What the store keeps of one user in one app, sealed: WeChat's key for their data, and their logins. */
export interface UserRecord {
  /** The one session_key that WeChat holds valid for this user, as base64 text. */
  sessionKey: string;
  /** When it was fetched. */
  since: number;
  /** The key before it, for data that was encrypted just before a new login. */
  previous?: { sessionKey: string; until: number };
  /** Oldest first. A login that has ended may still be named; its session record decides. */
  logins: { id: string; issuedAt: number; loginExpiresAt: number }[];
}

export const SESSION_KEY_BYTES = 16;
export const LOGIN_ID_BYTES = 12;
const VERSION = 1;

export function packUser({ sessionKey, since, previous, logins }: UserRecord): Buffer {
  const packer = new Packer()
    .byte(VERSION)
    .bytes(Buffer.from(sessionKey, 'base64'))
    .time(since)
    .byte(previous ? 1 : 0);
  if (previous) packer.bytes(Buffer.from(previous.sessionKey, 'base64')).time(previous.until);
  for (const { id, issuedAt, loginExpiresAt } of logins)
    packer.bytes(Buffer.from(id, 'base64url')).time(issuedAt).time(loginExpiresAt);
  return packer.done();
}

/** The record, or `undefined` if the bytes are none. */
export function unpackUser(bytes: Buffer): UserRecord | undefined {
  return unpack(bytes, VERSION, (from) => {
    const sessionKey = (): string => from.bytes(SESSION_KEY_BYTES).toString('base64');
    const record: UserRecord = { sessionKey: sessionKey(), since: from.time(), logins: [] };
    if (from.byte() === 1) record.previous = { sessionKey: sessionKey(), until: from.time() };
    while (from.hasMore()) {
      record.logins.push({
        id: from.bytes(LOGIN_ID_BYTES).toString('base64url'),
        issuedAt: from.time(),
        loginExpiresAt: from.time(),
      });
    }
    return record;
  });
}
