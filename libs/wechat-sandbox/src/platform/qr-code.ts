import type { PlatformRequest } from '../transport/request.js';
import { PlatformResponse } from '../transport/response.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { jsonBody, tokenApi } from './checks.js';
import { drawQrCode } from './qr-image.js';
import { parseQrStyle } from './qr-style.js';

const SCENE = /^[\w!#$&'()*+,/:;=?@\-.~]+$/;
const VERSIONS: unknown[] = ['release', 'trial', 'develop'];

type Body = Record<string, unknown>;

/** The three QR-code APIs, including the old one under cgi-bin. */
export function qrCodeRoutes(world: World): PlatformRoute[] {
  const drawn = new Map<string, number>();
  return [
    tokenApi(world, 'POST', '/wxa/getwxacodeunlimit', (app, request) => getUnlimited(app, request)),
    tokenApi(world, 'POST', '/wxa/getwxacode', (app, request) =>
      getLimited(world, drawn, app, request, 1024),
    ),
    tokenApi(world, 'POST', '/cgi-bin/wxaapp/createwxaqrcode', (app, request) =>
      getLimited(world, drawn, app, request, 128),
    ),
  ];
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getUnlimitedQRCode.html */
function getUnlimited(app: SandboxApp, request: PlatformRequest): PlatformResponse {
  const body = qrBody(request);
  const { scene, page = '' } = body;
  requireScene(scene);
  requirePage(page, app, body['check_path'] !== false);
  const style = parseQrStyle(body);
  return drawQrCode({ appid: app.appId, page, scene, env_version: version(body) }, style);
}

/**
 * `getwxacode` and `createwxaqrcode`: codes that count against one common limit.
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getQRCode.html
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/createQRCode.html
 */
function getLimited(
  world: World,
  drawn: Map<string, number>,
  app: SandboxApp,
  request: PlatformRequest,
  longest: number,
): PlatformResponse {
  const body = qrBody(request);
  const { path } = body;
  if (typeof path !== 'string' || path.length === 0 || path.length > longest)
    throw new WechatFailure(40159);
  refuseReservedName(path);
  const style = parseQrStyle(body);
  const env_version = version(body);
  const used = (drawn.get(app.appId) ?? 0) + 1;
  if (used > world.qrCodeLimit) throw new WechatFailure(45029);
  drawn.set(app.appId, used);
  const image = drawQrCode({ appid: app.appId, path, env_version }, style);
  return new PlatformResponse(image.body, { ...image.headers, 'num-used': String(used) });
}

/** On these APIs a body with a token is invalid. The token belongs in the query. */
function qrBody(request: PlatformRequest): Body {
  const body = jsonBody(request);
  if ('access_token' in body) throw new WechatFailure(47001);
  return body;
}

function requireScene(scene: unknown): void {
  if (scene !== undefined && typeof scene !== 'string') throw new WechatFailure(47001);
  if (!scene || scene.length > 32) throw new WechatFailure(40169);
  if (!SCENE.test(scene)) throw new WechatFailure(40129);
  refuseReservedName(scene);
}

/** An empty page is the home page. Only pages of the released version are accepted, unless `check_path` is false. */
function requirePage(page: unknown, app: SandboxApp, checkPath: boolean): void {
  if (typeof page !== 'string') throw new WechatFailure(47001);
  refuseReservedName(page);
  const wellFormed = !page.startsWith('/') && !page.includes('?');
  const known = page === '' || !checkPath || app.releasedPages.includes(page);
  if (!wellFormed || !known) throw new WechatFailure(41030);
}

function refuseReservedName(text: string): void {
  if (text.includes('scancode_time')) throw new WechatFailure(85096);
}

function version({ env_version: envVersion = 'release' }: Body): unknown {
  if (!VERSIONS.includes(envVersion)) throw new WechatFailure(40097);
  return envVersion;
}
