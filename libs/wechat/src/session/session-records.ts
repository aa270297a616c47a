import { Inject, Injectable } from '@nestjs/common';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { SealedRepository } from '../store/sealed.repository.js';
import type { Stored } from '../store/sealed.repository.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import { packSession, unpackSession } from './session.record.js';
import type { SessionRecord } from './session.record.js';

/** A session record as it was read or written. */
export type StoredSession = Stored<SessionRecord>;

/** How many opened session records stay in memory. One takes about a kilobyte. */
const MAX_OPENED = 10_000;

/**
 * The session records, by session id. Each read asks the store, so a revocation takes effect at once. A record is kept until
 * its session could not live any longer, so that a token that was replaced long ago is still recognised.
 */
@Injectable()
export class SessionRecords extends SealedRepository<SessionRecord> {
  constructor(
    @Inject(WechatStore) store: WechatStore,
    @Inject(Keyring) keyring: Keyring,
    @Inject(WechatClock) clock: WechatClock,
  ) {
    super(store, keyring, clock, {
      kind: 'session',
      prefix: KEY_PREFIX.session,
      codec: { encode: packSession, decode: unpackSession },
      appIdOf: ({ appId }) => appId,
      expiresAt: ({ loginExpiresAt }) => loginExpiresAt,
      maxOpened: MAX_OPENED,
    });
  }
}
