import type { PlatformRoute } from '../transport/response.js';
import type { RidLog } from '../transport/rid-log.js';
import type { World } from '../world/world.js';
import { cgiBinRoutes } from './cgi-bin.js';
import { connectRoutes } from './connect.js';
import type { ContentChecks } from '../content/content-checks.js';
import type { Shipments } from '../pay/shipments.js';
import { contentRoutes } from './content.js';
import { customerRoutes } from './customer.js';
import { linkRoutes } from './links.js';
import { openapiRoutes } from './openapi.js';
import { qrCodeRoutes } from './qr-code.js';
import { shippingRoutes } from './shipping.js';
import { snsOAuth2Routes } from './sns-oauth2.js';
import { snsRoutes } from './sns.js';
import { subscribeRoutes } from './subscribe.js';
import { wxaRoutes } from './wxa.js';

/** All WeChat APIs and pages of the sandbox, except WeChat Pay. */
export function platformRoutes(
  world: World,
  rids: RidLog,
  { shipments, content }: { shipments: Shipments; content: ContentChecks },
): PlatformRoute[] {
  const routes: PlatformRoute[] = [];
  routes.push(
    ...snsRoutes(world),
    ...snsOAuth2Routes(world),
    ...connectRoutes(world),
    ...cgiBinRoutes(world),
  );
  routes.push(...wxaRoutes(world), ...qrCodeRoutes(world));
  routes.push(...subscribeRoutes(world), ...customerRoutes(world), ...linkRoutes(world));
  routes.push(...shippingRoutes(world, shipments), ...contentRoutes(world, content));
  routes.push(...openapiRoutes(world, rids, () => routes));
  return routes;
}
