import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { Grant } from '../world/oauth-grants.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { appBySecret, OK, requireGrantType } from './checks.js';

const LANGUAGES = ['zh_CN', 'zh_TW', 'en'];

/**
 * The server side of 微信登录 for mobile and website apps.
 * @see https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Authorized_Interface_Calling_UnionID.html
 */
export function snsOAuth2Routes(world: World): PlatformRoute[] {
  return [
    {
      path: '/sns/oauth2/access_token',
      verb: 'ANY',
      handle: (request) => exchangeCode(world, request),
    },
    {
      path: '/sns/oauth2/refresh_token',
      verb: 'ANY',
      handle: (request) => refresh(world, request),
    },
    { path: '/sns/userinfo', verb: 'ANY', handle: (request) => userInfo(world, request) },
    { path: '/sns/auth', verb: 'ANY', handle: (request) => auth(world, request) },
  ];
}

function exchangeCode(world: World, { query, path }: PlatformRequest): object {
  const app = appBySecret(world, query);
  const { code } = query;
  if (!code) throw new WechatFailure(41008);
  requireGrantType(query['grant_type'], 'authorization_code');
  world.quotas.spend(path, app.appId);
  const consent = world.oauthCodes.open(code);
  if (consent.app.appId !== app.appId) throw new WechatFailure(40029);
  world.oauthCodes.use(code);
  const grant = world.grants.create(consent);
  return { ...tokens(grant), ...unionidFor(grant) };
}

function refresh(world: World, { query, path }: PlatformRequest): object {
  const { appid, refresh_token: refreshToken } = query;
  if (!appid) throw new WechatFailure(41002);
  if (!world.apps.find(appid)) throw new WechatFailure(40013);
  requireGrantType(query['grant_type'], 'refresh_token');
  if (!refreshToken) throw new WechatFailure(41003);
  world.quotas.spend(path, appid);
  return tokens(world.grants.refresh(refreshToken, appid));
}

function userInfo(world: World, request: PlatformRequest): object {
  const grant = grantOf(world, request);
  if (grant.scope === 'snsapi_base') throw new WechatFailure(48001);
  world.quotas.spend(request.path, grant.app.appId);
  const { user, app } = grant;
  const language = LANGUAGES.find((one) => one === request.query['lang']) ?? 'zh_CN';
  const unused = { sex: 0, language, city: '', province: '', country: '' }; // since October 2021
  const shown = {
    nickname: user.nickName,
    ...unused,
    headimgurl: user.avatarUrl,
    privilege: [],
  };
  return { openid: user.openid(app.appId), ...shown, ...unionidFor(grant) };
}

function auth(world: World, request: PlatformRequest): object {
  grantOf(world, request);
  return OK;
}

/** Returns the grant of a user-level access token, which must be used with its openid. */
function grantOf(world: World, { query }: PlatformRequest): Grant {
  const { access_token: accessToken, openid } = query;
  if (!accessToken) throw new WechatFailure(41001);
  if (!openid) throw new WechatFailure(41009);
  const grant = world.grants.verify(accessToken);
  if (grant.user.openid(grant.app.appId) !== openid) throw new WechatFailure(40003);
  return grant;
}

/** After an exchange and after a refresh, the access token is valid for its full lifetime. */
function tokens({ accessToken, refreshToken, user, app, scope }: Grant): object {
  return {
    access_token: accessToken,
    expires_in: 7200,
    refresh_token: refreshToken,
    openid: user.openid(app.appId),
    scope,
  };
}

/** Only if the scope allows it and the app has an open-platform account. */
function unionidFor({ user, app, scope }: Grant): { unionid?: string } {
  const unionid = scope === 'snsapi_base' ? undefined : user.unionid(app.appId);
  return unionid === undefined ? {} : { unionid };
}
