import { Inject, Injectable } from '@nestjs/common';
import { hash } from 'node:crypto';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { SealedRepository } from '../store/sealed.repository.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import { packUser, unpackUser } from './user.record.js';
import type { UserRecord } from './user.record.js';

/**
 * Whose record: a user in one app.
 *
 * @example
 * ```ts
 * const user: WechatUserKey = { appId: 'wx…', openid: 'o…' };
 * await sessions.revokeAll(user);      // needs no session
 * ```
 */
export interface WechatUserKey {
  appId: string;
  openid: string;
}

/**
 * The user records: the session_key of a user in one app, and the list of their sessions. The id is hashed, so that the store
 * does not show which user logs in. An openid is random, so its hash cannot be searched for.
 */
@Injectable()
export class UserRecords extends SealedRepository<UserRecord, WechatUserKey> {
  constructor(
    @Inject(WechatStore) store: WechatStore,
    @Inject(Keyring) keyring: Keyring,
    @Inject(WechatClock) clock: WechatClock,
  ) {
    super(store, keyring, clock, {
      kind: 'user',
      prefix: KEY_PREFIX.user,
      codec: { encode: packUser, decode: unpackUser },
      keyOf: hashOfUser,
      appIdOf: (_, { appId }) => appId,
      expiresAt: ({ logins }) => Math.max(0, ...logins.map((login) => login.loginExpiresAt)),
    });
  }
}

/** Names a user in keys of the store. */
export function hashOfUser({ appId, openid }: WechatUserKey): string {
  return hash('sha256', `${appId} ${openid}`, 'base64url').slice(0, 22);
}
