import { Injectable } from '@nestjs/common';
import { createHmac } from 'node:crypto';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import type { WechatApiCall } from '../access-token/wechat-api.client.js';
import { isSessionKeyStale } from '../platform/errcode.js';
import type { WechatSession } from '../wechat-session.js';
import { WechatClock } from '../wechat.clock.js';
import { WechatResponseError, WechatSessionError } from '../wechat.errors.js';
import { WechatEvents } from '../wechat.events.js';
import { isSessionKey } from './code2session.js';
import { UserRepository } from './user.repository.js';

/** The session_keys of users. There is one per user and app, because WeChat holds one valid: each login replaces it. */
@Injectable()
export class SessionKeyService {
  constructor(
    private readonly users: UserRepository,
    private readonly clock: WechatClock,
    private readonly api: WechatApiClient,
    private readonly events: WechatEvents,
  ) {}

  /**
   * Returns the session_keys that may have encrypted data of this session, the most likely one first. The previous key is
   * returned only for sessions that are older than the login that replaced it, and only for five minutes.
   */
  async of(session: WechatSession): Promise<string[]> {
    const record = (await this.users.get(session))?.record;
    if (!record) return [];
    const { sessionKey, since, previous } = record;
    const raced =
      previous && session.issuedAt.getTime() < since && this.clock.now() < previous.until;
    return raced ? [sessionKey, previous.sessionKey] : [sessionKey];
  }

  /** Returns whether WeChat still holds the key valid. */
  async check(session: WechatSession): Promise<boolean> {
    const record = (await this.users.get(session))?.record;
    if (!record) return false;
    try {
      await this.api.call({
        ...signedCall('/wxa/checksession', session, record.sessionKey),
        retry: 'idempotent',
      });
      return true;
    } catch (error) {
      if (!isSessionKeyStale(error)) throw error;
      this.events.emit('sessionKeyStale', { session });
      return false;
    }
  }

  /** Replaces the key at WeChat. The old key is invalid at once. */
  async reset(session: WechatSession): Promise<void> {
    const record = (await this.users.get(session))?.record;
    if (!record) throw new WechatSessionError();
    const call = signedCall('/wxa/resetusersessionkey', session, record.sessionKey);
    const { openid, session_key: sessionKey } = await this.api
      .call(call)
      .catch((error: unknown) => {
        throw isSessionKeyStale(error) ? new WechatSessionError() : error;
      });
    if (openid !== session.openid || !isSessionKey(sessionKey)) {
      throw new WechatResponseError(
        'WeChat returned no valid openid and session_key for a reset.',
        { endpoint: call.path },
      );
    }
    await this.users.update(session, (now) => now && { ...now, sessionKey, previous: undefined });
  }
}

function signedCall(
  path: string,
  { appId, openid }: WechatSession,
  sessionKey: string,
): WechatApiCall {
  return {
    method: 'GET',
    path,
    appId,
    query: { openid, signature: signWithSessionKey(sessionKey), sig_method: 'hmac_sha256' },
  };
}

/**
 * Signs with a session_key as WeChat does: HMAC-SHA256 in lower-case hex. The key is the base64 text of the session_key, not
 * its decoded bytes.
 *
 * @param message the body of the request; default empty, as `wxa/checksession` and `wxa/resetusersessionkey` sign it
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/checkSessionKey.html
 *
 * @example
 * ```ts
 * signWithSessionKey(sessionKey)      // the signature of wxa/checksession, 64 hex digits
 * ```
 */
export function signWithSessionKey(sessionKey: string, message = ''): string {
  return createHmac('sha256', sessionKey).update(message).digest('hex');
}
