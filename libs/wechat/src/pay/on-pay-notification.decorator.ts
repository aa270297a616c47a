import { messageHandler } from '../inbox/handler-registry.js';

export const PAY_HANDLER = 'nestjs-wechat:pay-notification';

/**
 * Marks a method of a provider or controller as the handler of a notification. It runs at least once for each notification, never
 * twice at a time, and not again after it has resolved. Its effect must be idempotent. The response to WeChat Pay follows when it resolves.
 *
 * @experimental
 * @param event the event type, or `*` for all that have no other handler
 * @example
 * ```ts
 * @OnPayNotification('TRANSACTION.SUCCESS')
 * async paid({ resource }: PayNotification<PayTransaction>) {
 *   await this.orders.update({ number: resource.outTradeNo, status: 'pending' }, { status: 'paid' });
 * }
 * ```
 */
export const OnPayNotification = (
  event:
    | 'TRANSACTION.SUCCESS'
    | 'REFUND.SUCCESS'
    | 'REFUND.ABNORMAL'
    | 'REFUND.CLOSED'
    | '*'
    | (string & {}),
): MethodDecorator => messageHandler(PAY_HANDLER, event);
