import { isObject } from '../transport/request.js';
import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { jsonBody, OK, requireUser, SENSITIVE, tokenApi } from './checks.js';

const LONGEST_TEXT_BYTES = 2048;
/** The fields of each kind of message that a mini program may send. */
const FIELDS: Record<string, readonly string[]> = {
  text: ['content'],
  image: ['media_id'],
  link: ['title', 'description', 'url', 'thumb_url'],
  miniprogrampage: ['title', 'pagepath', 'thumb_media_id'],
};

/** Messages of the customer service (客服消息). */
export function customerRoutes(world: World): PlatformRoute[] {
  return [
    tokenApi(world, 'POST', '/cgi-bin/message/custom/send', (app, request) =>
      send(world, app, request),
    ),
    tokenApi(world, 'POST', '/cgi-bin/message/custom/business/typing', (app, request) =>
      type(world, app, request),
    ),
  ];
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/kf-mgnt/kf-message/sendCustomMessage.html */
function send(world: World, app: SandboxApp, request: PlatformRequest): object {
  const body = jsonBody(request);
  const user = requireUser(world, app, body['touser']);
  const { msgtype } = body;
  const fields = typeof msgtype === 'string' && Object.hasOwn(FIELDS, msgtype) && FIELDS[msgtype];
  if (typeof msgtype !== 'string' || !fields) throw new WechatFailure(40008);
  const content = body[msgtype];
  if (!isObject(content)) throw new WechatFailure(47001);
  for (const field of fields)
    if (typeof content[field] !== 'string' || content[field] === '') throw new WechatFailure(47001);
  const texts = Object.values(content).map(String);
  if (texts.some((text) => Buffer.byteLength(text) > LONGEST_TEXT_BYTES))
    throw new WechatFailure(45002);
  if (texts.some((text) => text.includes(SENSITIVE))) throw new WechatFailure(70000);
  world.customers.send(app.appId, user.openid(app.appId));
  const at = new Date(world.clock.now());
  user.receive({ kind: 'customer', appId: app.appId, at, msgtype, content });
  return OK;
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/kf-mgnt/kf-message/setTyping.html */
function type(world: World, app: SandboxApp, request: PlatformRequest): object {
  const { touser, command } = jsonBody(request);
  const openid = requireUser(world, app, touser).openid(app.appId);
  if (command === 'Typing') world.customers.type(app.appId, openid);
  else if (command === 'CancelTyping') world.customers.stopTyping(app.appId, openid);
  else throw new WechatFailure(45072);
  return OK;
}
