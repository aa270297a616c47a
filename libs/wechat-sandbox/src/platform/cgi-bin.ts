import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { TokenResponse } from '../world/access-tokens.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { appBySecret, jsonBody, requireGrantType, tokenApi } from './checks.js';

/** Addresses of a range that is reserved for documentation. */
const IP_LIST = ['203.0.113.10', '203.0.113.11'];

/** The two token APIs and the lists of WeChat's IP addresses. */
export function cgiBinRoutes(world: World): PlatformRoute[] {
  return [
    { path: '/cgi-bin/token', verb: 'GET', handle: (request) => token(world, request) },
    {
      path: '/cgi-bin/stable_token',
      verb: 'POST',
      handle: (request) => stableToken(world, request),
    },
    tokenApi(world, 'GET', '/cgi-bin/getcallbackip', () => ({ ip_list: IP_LIST })),
    tokenApi(world, 'GET', '/cgi-bin/get_api_domain_ip', () => ({ ip_list: IP_LIST })),
  ];
}

/**
 * Issues a new token at each call.
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getAccessToken.html
 */
function token(world: World, request: PlatformRequest): TokenResponse {
  return world.accessTokens.issue(authorizeApp(world, request, request.query));
}

/**
 * Returns the same token to all callers.
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
 */
function stableToken(world: World, request: PlatformRequest): TokenResponse {
  const body = jsonBody(request);
  const appId = authorizeApp(world, request, body);
  const { force_refresh: force = false } = body;
  if (typeof force !== 'boolean') throw new WechatFailure(47001);
  return force ? world.accessTokens.force(appId) : world.accessTokens.stable(appId);
}

/** Checks that the caller may have an access token and returns the appId. Apps of the open platform have user-level tokens only. */
function authorizeApp(
  world: World,
  { path, ip }: PlatformRequest,
  parameters: Readonly<Record<string, unknown>>,
): string {
  const { appId, kind, ipWhitelist } = appBySecret(world, parameters);
  if (kind !== 'mini-program') throw new WechatFailure(40013);
  requireGrantType(parameters['grant_type'], 'client_credential');
  const allowed = ipWhitelist.length === 0 || ipWhitelist.includes(ip);
  if (!allowed)
    throw new WechatFailure(40164, `invalid ip ${ip} ipv6 ::ffff:${ip}, not in whitelist`);
  world.quotas.spend(path, appId);
  return appId;
}
