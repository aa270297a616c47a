import { Injectable } from '@nestjs/common';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { hasErrcode, OUTCOME } from '../platform/errcode.js';
import { isText, requireOpenid, requireValid } from '../platform/wechat-text.js';
import { WechatResponseError, WechatTemplateError } from '../wechat.errors.js';
import { requireTemplateData } from './template-data.js';
import type { TemplateData } from './template-data.js';

/**
 * A subscribe message (订阅消息) to one user.
 *
 * @example
 * ```ts
 * const message: SubscribeMessage = { openid, templateId: '9Aw5…', data: { thing1: 'Latte', amount2: '22.00' }, page: 'pages/order/order?id=42' };
 * ```
 * @experimental
 */
export interface SubscribeMessage {
  /** The user, in this mini program. */
  openid: string;
  /** The id of a template in 我的模板 of the console. */
  templateId: string;
  /** A value for every key of the template. */
  data: TemplateData;
  /** The page that the message opens, with its query. Without it the message cannot be tapped. */
  page?: string;
  /** The version of the mini program that the message opens. @default 'formal' */
  miniprogramState?: 'developer' | 'trial' | 'formal';
  /** The language of the text 进入小程序查看. @default 'zh_CN' */
  lang?: 'zh_CN' | 'en_US' | 'zh_HK' | 'zh_TW';
  /** The appId of a mini program. @default the first one */
  appId?: string;
}

/**
 * What became of a message. `not-subscribed`: the user has not allowed this message, or an earlier message has used the permission.
 *
 * @example
 * ```ts
 * const outcome: SubscribeOutcome = await messages.send(message);
 * if (!outcome.sent) logger.debug(outcome.reason);
 * ```
 * @experimental
 */
export type SubscribeOutcome =
  { sent: true; msgId?: string } | { sent: false; reason: 'not-subscribed' };

/**
 * A template in 我的模板 of the console.
 *
 * @example
 * ```ts
 * const [template]: SubscribeTemplate[] = await messages.getTemplates();      // { id: '9Aw5…', title: '报名结果通知', keys: ['date2', 'thing1'], type: 2, … }
 * ```
 * @experimental
 */
export interface SubscribeTemplate {
  id: string;
  title: string;
  /** The text with its keys, such as `会议时间:{{date2.DATA}}`. */
  content: string;
  example: string;
  /** 2: one message for each permission of the user. 3: any number after one permission (long-term, for few categories). */
  type: 2 | 3;
  /** The keys that `data` must have. */
  keys: string[];
  /** The values that WeChat accepts for each `enum` key. */
  enums?: Record<string, string[]>;
}

const SEND = '/cgi-bin/message/subscribe/send';
const GET_TEMPLATES = '/wxaapi/newtmpl/gettemplate';
const TEMPLATE_ID = /^[\w-]{1,128}$/;
const STATES = ['developer', 'trial', 'formal'];
const LANGUAGES = ['zh_CN', 'en_US', 'zh_HK', 'zh_TW'];

/**
 * Sends subscribe messages (订阅消息).
 *
 * The library does not count the permissions of users. A user who chose "always keep my choice" sees no dialog, so a count would be
 * wrong. Only the outcome of `send` is reliable.
 *
 * @example
 * ```ts
 * const { sent } = await messages.send({ openid, templateId, data: fitTemplateData({ thing1: name, amount2: '22.00' }) });
 * ```
 * @experimental
 */
@Injectable()
export class SubscribeMessageService {
  /** The templates that `getTemplates` has read, by appId and id. */
  private readonly templates = new Map<string, Map<string, SubscribeTemplate>>();

  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly api: WechatApiClient,
  ) {}

  /**
   * Sends a message. It is not repeated after a timeout or a broken connection, because WeChat may have sent it and have used the
   * permission of the user.
   *
   * @returns `{ sent: false, reason: 'not-subscribed' }` if the user does not allow it
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
   * @throws WechatTemplateError for the template, its keys and its values: before the call for lengths, missing values and control
   *   characters, and for missing keys if `getTemplates` was called before. WechatBadRequestError for other parameters,
   *   WechatContentError, and what WechatApiClient.call throws
   */
  async send(message: SubscribeMessage): Promise<SubscribeOutcome> {
    const { openid, templateId, data, page, miniprogramState, lang } = message;
    requireOpenid(openid);
    requireValid(
      typeof templateId === 'string' && TEMPLATE_ID.test(templateId),
      'templateId must be the id of a template',
    );
    requireValid(
      page === undefined || (isText(page, 1, 1024) && !/[\p{Cc}\s]/u.test(page)),
      'page must be a page with its query, 1 to 1024 characters',
    );
    requireValid(
      miniprogramState === undefined || STATES.includes(miniprogramState),
      `miniprogramState must be one of: ${STATES.join(', ')}`,
    );
    requireValid(
      lang === undefined || LANGUAGES.includes(lang),
      `lang must be one of: ${LANGUAGES.join(', ')}`,
    );
    requireTemplateData(data);
    const { appId } = await this.apps.require('mini-program', message.appId);
    requireKeys(data, this.templates.get(appId)?.get(templateId));
    const values = Object.entries(data).map(([key, value]) => [key, { value }]);
    try {
      const { msgid } = await this.api.call({
        method: 'POST',
        path: SEND,
        body: {
          touser: openid,
          template_id: templateId,
          page,
          miniprogram_state: miniprogramState,
          lang,
          data: Object.fromEntries(values),
        },
        appId,
      });
      return { sent: true, ...(isMessageId(msgid) && { msgId: String(msgid) }) };
    } catch (error) {
      if (hasErrcode(error, OUTCOME.notSubscribed))
        return { sent: false, reason: 'not-subscribed' };
      throw error;
    }
  }

  /**
   * Returns the templates of the app, and keeps their keys in memory. From then on `send` finds missing keys and unknown enum values
   * before it calls WeChat.
   *
   * @param appId the mini program; the first one by default
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/getMessageTemplateList.html
   * @throws WechatResponseError if the response has no list, and what WechatApiClient.call throws
   */
  async getTemplates(appId?: string): Promise<SubscribeTemplate[]> {
    const app = await this.apps.require('mini-program', appId);
    const { data } = await this.api.call({
      method: 'GET',
      path: GET_TEMPLATES,
      appId: app.appId,
      retry: 'idempotent',
    });
    const templates = Array.isArray(data) ? data.map(templateOf) : [undefined];
    if (!templates.every((template) => template !== undefined))
      throw new WechatResponseError(`${GET_TEMPLATES} returned no list of templates.`, {
        endpoint: GET_TEMPLATES,
      });
    this.templates.set(app.appId, new Map(templates.map((template) => [template.id, template])));
    return templates;
  }
}

/** @throws WechatTemplateError for a key that is missing, or a value that its enum does not have */
function requireKeys(data: TemplateData, template: SubscribeTemplate | undefined): void {
  const missing = template?.keys.find((key) => !Object.hasOwn(data, key));
  if (missing !== undefined)
    throw new WechatTemplateError(`${missing} is missing; the template has this key`, missing);
  for (const [key, allowed] of Object.entries(template?.enums ?? {}))
    if (!allowed.includes(data[key] ?? ''))
      throw new WechatTemplateError(`${key} must be a value of the enum of the template`, key);
}

function isMessageId(id: unknown): id is string | number {
  return Number.isSafeInteger(id) || (typeof id === 'string' && /^\d{1,32}$/.test(id));
}

function templateOf(item: unknown): SubscribeTemplate | undefined {
  const { priTmplId, title, content, example, type, keywordEnumValueList } = (item ?? {}) as Record<
    string,
    unknown
  >;
  if (typeof priTmplId !== 'string' || typeof content !== 'string') return undefined;
  if (type !== 2 && type !== 3) return undefined;
  const enums = enumsOf(keywordEnumValueList);
  return {
    id: priTmplId,
    title: typeof title === 'string' ? title : '',
    content,
    example: typeof example === 'string' ? example : '',
    type,
    keys: [...content.matchAll(/\{\{(\w+)\.DATA\}\}/g)].map(([, key = '']) => key),
    ...(enums && { enums }),
  };
}

/** WeChat writes the key of an enum as `enum_string2.DATA`. */
function enumsOf(list: unknown): Record<string, string[]> | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  return Object.fromEntries(
    list.map((item: { keywordCode?: unknown; enumValueList?: unknown } | null) => [
      String(item?.keywordCode).replace(/\.DATA$/, ''),
      Array.isArray(item?.enumValueList) ? item.enumValueList.map(String) : [],
    ]),
  );
}
