import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { appBySecret, requireGrantType } from './checks.js';

/** The login of mini programs. */
export function snsRoutes(world: World): PlatformRoute[] {
  return [
    {
      path: '/sns/jscode2session',
      verb: 'ANY',
      handle: (request) => jscode2session(world, request),
    },
  ];
}

/**
 * Exchanges a code of `wx.login`. It returns the session_key that is valid now, which a later login may have replaced.
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
 */
function jscode2session(world: World, { query, path }: PlatformRequest): object {
  const { js_code: code, grant_type: grantType } = query;
  const app = appBySecret(world, query);
  if (!code) throw new WechatFailure(41008);
  requireGrantType(grantType, 'authorization_code');
  const { appId, user } = world.loginCodes.open(code);
  if (appId !== app.appId) throw new WechatFailure(40029);
  if (user.highRisk) throw new WechatFailure(40226);
  const openid = user.openid(appId);
  world.quotas.spendForUser(path, appId, openid);
  world.loginCodes.use(code);
  const unionid = user.unionid(appId);
  return { session_key: world.sessionKeys.current(openid), openid, ...(unionid && { unionid }) };
}
