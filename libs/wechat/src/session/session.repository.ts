import { Injectable } from '@nestjs/common';
import { hash } from 'node:crypto';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { SealedRepository } from '../store/sealed.repository.js';
import type { Stored } from '../store/sealed.repository.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import { BinaryReader, BinaryWriter } from './binary-record.js';
import { SECRET_BYTES } from './session-token.js';

/** One session. A refresh rewrites it, a revocation removes it. Times are milliseconds since 1970. */
export interface SessionRecord {
  appId: string;
  openid: string;
  unionid?: string;
  issuedAt: number;
  refreshedAt: number;
  expiresAt: number;
  loginExpiresAt: number;
  /** The secret of the current token. */
  secret: Buffer;
  /** The token that the last refresh replaced. Guards accept it during the grace time. */
  previous?: PreviousToken;
}

export interface PreviousToken {
  secret: Buffer;
  graceUntil: number;
  /** {@link hashRequestId} of the refresh that replaced it, if that refresh carried a request id. */
  requestHash?: Buffer;
}

export type StoredSession = Stored<SessionRecord>;

/** A wrong request id ends the session, so an attacker has one guess: 64 bits are enough. */
const REQUEST_HASH_BYTES = 8;
/** How many opened records stay in memory, so that equal bytes are not opened twice. One takes about a kilobyte. */
const MAX_OPENED = 10_000;

/**
 * The session records, by session id. Each read asks the store, so a revocation takes effect at once. A record is kept until
 * its session could not live any longer, so that a token that was replaced long ago is still recognised.
 */
@Injectable()
export class SessionRepository extends SealedRepository<SessionRecord> {
  constructor(store: WechatStore, keyring: Keyring, clock: WechatClock) {
    super(store, keyring, clock, {
      kind: 'session',
      prefix: KEY_PREFIX.session,
      codec: { encode, decode },
      appIdOf: ({ appId }) => appId,
      expiresAt: ({ loginExpiresAt }) => loginExpiresAt,
      maxOpened: MAX_OPENED,
    });
  }
}

/** Returns the part of a request id that a record keeps. The record is encrypted, so the hash needs no key. */
export function hashRequestId(requestId: string): Buffer {
  return hash('sha256', requestId, 'buffer').subarray(0, REQUEST_HASH_BYTES);
}

const VERSION = 1;
const HAS_UNIONID = 1;
const HAS_PREVIOUS = 2;
const HAS_REQUEST_HASH = 4;

function encode({ unionid, previous, ...record }: SessionRecord): Buffer {
  const flags =
    (unionid === undefined ? 0 : HAS_UNIONID) |
    (previous ? HAS_PREVIOUS : 0) |
    (previous?.requestHash ? HAS_REQUEST_HASH : 0);
  const to = new BinaryWriter()
    .byte(VERSION)
    .byte(flags)
    .text(record.appId)
    .text(record.openid)
    .time(record.issuedAt)
    .time(record.refreshedAt)
    .time(record.expiresAt)
    .time(record.loginExpiresAt)
    .bytes(record.secret);
  if (unionid !== undefined) to.text(unionid);
  if (previous) to.bytes(previous.secret).time(previous.graceUntil);
  if (previous?.requestHash) to.bytes(previous.requestHash);
  return to.done();
}

function decode(bytes: Buffer): SessionRecord | undefined {
  const from = new BinaryReader(bytes);
  if (from.byte() !== VERSION) return undefined;
  const flags = from.byte();
  return {
    appId: from.text(),
    openid: from.text(),
    issuedAt: from.time(),
    refreshedAt: from.time(),
    expiresAt: from.time(),
    loginExpiresAt: from.time(),
    secret: from.bytes(SECRET_BYTES),
    ...(flags & HAS_UNIONID && { unionid: from.text() }),
    ...(flags & HAS_PREVIOUS && {
      previous: {
        secret: from.bytes(SECRET_BYTES),
        graceUntil: from.time(),
        ...(flags & HAS_REQUEST_HASH && { requestHash: from.bytes(REQUEST_HASH_BYTES) }),
      },
    }),
  };
}

/** @internal For tests of the stored format. */
export const sessionCodec = { encode, decode };
