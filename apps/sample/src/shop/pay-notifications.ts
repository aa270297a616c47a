import { Injectable, Logger } from '@nestjs/common';
import { isPayRefund, isPayTransaction, OnPayNotification } from 'nestjs-wechat/pay';
import type { PayNotification } from 'nestjs-wechat/pay';
import { OrderSteps } from './order-steps.js';
import { Payments } from './payments.js';
import { Refunds } from './refunds.js';

/** Takes the notifications of WeChat Pay. The library has verified them. A handler that throws gets the notification again. */
@Injectable()
export class PayNotifications {
  private readonly logger = new Logger('Shop');

  constructor(
    private readonly steps: OrderSteps,
    private readonly payments: Payments,
    private readonly refunds: Refunds,
  ) {}

  @OnPayNotification('TRANSACTION.SUCCESS')
  async paid({ resource, eventType }: PayNotification): Promise<void> {
    if (!isPayTransaction(resource)) return this.ignore(eventType);
    const order = await this.steps.find({ number: resource.outTradeNo });
    await (order ? this.payments.apply(order, resource) : this.payments.recordUnknown(resource));
  }

  @OnPayNotification('REFUND.SUCCESS')
  @OnPayNotification('REFUND.CLOSED')
  @OnPayNotification('REFUND.ABNORMAL')
  async refunded({ resource, eventType }: PayNotification): Promise<void> {
    if (!isPayRefund(resource)) return this.ignore(eventType);
    const order = await this.steps.find({ number: resource.outTradeNo });
    await (order ? this.refunds.apply(order, resource) : this.refunds.recordUnknown(resource));
  }

  private ignore(eventType: string): void {
    this.logger.warn(`A notification ${eventType} is not about an order of the shop.`);
  }
}
