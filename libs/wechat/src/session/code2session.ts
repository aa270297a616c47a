import { decodeBase64 } from '../crypto/base64.js';
import type { PlatformClient } from '../platform/platform.client.js';
import { isWechatId } from '../platform/wechat-text.js';
import { WechatResponseError } from '../wechat.errors.js';
import type { WechatApp } from '../wechat.options.js';
import { SESSION_KEY_BYTES } from './user.record.js';

const ENDPOINT = '/sns/jscode2session';

/** What WeChat answers for a code of `wx.login`. The session_key never leaves this library. */
export interface Code2Session {
  openid: string;
  unionid?: string;
  sessionKey: string;
}

/**
 * Exchanges a code of `wx.login`. A code works once, so nothing is repeated that may have reached WeChat.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
 * @throws WechatCodeError, WechatBlockedError, WechatRateLimitError, WechatUnavailableError, WechatResponseError, WechatConfigError
 */
export async function code2Session(
  platform: PlatformClient,
  { appId, secret }: WechatApp,
  code: string,
): Promise<Code2Session> {
  const reply = await platform.json({
    method: 'GET',
    path: ENDPOINT,
    query: { appid: appId, secret, js_code: code, grant_type: 'authorization_code' },
    retry: 'single-use',
  });
  const { openid, unionid, session_key: sessionKey } = reply;
  if (!isWechatId(openid) || !(isWechatId(unionid) || !unionid) || !isSessionKey(sessionKey)) {
    throw new WechatResponseError(
      'WeChat answered a login without a proper openid and session_key.',
      { endpoint: ENDPOINT },
    );
  }
  return { openid, sessionKey, ...(isWechatId(unionid) && { unionid }) };
}

export function isSessionKey(value: unknown): value is string {
  return decodeBase64(value)?.length === SESSION_KEY_BYTES;
}
