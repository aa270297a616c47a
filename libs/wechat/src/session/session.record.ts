import { hash } from 'node:crypto';
import { Packer, unpack } from './packing.js';

/** What the store keeps of one login, sealed. A refresh rewrites it; its end removes it. */
export interface SessionRecord {
  appId: string;
  openid: string;
  unionid?: string;
  issuedAt: number;
  refreshedAt: number;
  expiresAt: number;
  loginExpiresAt: number;
  /** The secret of the current `session_rd`. */
  secret: Buffer;
  /** The `session_rd` before it, which guards still accept during the grace time. */
  previous?: PreviousToken;
}

/** The token that the last refresh replaced. */
export interface PreviousToken {
  secret: Buffer;
  graceUntil: number;
  /** {@link hashRequestId} of the refresh that replaced it, if that refresh carried a request id. */
  requestHash?: Buffer;
}

export const SECRET_BYTES = 16;
/** A wrong request id ends the session, so a thief has one guess: 64 bits are enough. */
const REQUEST_HASH_BYTES = 8;
const VERSION = 1;
const HAS_UNIONID = 1;
const HAS_PREVIOUS = 2;
const HAS_REQUEST_HASH = 4;

/** The part of a request id that a record keeps. The record is sealed, so the hash needs no key. */
export function hashRequestId(requestId: string): Buffer {
  return hash('sha256', requestId, 'buffer').subarray(0, REQUEST_HASH_BYTES);
}

export function packSession(record: SessionRecord): Buffer {
  const { unionid, previous } = record;
  const packer = new Packer()
    .byte(VERSION)
    .byte(
      (unionid === undefined ? 0 : HAS_UNIONID) |
        (previous ? HAS_PREVIOUS : 0) |
        (previous?.requestHash ? HAS_REQUEST_HASH : 0),
    )
    .text(record.appId)
    .text(record.openid)
    .time(record.issuedAt)
    .time(record.refreshedAt)
    .time(record.expiresAt)
    .time(record.loginExpiresAt)
    .bytes(record.secret);
  if (unionid !== undefined) packer.text(unionid);
  if (previous) packer.bytes(previous.secret).time(previous.graceUntil);
  if (previous?.requestHash) packer.bytes(previous.requestHash);
  return packer.done();
}

/** The record, or `undefined` if the bytes are none. */
export function unpackSession(bytes: Buffer): SessionRecord | undefined {
  return unpack(bytes, VERSION, (from) => {
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
  });
}
