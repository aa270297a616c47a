import { randomBytes } from 'node:crypto';
import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import { unixSeconds } from '../world/clock.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { jsonBody, OK, requireReleased, tokenApi } from './checks.js';

const QUERY = /^[\w!#$&'()*+,/:;=?@\-.~%]{0,1024}$/;
const VERSIONS: unknown[] = ['release', 'trial', 'develop'];
const SHORTEST_LIFE_S = 60;
const LONGEST_DAYS = 30;
const DAY_S = 86_400;

/** URL Links. */
export function linkRoutes(world: World): PlatformRoute[] {
  return [
    tokenApi(world, 'POST', '/wxa/generate_urllink', (app, request) =>
      generateUrlLink(world, app, request),
    ),
  ];
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/url-link/generateUrlLink.html */
function generateUrlLink(world: World, app: SandboxApp, request: PlatformRequest): object {
  const { path = '', query = '', env_version: version = 'release', ...expiry } = jsonBody(request);
  if (app.releasedPages.length === 0) throw new WechatFailure(85079);
  if (typeof path !== 'string' || typeof query !== 'string') throw new WechatFailure(47001);
  if (path !== '') requireReleased(app, path, 40165);
  if (!QUERY.test(query)) throw new WechatFailure(40212);
  if (!VERSIONS.includes(version)) throw new WechatFailure(85402);
  if (!isExpiry(expiry, unixSeconds(world.clock.now()))) throw new WechatFailure(85401);
  return { ...OK, url_link: `https://wxaurl.cn/${randomBytes(9).toString('base64url')}` };
}

/** Type 0 is a time, one minute to 30 days from now. Type 1 is a number of days. */
function isExpiry(expiry: Record<string, unknown>, now: number): boolean {
  const { expire_type: type = 0, expire_time: time, expire_interval: days } = expiry;
  if (type === 1) return isWithin(days, 1, LONGEST_DAYS);
  return type === 0 && isWithin(time, now + SHORTEST_LIFE_S, now + LONGEST_DAYS * DAY_S);
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}
