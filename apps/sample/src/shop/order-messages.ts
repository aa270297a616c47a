import { Injectable, Logger } from '@nestjs/common';
import { fitTemplateData, SubscribeMessageService } from 'nestjs-wechat';
import { AppConfig } from '../config.js';
import type { Order } from './order.entity.js';
import { fillIn } from './paid-message.js';

/** Tells users about their orders by subscribe messages. A message never delays or undoes a payment. */
@Injectable()
export class OrderMessages {
  private readonly logger = new Logger('Shop');

  constructor(
    private readonly messages: SubscribeMessageService,
    private readonly config: AppConfig,
  ) {}

  /** Call it only for the step that made the order paid, so that the message is sent once. Does not wait, and never fails. */
  paid(order: Order): void {
    this.send(order).catch((error: unknown) =>
      this.logger.warn(
        `The message that order ${order.number} is paid was not sent: ${error instanceof Error ? error.message : 'unknown error'}`,
      ),
    );
  }

  private async send(order: Order): Promise<void> {
    const { paidMessage } = this.config;
    const { openid, appId, number } = order;
    if (paidMessage === undefined || openid === null) return;
    const data = Object.entries(paidMessage.data).map(([key, text]) => [key, fillIn(text, order)]);
    const { sent } = await this.messages.send({
      openid,
      appId,
      templateId: paidMessage.templateId,
      data: fitTemplateData(Object.fromEntries(data) as Record<string, string>),
      page: paidMessage.page && fillIn(paidMessage.page, order),
    });
    if (!sent) this.logger.debug(`The user of order ${number} has not subscribed to the message.`);
  }
}
