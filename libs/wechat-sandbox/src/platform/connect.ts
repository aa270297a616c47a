import type { PlatformRequest } from '../transport/request.js';
import { htmlResponse, redirectResponse } from '../transport/response.js';
import type { PlatformResponse, PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import type { OAuthScope } from '../world/user.js';
import type { World } from '../world/world.js';
import { consentPage, pagePolicy, problemPage, refusedPage } from './consent-page.js';

/** The request of an app for the consent of a user. */
interface ConsentRequest {
  app: SandboxApp;
  scope: OAuthScope;
  redirectUri: URL;
  state: string;
}

/**
 * The pages of open.weixin.qq.com on which a user consents. A GET shows the page, and its form is posted to the same address.
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

const page = (html: string, status = 200): PlatformResponse =>
  htmlResponse(html, status, pagePolicy());

function consent(world: World, request: PlatformRequest, scopes: OAuthScope[]): PlatformResponse {
  const authorization = readRequest(world, request, scopes);
  if (typeof authorization === 'string') return page(problemPage(authorization), 400);
  if (request.method === 'GET')
    return htmlResponse(
      consentPage(authorization.app, authorization.scope, world.users.all),
      200,
      pagePolicy(authorization.redirectUri.origin),
    );
  return decide(world, authorization, new URLSearchParams(request.body));
}

/** Consent redirects the browser to the app with a code. After a refusal WeChat does not redirect. */
function decide(
  world: World,
  { app, scope, redirectUri, state }: ConsentRequest,
  form: URLSearchParams,
): PlatformResponse {
  if (form.get('decision') !== 'allow') return page(refusedPage(app));
  const user = world.users.get(form.get('user') ?? '');
  if (!user) return page(problemPage('Unknown user 用户不存在'), 400);
  redirectUri.searchParams.set('code', world.oauthCodes.issue({ app, user, scope }));
  redirectUri.searchParams.set('state', state);
  return redirectResponse(redirectUri.href);
}

/** Returns the request, or the text of its error. WeChat shows such errors to the user, not to the app. */
function readRequest(
  world: World,
  { query }: PlatformRequest,
  scopes: OAuthScope[],
): ConsentRequest | string {
  const app = world.apps.find(query['appid']);
  if (!app || app.kind === 'mini-program') return 'AppID 参数错误 (invalid appid)';
  const scope = scopes.find((one) => one === query['scope']);
  if (!scope) return `Scope 参数错误或没有 Scope 权限 10005 (scope must be ${scopes.join(' or ')})`;
  if (query['response_type'] !== 'code')
    return 'response_type 参数错误 (response_type must be code)';
  const redirectUri = URL.canParse(query['redirect_uri'] ?? '')
    ? new URL(query['redirect_uri'] ?? '')
    : undefined;
  if (!redirectUri || !isAllowed(redirectUri, app))
    return 'redirect_uri 参数错误 10003 (redirect_uri is not an http(s) URL of an allowed domain)';
  return { app, scope, redirectUri, state: query['state'] ?? '' };
}

function isAllowed({ protocol, hostname }: URL, { redirectDomains }: SandboxApp): boolean {
  const web = protocol === 'https:' || protocol === 'http:';
  return web && (redirectDomains.length === 0 || redirectDomains.includes(hostname));
}
