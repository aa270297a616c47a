import { ANY, messageHandler } from '../inbox/handler-registry.js';

export const PUSH_HANDLER = 'nestjs-wechat:message';

/** The key of a handler. In an error text it is also the arguments of the decorator: `@OnWechatMessage('event', 'debug_demo')`. */
export const handlerKey = (type: string, event = ANY): string =>
  type === ANY ? ANY : `${type}', '${event}`;

/**
 * Marks a method of a provider or controller as the handler of the messages that WeChat pushes. It runs at least once for each
 * message, never twice at a time, and not again after it has resolved. Its effect must be idempotent.
 *
 * WeChat waits 5 s for a response and delivers a push three times at most, within about 15 s. Store first what must not be lost.
 *
 * The return value is the passive reply: nothing for `success`, or a plain object, which is sent as JSON or XML, as the push came, and
 * encrypted if the push was.
 *
 * @experimental
 * @param type `MsgType` as WeChat writes it, such as `text` or `event`, or `*` for all that have no other handler
 * @param event `Event` as WeChat writes it; without it or with `*`, all of this type that have no other handler
 * @example
 * ```ts
 * @OnWechatMessage('event', 'user_authorization_cancellation')
 * async accountClosed({ data }: WechatMessage<{ OpenID: string }>) {
 *   await this.closedAccounts.insert({ openid: data.OpenID });
 * }
 * ```
 */
export const OnWechatMessage = (type: string, event?: string): MethodDecorator =>
  messageHandler(PUSH_HANDLER, handlerKey(type, event));
