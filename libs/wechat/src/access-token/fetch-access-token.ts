import type { PlatformClient, PlatformRequest } from '../platform/platform.client.js';
import { isWechatToken } from '../platform/wechat-text.js';
import { WechatResponseError } from '../wechat.errors.js';
import type { WechatApp } from '../wechat.options.js';

export interface AccessToken {
  token: string;
  /** Milliseconds since 1970, by `WechatClock`. */
  expiresAt: number;
  /** The secret that it was fetched with, if secrets can change: see `WechatApps.versionOf`. */
  version?: string;
}

/** `forced` requests a new token from the stable endpoint and invalidates the current one. */
export type AccessTokenMode = 'stable' | 'forced' | 'legacy';

/** WeChat documents 7200 seconds as the maximum. Ten minutes more are accepted. */
const MAX_TTL_SECONDS = 7800;

/**
 * Fetches the access token from WeChat.
 * @param mode `stable` returns the current token until WeChat renews it. `forced` returns a new stable token and invalidates
 *   the current one. `legacy` returns a new token with each call.
 * @param now milliseconds since 1970, by `WechatClock`
 * @param deadline by `performance.now()`
 * @throws WechatResponseError if the token or its time to live is not valid, and the errors of PlatformClient
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
  const { access_token: token, expires_in: ttlSeconds } = await platform.json({
    ...request,
    deadline,
  });
  if (
    !isWechatToken(token) ||
    !Number.isInteger(ttlSeconds) ||
    Number(ttlSeconds) < 1 ||
    Number(ttlSeconds) > MAX_TTL_SECONDS
  ) {
    throw new WechatResponseError('WeChat returned no valid access_token and expires_in.', {
      endpoint: request.path,
    });
  }
  return { token, expiresAt: now + Number(ttlSeconds) * 1000 };
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
