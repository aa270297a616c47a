import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { RidLog } from '../transport/rid-log.js';
import type { SandboxApp } from '../world/apps.js';
import { unixSeconds } from '../world/clock.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { appBySecret, jsonBody, OK, tokenApi } from './checks.js';

const RID_LIFE_S = 7 * 86_400;
/** Means "no limit" in the response of quota/get, which has no value for it. */
const UNLIMITED = 100_000_000;

/** Quotas and request ids. */
export function openapiRoutes(
  world: World,
  rids: RidLog,
  allRoutes: () => PlatformRoute[],
): PlatformRoute[] {
  const known = (path: string): boolean => allRoutes().some((route) => route.path === path);
  return [
    tokenApi(world, 'POST', '/cgi-bin/clear_quota', (app, request) =>
      clearQuota(world, app, request),
    ),
    {
      path: '/cgi-bin/clear_quota/v2',
      verb: 'POST',
      handle: (request) => clearQuotaBySecret(world, request),
    },
    tokenApi(world, 'POST', '/cgi-bin/openapi/quota/get', (app, request) =>
      getQuota(world, app, request, known),
    ),
    tokenApi(world, 'POST', '/cgi-bin/openapi/rid/get', (_app, request) =>
      getRid(world, rids, request),
    ),
  ];
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/openApi-mgnt/clearQuota.html */
function clearQuota(world: World, { appId }: SandboxApp, request: PlatformRequest): object {
  if (jsonBody(request)['appid'] !== appId) throw new WechatFailure(40013);
  world.quotas.clear(appId);
  return OK;
}

/** Needs no token, because the token API itself may be out of quota. WeChat's documents disagree on where the parameters are. */
function clearQuotaBySecret(world: World, request: PlatformRequest): object {
  const { appid, appsecret } = request.body === '' ? request.query : jsonBody(request);
  world.quotas.clear(appBySecret(world, { appid, secret: appsecret }).appId);
  return OK;
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/openApi-mgnt/getApiQuota.html */
function getQuota(
  world: World,
  { appId }: SandboxApp,
  request: PlatformRequest,
  known: (path: string) => boolean,
): object {
  const { cgi_path: path } = jsonBody(request);
  if (typeof path !== 'string' || !known(path)) throw new WechatFailure(76021);
  if (path.startsWith('/sns/')) throw new WechatFailure(76022);
  const { perDay = UNLIMITED, perMinute = UNLIMITED } = world.quotas.rule(path);
  const used = world.quotas.usedToday(path, appId);
  const noRate = { call_count: 0, refresh_second: 0 };
  return {
    ...OK,
    quota: { daily_limit: perDay, used, remain: perDay - used },
    rate_limit: { call_count: perMinute, refresh_second: 60 },
    component_rate_limit: noRate,
  };
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/openApi-mgnt/getRidInfo.html */
function getRid(world: World, rids: RidLog, request: PlatformRequest): object {
  const { rid } = jsonBody(request);
  if (typeof rid !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{8}){2}$/.test(rid))
    throw new WechatFailure(76002);
  const record = rids.get(rid);
  if (!record) throw new WechatFailure(76001);
  if (unixSeconds(world.clock.now()) - record.invoke_time > RID_LIFE_S)
    throw new WechatFailure(76004);
  return { ...OK, request: record };
}
