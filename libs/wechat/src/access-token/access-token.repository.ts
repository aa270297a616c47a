import { Injectable } from '@nestjs/common';
import { Keyring } from '../crypto/keyring.js';
import { KEY_PREFIX } from '../store/keys.js';
import { jsonCodec, SealedRepository } from '../store/sealed.repository.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import type { AccessToken } from './fetch-access-token.js';

/** The encrypted records of the access tokens that all instances share, by appId. */
@Injectable()
export class AccessTokenRepository extends SealedRepository<AccessToken> {
  constructor(store: WechatStore, keyring: Keyring, clock: WechatClock) {
    super(store, keyring, clock, {
      kind: 'access token',
      prefix: KEY_PREFIX.accessToken,
      codec: jsonCodec<AccessToken>(),
      appIdOf: (_, appId) => appId,
      expiresAt: ({ expiresAt }) => expiresAt,
    });
  }
}
