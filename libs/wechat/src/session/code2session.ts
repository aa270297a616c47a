import type { PlatformClient } from '../platform/platform.client.js';
import { isWechatId } from '../platform/wechat-text.js';
import { WechatResponseError } from '../wechat.errors.js';
import type { WechatApp } from '../wechat.options.js';

const ENDPOINT = '/sns/jscode2session';

/** The response of WeChat for a code of `wx.login`. The session_key never leaves this library. */
export interface Code2Session {
  openid: string;
  unionid?: string;
  sessionKey: string;
}

/**
 * Exchanges a code of `wx.login`. A code works once, so a call that may have reached WeChat is not repeated.
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
    throw new WechatResponseError('WeChat returned no valid openid and session_key for a login.', {
      endpoint: ENDPOINT,
    });
  }
  return { openid, sessionKey, ...(isWechatId(unionid) && { unionid }) };
}

/** 16 bytes in canonical base64. */
const SESSION_KEY = /^[0-9A-Za-z+/]{21}[AQgw]==$/;

export function isSessionKey(value: unknown): value is string {
  return typeof value === 'string' && SESSION_KEY.test(value);
}
