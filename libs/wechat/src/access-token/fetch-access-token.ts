import type { PlatformClient, PlatformRequest } from '../platform/platform.client.js';
import { isWechatToken } from '../platform/wechat-text.js';
import { WechatResponseError } from '../wechat.errors.js';
import type { WechatApp } from '../wechat.options.js';

export interface AccessToken {
  token: string;
  /** Milliseconds since 1970, on the store's clock. */
  expiresAt: number;
}

/** `forced` asks the stable endpoint for a new token, which kills the old one. */
export type AccessTokenMode = 'stable' | 'forced' | 'legacy';

/** 7200 seconds is WeChat's longest; a little more could be a slow answer, and anything else is not a life. */
const LONGEST_LIFE = 7800;

/**
 * Asks WeChat for the access token: the stable one, which stays the same until WeChat renews it; a new stable one, which
 * kills the old; or the legacy one, which is new with each call.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getAccessToken.html
 */
export async function fetchAccessToken(
  platform: PlatformClient,
  app: WechatApp,
  mode: AccessTokenMode,
  now: number,
  deadline: number,
): Promise<AccessToken> {
  const request = requestFor(app, mode);
  const { access_token: token, expires_in: life } = await platform.json({ ...request, deadline });
  if (
    !isWechatToken(token) ||
    !Number.isInteger(life) ||
    Number(life) < 1 ||
    Number(life) > LONGEST_LIFE
  ) {
    throw new WechatResponseError('WeChat answered without a proper access_token and expires_in.', {
      endpoint: request.path,
    });
  }
  return { token, expiresAt: now + Number(life) * 1000 };
}

function requestFor({ appId, secret }: WechatApp, mode: AccessTokenMode): PlatformRequest {
  const credentials = { grant_type: 'client_credential', appid: appId, secret };
  if (mode === 'legacy')
    return { method: 'GET', path: '/cgi-bin/token', query: credentials, retry: 'idempotent' };
  return {
    method: 'POST',
    path: '/cgi-bin/stable_token',
    body: { ...credentials, force_refresh: mode === 'forced' },
    retry: 'idempotent',
  };
}
