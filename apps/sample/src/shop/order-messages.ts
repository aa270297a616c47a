import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { InjectRepository } from '@nestjs/typeorm';
import { fitTemplateData, OnWechatMessage, SubscribeMessageService } from 'nestjs-wechat';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { DueJob, LOOK_EVERY_MS } from '../common/due-job.js';
import { AppConfig } from '../config.js';
import { OrderSteps } from './order-steps.js';
import { Order } from './order.entity.js';
import { fillIn } from './paid-message.js';

/**
 * Sends users a subscribe message when their order is paid. The step that makes the order paid stores when it is due, so a message never
 * delays or undoes a payment, and a crash after the step loses no message. It is sent at most once: a crash or an error while it is sent
 * loses it, because a repeat could use up another permission of the user.
 */
@Injectable()
export class OrderMessages extends DueJob<Order> {
  constructor(
    @InjectRepository(Order) rows: Repository<Order>,
    clock: AppClock,
    private readonly steps: OrderSteps,
    private readonly messages: SubscribeMessageService,
    private readonly config: AppConfig,
  ) {
    super(rows, clock, 'message_due_at');
  }

  @Interval(LOOK_EVERY_MS)
  override run(): Promise<void> {
    return super.run();
  }

  /** WeChat pushes what users choose, and what became of a message. They change no order. Without a handler a warning is logged. */
  @OnWechatMessage('event', 'subscribe_msg_popup_event')
  @OnWechatMessage('event', 'subscribe_msg_change_event')
  @OnWechatMessage('event', 'subscribe_msg_sent_event')
  chosen(): void {}

  protected async workOn(order: Order): Promise<void> {
    if (!(await this.steps.takeMessage(order))) return;
    await this.send(order).catch((error: unknown) =>
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
