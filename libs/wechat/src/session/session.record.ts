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
  /** The `session_rd` before it, which still works for the grace time. */
  previous?: { secret: Buffer; graceUntil: number };
}

export const SECRET_BYTES = 16;
const VERSION = 1;
const HAS_UNIONID = 1;
const HAS_PREVIOUS = 2;

export function packSession(record: SessionRecord): Buffer {
  const { unionid, previous } = record;
  const packer = new Packer()
    .byte(VERSION)
    .byte((unionid === undefined ? 0 : HAS_UNIONID) | (previous ? HAS_PREVIOUS : 0))
    .text(record.appId)
    .text(record.openid)
    .time(record.issuedAt)
    .time(record.refreshedAt)
    .time(record.expiresAt)
    .time(record.loginExpiresAt)
    .bytes(record.secret);
  if (unionid !== undefined) packer.text(unionid);
  if (previous) packer.bytes(previous.secret).time(previous.graceUntil);
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
        previous: { secret: from.bytes(SECRET_BYTES), graceUntil: from.time() },
      }),
    };
  });
}
