import type { PlatformClient, PlatformJson, PlatformRequest } from '../platform/platform.client.js';
import { isWechatId, isWechatToken } from '../platform/wechat-text.js';
import { WechatError, WechatResponseError } from '../wechat.errors.js';
import type { WechatApp } from '../wechat.options.js';

/** The tokens that WeChat issued for one user. They never leave the server. */
export interface OAuthGrant {
  openid: string;
  unionid?: string;
  scope: string;
  accessToken: string;
  /** Milliseconds since 1970, by `WechatClock`. */
  accessTokenExpiresAt: number;
  refreshToken: string;
}

/**
 * A user of a mobile app or website. Since October 2021 WeChat returns no gender and no region.
 *
 * @example
 * ```ts
 * const { nickName, avatarUrl }: WechatUserInfo = await oauth.getUserInfo(token);
 * ```
 */
export interface WechatUserInfo {
  openid: string;
  /** Absent if the app is not bound to an open-platform account. */
  unionid?: string;
  nickName: string;
  /** URL of the picture. It stops working when the user changes the picture, so store a copy of the picture. */
  avatarUrl?: string;
  /** 1 male, 2 female, 0 unknown. */
  gender: number;
  country: string;
  province: string;
  city: string;
}

/**
 * Exchanges an OAuth code for the tokens of a user.
 * @param now milliseconds since 1970, by `WechatClock`
 * @see https://developers.weixin.qq.com/doc/oplatform/Mobile_App/WeChat_Login/Development_Guide.html
 */
export async function exchangeCode(
  platform: PlatformClient,
  { appId, secret }: WechatApp,
  code: string,
  now: number,
): Promise<OAuthGrant> {
  const path = '/sns/oauth2/access_token';
  const query = { appid: appId, secret, code, grant_type: 'authorization_code' };
  return grantOf(
    await platform.json({ method: 'GET', path, query, retry: 'single-use' }),
    path,
    now,
  );
}

/**
 * Refreshes the access token. WeChat returns a new token, or extends the current one if it has not expired. The refresh token
 * expires 30 days after the login and is not extended.
 * @param now milliseconds since 1970, by `WechatClock`
 * @param deadline by `performance.now()`
 * @throws WechatSessionError if WeChat refuses the refresh token, and the errors of PlatformClient
 */
export async function refreshGrant(
  platform: PlatformClient,
  appId: string,
  grant: OAuthGrant,
  now: number,
  deadline: number,
): Promise<OAuthGrant> {
  const path = '/sns/oauth2/refresh_token';
  const query = { appid: appId, grant_type: 'refresh_token', refresh_token: grant.refreshToken };
  const refreshed = grantOf(
    await platform.json({ method: 'GET', path, query, retry: 'idempotent', deadline }),
    path,
    now,
  );
  if (refreshed.openid !== grant.openid) throw invalidReply(path);
  return { ...refreshed, unionid: refreshed.unionid ?? grant.unionid };
}

/**
 * Fetches the user's name and picture.
 * @param deadline by `performance.now()`
 * @see https://developers.weixin.qq.com/doc/oplatform/Mobile_App/WeChat_Login/Authorized_API_call_UnionID.html
 */
export async function fetchUserInfo(
  platform: PlatformClient,
  grant: OAuthGrant,
  deadline: number,
): Promise<WechatUserInfo> {
  const path = '/sns/userinfo';
  const reply = await platform.json({ ...userCall(path, grant, { lang: 'zh_CN' }), deadline });
  if (reply['openid'] !== grant.openid || typeof reply['nickname'] !== 'string')
    throw invalidReply(path);
  const text = (field: string): string => (typeof reply[field] === 'string' ? reply[field] : '');
  const unionid = text('unionid') || grant.unionid;
  const avatarUrl = text('headimgurl');
  return {
    openid: grant.openid,
    ...(unionid !== undefined && { unionid }),
    nickName: reply['nickname'],
    ...(avatarUrl !== '' && { avatarUrl }),
    gender: Number.isInteger(reply['sex']) ? Number(reply['sex']) : 0,
    country: text('country'),
    province: text('province'),
    city: text('city'),
  };
}

/** Returns whether WeChat still accepts the access token of this grant. */
export async function isGrantValid(platform: PlatformClient, grant: OAuthGrant): Promise<boolean> {
  try {
    await platform.json(userCall('/sns/auth', grant));
    return true;
  } catch (error) {
    if (
      error instanceof WechatError &&
      error.errcode !== undefined &&
      error.code === 'ERR_WECHAT_RESPONSE'
    )
      return false;
    throw error;
  }
}

function userCall(
  path: string,
  { accessToken, openid }: OAuthGrant,
  query: Record<string, string> = {},
): PlatformRequest {
  return {
    method: 'GET',
    path,
    query: { ...query, access_token: accessToken, openid },
    retry: 'idempotent',
  };
}

function grantOf(reply: PlatformJson, path: string, now: number): OAuthGrant {
  const {
    access_token: accessToken,
    expires_in: seconds,
    refresh_token: refreshToken,
    openid,
    unionid,
    scope,
  } = reply;
  const tokens =
    isWechatToken(accessToken) &&
    isWechatToken(refreshToken) &&
    Number.isInteger(seconds) &&
    Number(seconds) > 0;
  if (!tokens || !isWechatId(openid) || (unionid && !isWechatId(unionid))) throw invalidReply(path);
  const accessTokenExpiresAt = now + Number(seconds) * 1000;
  return {
    openid,
    accessToken,
    accessTokenExpiresAt,
    refreshToken,
    scope: typeof scope === 'string' ? scope : '',
    ...(isWechatId(unionid) && { unionid }),
  };
}

function invalidReply(endpoint: string): WechatResponseError {
  return new WechatResponseError(
    `${endpoint} returned a response without the fields of its protocol.`,
    { endpoint },
  );
}
