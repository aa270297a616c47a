import { Inject, Injectable } from '@nestjs/common';
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatBadRequestError } from '../wechat.errors.js';

/** As long as WeChat's own code lives. */
const LIFE = 10 * 60_000;
const STATE = /^[0-9A-Za-z_-]{32}$/;

/** The `state` of a website login: it comes back from the browser that left with it, once, within ten minutes. */
@Injectable()
export class OAuthState {
  constructor(@Inject(WechatStore) private readonly store: WechatStore) {}

  async create(appId: string, device = ''): Promise<string> {
    const state = randomBytes(24).toString('base64url');
    await this.store.add(keyOf(state), bindingOf(appId, device), LIFE);
    return state;
  }

  /** @throws WechatBadRequestError if the state is unknown, used, too old, or another app's or device's */
  async spend(state: string, appId: string, device = ''): Promise<void> {
    const bound =
      typeof state === 'string' && STATE.test(state)
        ? await this.store.take(keyOf(state))
        : undefined;
    if (!bound || !timingSafeEqual(bound, bindingOf(appId, device))) {
      throw new WechatBadRequestError('state is not one of ours any more. Start the login again.');
    }
  }
}

function keyOf(state: string): string {
  return KEY_PREFIX.oauthState + hash('sha256', state, 'base64url');
}

function bindingOf(appId: string, device: string): Buffer {
  return hash('sha256', `${appId} ${device}`, 'buffer');
}
