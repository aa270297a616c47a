import {
  verdictFields,
  type ContentChecks,
  type ContentVerdictOptions,
} from '../content/content-checks.js';
import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { jsonBody, OK, requireUser, SENSITIVE, tokenApi } from './checks.js';

const LONGEST_CONTENT = 2500;
const SCENES: unknown[] = [1, 2, 3, 4];
const PROFILE = 1;
const MEDIA_TYPES: unknown[] = [1, 2];
const VISITED_WITHIN_MS = 2 * 3600_000;

/** Content security (内容安全). */
export function contentRoutes(world: World, checks: ContentChecks): PlatformRoute[] {
  return [
    tokenApi(world, 'POST', '/wxa/msg_sec_check', (app, request) =>
      checkText(world, checks, app, request),
    ),
    tokenApi(world, 'POST', '/wxa/media_check_async', (app, request) =>
      checkMedia(world, checks, app, request),
    ),
  ];
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/msgSecCheck.html */
function checkText(
  world: World,
  checks: ContentChecks,
  app: SandboxApp,
  request: PlatformRequest,
): object {
  const body = jsonBody(request);
  const { content, title = '', nickname = '', signature = '', scene } = body;
  if (typeof content !== 'string' || content === '') throw new WechatFailure(47001);
  if (Array.from(content).length > LONGEST_CONTENT) throw new WechatFailure(47001);
  if (signature !== '' && scene !== PROFILE) throw new WechatFailure(40129);
  requireVisitor(world, app, body);
  const texts = [content, title, nickname, signature].map(String);
  const isRisky = texts.some((text) => text.includes(SENSITIVE));
  const usual: ContentVerdictOptions = { suggest: isRisky ? 'risky' : 'pass' };
  const verdict = checks.lasting ?? usual;
  if (verdict.errcode) throw new WechatFailure(verdict.errcode);
  return { ...OK, ...verdictFields(verdict), trace_id: checks.newTraceId() };
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/mediaCheckAsync.html */
async function checkMedia(
  world: World,
  checks: ContentChecks,
  app: SandboxApp,
  request: PlatformRequest,
): Promise<object> {
  const body = jsonBody(request);
  const { media_url: url, media_type: type } = body;
  if (typeof url !== 'string' || url === '') throw new WechatFailure(47001);
  if (!MEDIA_TYPES.includes(type)) throw new WechatFailure(40004);
  const openid = requireVisitor(world, app, body);
  return { ...OK, trace_id: await checks.start({ appId: app.appId, openid, url }) };
}

/** Checks version and scene. Returns the openid of a user who has visited the mini program within two hours. */
function requireVisitor(
  world: World,
  app: SandboxApp,
  { openid, scene, version }: Record<string, unknown>,
): string {
  if (version !== 2) throw new WechatFailure(47001);
  if (!SCENES.includes(scene)) throw new WechatFailure(40129);
  const isForeign = world.apps.all.some(
    ({ appId }) => appId !== app.appId && world.users.findByOpenid(appId, String(openid)),
  );
  if (isForeign) throw new WechatFailure(43104);
  const user = requireUser(world, app, openid);
  if (!user.hasVisited(app.appId, VISITED_WITHIN_MS)) throw new WechatFailure(61010);
  return user.openid(app.appId);
}
