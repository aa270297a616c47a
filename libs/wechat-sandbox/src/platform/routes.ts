import type { PlatformRoute } from '../transport/response.js';
import type { RidLog } from '../transport/rid-log.js';
import type { World } from '../world/world.js';
import { cgiBinRoutes } from './cgi-bin.js';
import { connectRoutes } from './connect.js';
import { openapiRoutes } from './openapi.js';
import { qrCodeRoutes } from './qr-code.js';
import { snsOAuth2Routes } from './sns-oauth2.js';
import { snsRoutes } from './sns.js';
import { subscribeRoutes } from './subscribe.js';
import { wxaRoutes } from './wxa.js';

/** All WeChat APIs and pages of the sandbox, except WeChat Pay. */
export function platformRoutes(world: World, rids: RidLog): PlatformRoute[] {
  const routes: PlatformRoute[] = [];
  routes.push(
    ...snsRoutes(world),
    ...snsOAuth2Routes(world),
    ...connectRoutes(world),
    ...cgiBinRoutes(world),
  );
  routes.push(...wxaRoutes(world), ...qrCodeRoutes(world));
  routes.push(...subscribeRoutes(world));
  routes.push(...openapiRoutes(world, rids, () => routes));
  return routes;
}
