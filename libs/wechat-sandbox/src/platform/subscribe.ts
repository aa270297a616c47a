import { isObject } from '../transport/request.js';
import type { PlatformRequest } from '../transport/request.js';
import { PlatformResponse } from '../transport/response.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import { unixSeconds } from '../world/clock.js';
import { newMessageId } from '../world/ids.js';
import { isTemplateValue } from '../world/templates.js';
import type { Template } from '../world/templates.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { jsonBody, OK, requireReleased, requireUser, SENSITIVE, tokenApi } from './checks.js';

const STATES: unknown[] = ['developer', 'trial', 'formal'];
const LANGUAGES: unknown[] = ['zh_CN', 'en_US', 'zh_HK', 'zh_TW'];

/** Subscribe messages (订阅消息). */
export function subscribeRoutes(world: World): PlatformRoute[] {
  return [
    tokenApi(world, 'POST', '/cgi-bin/message/subscribe/send', (app, request) =>
      send(world, app, request),
    ),
    tokenApi(world, 'GET', '/wxaapi/newtmpl/gettemplate', (app) => ({
      ...OK,
      data: app.templates.map(described),
    })),
  ];
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html */
function send(world: World, app: SandboxApp, request: PlatformRequest): PlatformResponse {
  const body = jsonBody(request);
  const { page = '', miniprogram_state: state = 'formal', lang = 'zh_CN', data } = body;
  const user = requireUser(world, app, body['touser']);
  const template = world.subscriptions.template(app.appId, body['template_id']);
  if (!template) throw new WechatFailure(40037);
  if (typeof page !== 'string' || !isObject(data)) throw new WechatFailure(47001);
  if (!STATES.includes(state) || !LANGUAGES.includes(lang)) throw new WechatFailure(40097);
  if (page !== '' && state === 'formal') requireReleased(app, page.split('?')[0]!, 41030);
  const values = valuesOf(template, data);
  const openid = user.openid(app.appId);
  if (!world.subscriptions.spend(app.appId, openid, template)) throw new WechatFailure(43101);
  const msgId = newMessageId();
  user.receive({
    kind: 'subscribe',
    appId: app.appId,
    at: new Date(world.clock.now()),
    msgId,
    templateId: template.id,
    title: template.title,
    data: values,
    ...(page !== '' && { page }),
    miniprogramState: String(state),
    lang: String(lang),
  });
  void world.pushes?.emit(app.appId, {
    FromUserName: openid,
    CreateTime: String(unixSeconds(Date.now())),
    MsgType: 'event',
    Event: 'subscribe_msg_sent_event',
    List: { TemplateId: template.id, MsgID: msgId, ErrorCode: '0', ErrorStatus: 'success' },
  });
  // an integer of 64 bits, which JSON.stringify cannot write
  const json = `{"errcode":0,"errmsg":"ok","msgid":${msgId}}`;
  return new PlatformResponse(Buffer.from(json), {
    'content-type': 'application/json; encoding=utf-8',
  });
}

/** Returns the values of all keys of the template. A key that the template does not have is refused too. */
function valuesOf(template: Template, data: Record<string, unknown>): Record<string, string> {
  for (const key of Object.keys(data)) if (!template.keys.includes(key)) throw invalid(key);
  const values = template.keys.map((key): [string, string] => {
    const value = isObject(data[key]) ? data[key]['value'] : undefined;
    if (value === undefined || value === '')
      throw new WechatFailure(47003, `argument invalid! data.${key}.value is empty`);
    if (typeof value !== 'string' || !isTemplateValue(template, key, value)) throw invalid(key);
    if (value.includes(SENSITIVE)) throw new WechatFailure(45168);
    return [key, value];
  });
  return Object.fromEntries(values);
}

const invalid = (key: string): WechatFailure =>
  new WechatFailure(47003, `argument invalid! data.${key}.value invalid`);

/** A template as `gettemplate` shows it. */
function described({ id, title, keys, type, enums }: Template): object {
  const enumValues = Object.entries(enums).map(([key, values]) => ({
    keywordCode: `${key}.DATA`,
    enumValueList: values,
  }));
  return {
    priTmplId: id,
    title,
    content: keys.map((key) => `${key}:{{${key}.DATA}}\n`).join(''),
    example: keys.map((key) => `${key}:${enums[key]?.[0] ?? '示例'}\n`).join(''),
    type,
    ...(enumValues.length > 0 && { keywordEnumValueList: enumValues }),
  };
}
