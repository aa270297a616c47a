import { parseObject } from '../transport/request.js';
import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import type { SandboxUser } from '../world/user.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';

/** Returns the app with this appid and secret. Checks in WeChat's order. */
export function appBySecret(world: World, { appid, secret }: Record<string, unknown>): SandboxApp {
  if (!appid) throw new WechatFailure(41002);
  const app = world.apps.find(appid);
  if (!app) throw new WechatFailure(40013);
  if (!secret) throw new WechatFailure(41004);
  if (app.secret !== secret) throw new WechatFailure(40125);
  return app;
}

/** Throws 40002 unless the grant type is the one that the API requires. */
export function requireGrantType(grantType: unknown, expected: string): void {
  if (grantType !== expected) throw new WechatFailure(40002);
}

/** Returns the JSON object of a POST. Throws 44002 for an empty body, 47001 for a form or any other text. */
export function jsonBody({ body }: PlatformRequest): Record<string, unknown> {
  if (body === '') throw new WechatFailure(44002);
  const json = parseObject(body);
  if (!json) throw new WechatFailure(47001);
  return json;
}

/** Returns the route of an API that is called with an app's access_token, which must be in the query. */
export function tokenApi(
  world: World,
  verb: 'GET' | 'POST',
  path: string,
  handle: (app: SandboxApp, request: PlatformRequest) => object | Promise<object>,
): PlatformRoute {
  return {
    path,
    verb,
    handle(request) {
      const app = world.apps.find(world.accessTokens.verify(request.query['access_token']));
      if (!app) throw new WechatFailure(40001);
      world.quotas.spend(path, app.appId);
      return handle(app, request);
    },
  };
}

/** Returns the user with this openid in the app. */
export function requireUser(world: World, { appId }: SandboxApp, openid: unknown): SandboxUser {
  const user = typeof openid === 'string' && world.users.findByOpenid(appId, openid);
  if (!user) throw new WechatFailure(40003);
  return user;
}

/** Checks that a page is in the released version of the app, with or without a leading slash. */
export function requireReleased(
  { releasedPages }: SandboxApp,
  page: string,
  refusal: number,
): void {
  if (!releasedPages.includes(page.replace(/^\//, ''))) throw new WechatFailure(refusal);
}

/** WeChat refuses every text that contains it. */
export const SENSITIVE = '敏感词';

/** The body of a success without data. */
export const OK = { errcode: 0, errmsg: 'ok' };
