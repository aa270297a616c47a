import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import { signWithSessionKey } from '../world/open-data.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { jsonBody, OK, tokenApi } from './checks.js';

/** Phone numbers and session keys. The QR codes under /wxa are in `qr-code.ts`. */
export function wxaRoutes(world: World): PlatformRoute[] {
  return [
    tokenApi(world, 'POST', '/wxa/business/getuserphonenumber', (app, request) =>
      getPhoneNumber(world, app, request),
    ),
    tokenApi(world, 'GET', '/wxa/checksession', (app, request) =>
      checkSession(world, app, request),
    ),
    tokenApi(world, 'GET', '/wxa/resetusersessionkey', (app, request) =>
      resetSessionKey(world, app, request),
    ),
  ];
}

/**
 * Exchanges the code of the phone button, which is not a code of `wx.login`. A used code is 40029 here, not 40163.
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-info/phone-number/getPhoneNumber.html
 */
function getPhoneNumber(world: World, app: SandboxApp, request: PlatformRequest): object {
  const { code, openid } = jsonBody(request);
  if (typeof code !== 'string') throw new WechatFailure(47001);
  const { appId, user, at } = world.phoneCodes.open(code, 40029);
  if (appId !== app.appId) throw new WechatFailure(40013);
  if (openid !== undefined && openid !== user.openid(appId)) throw new WechatFailure(40003);
  world.phoneCodes.use(code);
  const { countryCode, ...numbers } = user.phoneInfo();
  const typed = world.countryCodeAs === 'number' ? Number(countryCode) : countryCode;
  return {
    ...OK,
    phone_info: { ...numbers, countryCode: typed, watermark: { timestamp: at, appid: appId } },
  };
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/checkSessionKey.html */
function checkSession(world: World, app: SandboxApp, request: PlatformRequest): object {
  verifySignature(world, app, request);
  return OK;
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/ResetUserSessionKey.html */
function resetSessionKey(world: World, app: SandboxApp, request: PlatformRequest): object {
  const openid = verifySignature(world, app, request);
  return { ...OK, openid, session_key: world.sessionKeys.rotate(openid) };
}

/** Returns the openid whose current session_key signed the empty message. Throws 87009 for any other key, also an outdated one. */
function verifySignature(world: World, { appId }: SandboxApp, { query }: PlatformRequest): string {
  const { openid, signature, sig_method: method } = query;
  if (!openid || !signature || !method) throw new WechatFailure(40097);
  if (!world.users.findByOpenid(appId, openid)) throw new WechatFailure(40003);
  if (method !== 'hmac_sha256') throw new WechatFailure(87008);
  if (signature !== signWithSessionKey(world.sessionKeys.current(openid)))
    throw new WechatFailure(87009);
  return openid;
}
