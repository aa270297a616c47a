import { Injectable } from '@nestjs/common';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { jsonCodec, SealedRepository } from '../store/sealed.repository.js';
import type { Stored } from '../store/sealed.repository.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import type { OAuthGrant, WechatUserInfo } from './oauth-api.js';

export interface MobileLoginRecord {
  appId: string;
  openid: string;
  unionid?: string;
  /** The secret part of the token, base64url. */
  secret: string;
  grant: OAuthGrant;
  /** Milliseconds since 1970. */
  loginExpiresAt: number;
  /** The profile when it was last fetched. Version 0.1.0 stored it as `userInfo` with other field names. It is fetched again then. */
  profile?: WechatUserInfo;
}

export type StoredMobileLogin = Stored<MobileLoginRecord>;

/** The encrypted records of mobile and website logins, by login id. */
@Injectable()
export class MobileLoginRepository extends SealedRepository<MobileLoginRecord> {
  constructor(store: WechatStore, keyring: Keyring, clock: WechatClock, apps: WechatApps) {
    super(store, keyring, clock, {
      kind: 'mobile login',
      prefix: KEY_PREFIX.mobileLogin,
      codec: jsonCodec<MobileLoginRecord>(),
      appIdOf: ({ appId }) => appId,
      expiresAt: ({ loginExpiresAt }) => loginExpiresAt,
      isLive: apps.isLive,
    });
  }
}
