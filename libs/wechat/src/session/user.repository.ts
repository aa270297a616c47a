import { Injectable } from '@nestjs/common';
import { hash } from 'node:crypto';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { SealedRepository } from '../store/sealed.repository.js';
import { WechatStore } from '../store/wechat.store.js';
import type { WechatUserKey } from '../wechat-session.js';
import { WechatClock } from '../wechat.clock.js';
import { BinaryReader, timeBytes } from './binary-record.js';
import { SESSION_ID_BYTES } from './session-token.js';

/** One user of one app: the session_key and the list of sessions. Times are milliseconds since 1970. */
export interface UserRecord {
  /** The session_key that WeChat holds valid for this user, as base64 text. A newer login replaces it for all devices. */
  sessionKey: string;
  /** When the session_key was fetched. */
  since: number;
  /** The session_key before it, for data that was encrypted just before a newer login. */
  previous?: { sessionKey: string; until: number };
  /** Oldest first. A listed session may have ended: its own record decides. */
  sessions: ListedSession[];
}

export interface ListedSession {
  id: string;
  issuedAt: number;
  loginExpiresAt: number;
}

const SESSION_KEY_BYTES = 16;
/** How long the previous session_key is kept: as long as a code of `wx.login` is valid. */
const PREVIOUS_KEY_TTL_MS = 5 * 60_000;

/** The user records, by a hash of appId and openid, so that the store does not show which user logs in. */
@Injectable()
export class UserRepository extends SealedRepository<UserRecord, WechatUserKey> {
  constructor(store: WechatStore, keyring: Keyring, clock: WechatClock) {
    super(store, keyring, clock, {
      kind: 'user',
      prefix: KEY_PREFIX.user,
      codec: { encode, decode },
      keyOf: hashOfUser,
      appIdOf: (_, { appId }) => appId,
      expiresAt: ({ sessions }) => Math.max(0, ...sessions.map((listed) => listed.loginExpiresAt)),
    });
  }
}

/** Returns the name of a user in keys of the store. An openid is random, so its hash cannot be searched for. */
export function hashOfUser({ appId, openid }: WechatUserKey): string {
  return hash('sha256', `${appId} ${openid}`, 'base64url').slice(0, 22);
}

/**
 * Returns the record with the session_key of a new login.
 * @param since when the key was fetched. If another login fetched a key later, that one stays the current key.
 */
export function withSessionKey(
  record: UserRecord | undefined,
  sessionKey: string,
  since: number,
  now: number,
): UserRecord {
  if (!record) return { sessionKey, since, sessions: [] };
  if (record.sessionKey === sessionKey) return { ...record, since: Math.max(since, record.since) };
  const until = now + PREVIOUS_KEY_TTL_MS;
  if (since < record.since) return { ...record, previous: { sessionKey, until } };
  return { ...record, sessionKey, since, previous: { sessionKey: record.sessionKey, until } };
}

const VERSION = 1;

function encode({ sessionKey, since, previous, sessions }: UserRecord): Buffer {
  return Buffer.concat([
    Buffer.of(VERSION),
    Buffer.from(sessionKey, 'base64'),
    timeBytes(since),
    Buffer.of(previous ? 1 : 0),
    ...(previous ? [Buffer.from(previous.sessionKey, 'base64'), timeBytes(previous.until)] : []),
    ...sessions.flatMap(({ id, issuedAt, loginExpiresAt }) => [
      Buffer.from(id, 'base64url'),
      timeBytes(issuedAt),
      timeBytes(loginExpiresAt),
    ]),
  ]);
}

function decode(bytes: Buffer): UserRecord | undefined {
  const from = new BinaryReader(bytes);
  if (from.bytes(1)[0] !== VERSION) return undefined;
  const record: UserRecord = { sessionKey: readKey(from), since: from.time(), sessions: [] };
  if (from.bytes(1)[0] === 1) record.previous = { sessionKey: readKey(from), until: from.time() };
  while (from.hasMore())
    record.sessions.push({
      id: from.bytes(SESSION_ID_BYTES).toString('base64url'),
      issuedAt: from.time(),
      loginExpiresAt: from.time(),
    });
  return record;
}

function readKey(from: BinaryReader): string {
  return from.bytes(SESSION_KEY_BYTES).toString('base64');
}
