import { Injectable } from '@nestjs/common';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { hasErrcode, OUTCOME } from '../platform/errcode.js';
import { isHttpUrl, isText, requireOpenid, requireValid } from '../platform/wechat-text.js';

/**
 * A customer-service message (客服消息) to one user: a text or a link.
 *
 * @example
 * ```ts
 * const message: CustomerMessage = { openid, text: 'Your order is ready.' };
 * ```
 * @experimental
 */
export type CustomerMessage = {
  /** The user, in this mini program. */
  openid: string;
  /** The appId of a mini program. @default the first one */
  appId?: string;
} & ({ text: string; link?: undefined } | { link: CustomerLink; text?: undefined });

/**
 * A link of a customer-service message.
 *
 * @example
 * ```ts
 * const link: CustomerLink = { title: 'Opening hours', description: 'Today', url: 'https://shop.example/hours', thumbUrl: 'https://shop.example/hours.png' };
 * ```
 * @experimental
 */
export interface CustomerLink {
  title: string;
  description: string;
  /** The page that opens. */
  url: string;
  /** The small picture. */
  thumbUrl: string;
}

const SEND = '/cgi-bin/message/custom/send';
/** The path of mini programs. `/cgi-bin/message/custom/typing` is the path of official accounts. */
const TYPING = '/cgi-bin/message/custom/business/typing';
const MAX_TEXT = 10_000;

/**
 * Sends customer-service messages (客服消息). WeChat accepts five messages within 48 hours after a message of the user, and two within
 * a minute after the user opened the customer-service session.
 *
 * @example
 * ```ts
 * await customers.setTyping({ openid, on: true });
 * await customers.send({ openid, text: 'Your order is ready.' });
 * ```
 * @experimental
 */
@Injectable()
export class CustomerMessageService {
  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly api: WechatApiClient,
  ) {}

  /**
   * Sends a text or a link. It is not repeated after a timeout or a broken connection, because the user could get it twice.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/kf-mgnt/kf-message/sendCustomMessage.html
   * @throws WechatReplyWindowError, WechatContentError, WechatBadRequestError, and what WechatApiClient.call throws
   */
  async send(message: CustomerMessage): Promise<void> {
    const { openid, text, link, appId } = message;
    requireOpenid(openid);
    requireValid(
      (text === undefined) !== (link === undefined),
      'a customer message is either a text or a link',
    );
    await this.call(SEND, { touser: openid, ...(link ? linkBody(link) : textBody(text)) }, appId);
  }

  /**
   * Shows or hides 对方正在输入 on the user's phone. WeChat hides it after 15 seconds, and when a message is sent. It works within 30
   * seconds after a message from or to the user. It resolves if it is shown already.
   *
   * @param typing
   * @param typing.openid the user
   * @param typing.on whether to show it
   * @param typing.appId the mini program; the first one by default
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/kf-mgnt/kf-message/setTyping.html
   * @throws WechatReplyWindowError, WechatBadRequestError, and what WechatApiClient.call throws
   */
  async setTyping({
    openid,
    on,
    appId,
  }: {
    openid: string;
    on: boolean;
    appId?: string;
  }): Promise<void> {
    requireOpenid(openid);
    requireValid(typeof on === 'boolean', 'on must be true or false');
    const body = { touser: openid, command: on ? 'Typing' : 'CancelTyping' };
    try {
      await this.call(TYPING, body, appId);
    } catch (error) {
      if (!hasErrcode(error, OUTCOME.alreadyTyping)) throw error;
    }
  }

  private async call(path: string, body: object, appId?: string): Promise<void> {
    const app = await this.apps.require('mini-program', appId);
    await this.api.call({ method: 'POST', path, body, appId: app.appId });
  }
}

function textBody(text: unknown): object {
  requireValid(isText(text, 1, MAX_TEXT), `text must have 1 to ${MAX_TEXT} characters`);
  return { msgtype: 'text', text: { content: text } };
}

function linkBody(link: CustomerLink): object {
  const { title, description, url, thumbUrl } = link;
  for (const [name, value] of Object.entries({ title, description }))
    requireValid(isText(value, 1, 512), `link.${name} must have 1 to 512 characters`);
  for (const [name, value] of Object.entries({ url, thumbUrl }))
    requireValid(isHttpUrl(value), `link.${name} must be an http or https URL`);
  return { msgtype: 'link', link: { title, description, url, thumb_url: thumbUrl } };
}
