import { Injectable } from '@nestjs/common';
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatBadRequestError } from '../wechat.errors.js';

/** A state expires after the same time as an OAuth code of WeChat, 10 minutes. */
const TTL_MS = 10 * 60_000;
const STATE = /^[0-9A-Za-z_-]{32}$/;
const HASH_BYTES = 32;

/** The `state` of a website login. It is bound to one app and one browser, and it can be used once, within ten minutes. */
@Injectable()
export class OAuthState {
  constructor(private readonly store: WechatStore) {}

  /**
   * Creates a state for a browser that starts a login.
   * @param device a random value that only this browser has
   */
  async create(appId: string, device: string): Promise<string> {
    const state = randomBytes(24).toString('base64url');
    const value = Buffer.concat([bindingOf(appId, device), Buffer.from(appId)]);
    await this.store.add(keyOf(state), value, TTL_MS);
    return state;
  }

  /**
   * Removes a state and checks its binding.
   * @returns the appId that it was created for
   * @throws WechatBadRequestError if it is unknown, used or expired, or was created for another device
   */
  async use(state: string, device: string): Promise<string> {
    const value = STATE.test(state) ? await this.store.take(keyOf(state)) : undefined;
    const appId = value?.subarray(HASH_BYTES).toString() ?? '';
    const binding = value?.subarray(0, HASH_BYTES);
    if (!binding || !timingSafeEqual(binding, bindingOf(appId, device))) {
      throw new WechatBadRequestError(
        'state is unknown, expired or already used, or it was issued to another browser. Start the login again.',
      );
    }
    return appId;
  }
}

function keyOf(state: string): string {
  return KEY_PREFIX.oauthState + hash('sha256', state, 'base64url');
}

function bindingOf(appId: string, device: string): Buffer {
  return hash('sha256', `${appId} ${device}`, 'buffer');
}
