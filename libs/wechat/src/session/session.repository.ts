import { Injectable } from '@nestjs/common';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { SealedRepository } from '../store/sealed.repository.js';
import type { Stored } from '../store/sealed.repository.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import { WechatEvents } from '../wechat.events.js';
import { BinaryReader, textBytes, timeBytes } from './binary-record.js';
import { REQUEST_HASH_BYTES } from './request-id.js';
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
  /** {@link requestHashOf} the refresh that replaced it, if that refresh carried a request id. */
  requestHash?: Buffer;
}

export type StoredSession = Stored<SessionRecord>;

/** How many opened records stay in memory, so that equal bytes are not opened twice. One takes about a kilobyte. */
const MAX_OPENED = 10_000;

/**
 * The session records, by session id. Each read asks the store, so a revocation takes effect at once. A record is kept until
 * its session could not live any longer, so that a token that was replaced long ago is still recognised.
 */
@Injectable()
export class SessionRepository extends SealedRepository<SessionRecord> {
  constructor(
    store: WechatStore,
    keyring: Keyring,
    clock: WechatClock,
    private readonly events: WechatEvents,
    apps: WechatApps,
  ) {
    super(store, keyring, clock, {
      kind: 'session',
      prefix: KEY_PREFIX.session,
      codec: { encode, decode },
      appIdOf: ({ appId }) => appId,
      expiresAt: ({ loginExpiresAt }) => loginExpiresAt,
      isLive: apps.isLive,
      maxOpened: MAX_OPENED,
    });
  }

  /** Revokes a session: removes its record and emits `end`. Returns whether there was one. */
  override async remove(id: string): Promise<boolean> {
    const isRemoved = await super.remove(id);
    if (isRemoved) this.events.emit('end', { id });
    return isRemoved;
  }
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
  return Buffer.concat([
    Buffer.of(VERSION, flags),
    textBytes(record.appId),
    textBytes(record.openid),
    timeBytes(record.issuedAt),
    timeBytes(record.refreshedAt),
    timeBytes(record.expiresAt),
    timeBytes(record.loginExpiresAt),
    record.secret,
    ...(unionid === undefined ? [] : [textBytes(unionid)]),
    ...(previous ? [previous.secret, timeBytes(previous.graceUntil)] : []),
    ...(previous?.requestHash ? [previous.requestHash] : []),
  ]);
}

function decode(bytes: Buffer): SessionRecord | undefined {
  const from = new BinaryReader(bytes);
  const [version, flags = 0] = from.bytes(2);
  if (version !== VERSION) return undefined;
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
