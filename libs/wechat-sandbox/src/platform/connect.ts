import {
  htmlResponse,
  redirectResponse,
  type PlatformResponse,
  type PlatformRoute,
} from '../transport/response.js';
import type { PlatformRequest } from '../transport/request.js';
import type { SandboxApp } from '../world/apps.js';
import type { OAuthScope } from '../world/user.js';
import type { World } from '../world/world.js';
import { consentPage, problemPage, refusedPage } from './consent-page.js';

/** A consent page that an app may ask for. */
interface ConsentRequest {
  app: SandboxApp;
  scope: OAuthScope;
  redirectUri: URL;
  state: string;
}

/**
 * The pages of open.weixin.qq.com, on which a person says yes. A GET shows the page, its form posts back to the same address.
 * @see https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Wechat_Login.html
 */
export function connectRoutes(world: World): PlatformRoute[] {
  return [
    {
      path: '/connect/qrconnect',
      verb: 'ANY',
      handle: (request) => consent(world, request, ['snsapi_login']),
    },
    {
      path: '/connect/oauth2/authorize',
      verb: 'ANY',
      handle: (request) => consent(world, request, ['snsapi_base', 'snsapi_userinfo']),
    },
  ];
}

function consent(world: World, request: PlatformRequest, scopes: OAuthScope[]): PlatformResponse {
  const asked = readRequest(world, request, scopes);
  if (typeof asked === 'string') return htmlResponse(problemPage(asked), 400);
  if (request.method === 'GET')
    return htmlResponse(consentPage(asked.app, asked.scope, world.users.all));
  return decide(world, asked, new URLSearchParams(request.body));
}

/** Yes takes the browser back with a code; after a no, WeChat does not redirect. */
function decide(
  world: World,
  { app, scope, redirectUri, state }: ConsentRequest,
  form: URLSearchParams,
): PlatformResponse {
  if (form.get('decision') !== 'allow') return htmlResponse(refusedPage(app));
  const user = world.users.get(form.get('user') ?? '');
  if (!user) return htmlResponse(problemPage('Unknown user 用户不存在'), 400);
  redirectUri.searchParams.set('code', world.oauthCodes.issue({ app, user, scope }));
  redirectUri.searchParams.set('state', state);
  return redirectResponse(redirectUri.href);
}

/** The request, or what is wrong with it. WeChat shows such errors to the person, not to the app. */
function readRequest(
  world: World,
  { query }: PlatformRequest,
  scopes: OAuthScope[],
): ConsentRequest | string {
  const app = world.apps.find(query['appid']);
  if (app?.kind !== 'mobile') return 'AppID 参数错误 (invalid appid)';
  const scope = scopes.find((one) => one === query['scope']);
  if (!scope) return `Scope 参数错误或没有 Scope 权限 10005 (scope must be ${scopes.join(' or ')})`;
  if (query['response_type'] !== 'code')
    return 'response_type 参数错误 (response_type must be code)';
  const redirectUri = URL.canParse(query['redirect_uri'] ?? '')
    ? new URL(query['redirect_uri'] ?? '')
    : undefined;
  if (!redirectUri || !isAllowed(redirectUri, app))
    return 'redirect_uri 参数错误 10003 (redirect_uri is no http(s) URL of an allowed domain)';
  return { app, scope, redirectUri, state: query['state'] ?? '' };
}

function isAllowed({ protocol, hostname }: URL, { redirectDomains }: SandboxApp): boolean {
  const web = protocol === 'https:' || protocol === 'http:';
  return web && (redirectDomains.length === 0 || redirectDomains.includes(hostname));
}
