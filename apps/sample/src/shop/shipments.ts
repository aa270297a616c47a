import { Injectable, Logger } from '@nestjs/common';
import { OnWechatMessage, ShippingService, WechatShippingError } from 'nestjs-wechat';
import type { WechatMessage } from 'nestjs-wechat';
import { OrderSteps } from './order-steps.js';
import type { Order } from './order.entity.js';

/** The errcodes of a refused upload. @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/business-capabilities/order-shipping/order-shipping.html */
const UNKNOWN_PAYMENT = 10060001; // shortly after the payment: not known yet
const ALREADY_RECEIVED = 10060002;

/** The states of an order at WeChat that need no upload. */
const DONE = ['shipped', 'received', 'done', 'settling'];

type Reminder = WechatMessage<{ merchant_trade_no?: unknown }>;

/** Uploads to WeChat that the coffee of an order was handed over (发货信息管理), once for each order. */
@Injectable()
export class Shipments {
  private readonly logger = new Logger('Shop');

  constructor(
    private readonly steps: OrderSteps,
    private readonly shipping: ShippingService,
  ) {}

  /**
   * Makes one attempt for a picked-up order. Another upload would use the only correction of a shipped order, so after an attempt whose
   * response may be lost WeChat is asked first.
   * @throws what the methods of `ShippingService` throw; the job repeats it
   */
  async upload(order: Order): Promise<void> {
    const { transactionId, openid, appId, shippingStatus, shippingSentAt, description } = order;
    if (shippingStatus !== null || transactionId === null || openid === null) return;
    const payment = { transactionId };
    if (shippingSentAt !== null) {
      const known = await this.shipping.getOrder(payment, appId);
      if (known && DONE.includes(known.state)) return this.end(order);
    } else if (!(await this.shipping.isManaged(appId))) {
      await this.steps.endShipping(order, 'not-managed');
      return;
    }
    if (!(await this.steps.startShipping(order))) return;
    try {
      const parcels = [{ description: description ?? order.productName }];
      await this.shipping.upload({ order: payment, openid, kind: 'pickup', parcels, appId });
      await this.end(order);
    } catch (error) {
      if (!(error instanceof WechatShippingError)) throw error;
      await this.refused(order, error);
    }
  }

  /** WeChat has no shipping information of a paid order. The push starts an attempt only for an order that is picked up. */
  @OnWechatMessage('event', 'trade_manage_remind_shipping')
  async reminded({ appId, data }: Reminder): Promise<void> {
    const { merchant_trade_no: number } = data;
    if (typeof number === 'string') await this.steps.hastenShipping(appId, number);
  }

  /** WeChat pushes it after each upload and at the settlement. It changes no order. Without a handler a warning is logged. */
  @OnWechatMessage('event', 'trade_manage_order_settlement')
  settled(): void {}

  private async end(order: Order): Promise<void> {
    await this.steps.endShipping(order, 'shipped');
  }

  private async refused(order: Order, { errcode, message }: WechatShippingError): Promise<void> {
    if (errcode === UNKNOWN_PAYMENT) return;
    if (errcode === ALREADY_RECEIVED) return this.end(order);
    if (await this.steps.endShipping(order, 'refused', errcode))
      this.logger.error(
        `The shipping information of order ${order.number} is refused: ${message} List all with: npm run orders -- conflicts`,
      );
  }
}
