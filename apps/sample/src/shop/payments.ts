import { Injectable, Logger } from '@nestjs/common';
import { isWechatError, WechatPayOrderPaidError } from 'nestjs-wechat';
import { PaymentService } from 'nestjs-wechat/pay';
import type { PayTransaction } from 'nestjs-wechat/pay';
import { AppConfig } from '../config.js';
import { Conflicts } from './conflicts.js';
import { OrderSteps } from './order-steps.js';
import type { Order } from './order.entity.js';

/** Queries and closes the payment of an order at WeChat Pay, and applies signed responses and notifications to the order. */
@Injectable()
export class Payments {
  private readonly logger = new Logger('Shop');

  constructor(
    private readonly config: AppConfig,
    private readonly steps: OrderSteps,
    private readonly conflicts: Conflicts,
    private readonly payments: PaymentService,
  ) {}

  /**
   * Asks WeChat Pay for the payment of an order.
   * @returns the order as it is afterwards; unchanged if WeChat Pay does not know it
   * @throws WechatUnavailableError and what `PaymentService.query` throws
   */
  async query(order: Order): Promise<Order> {
    await this.steps.claimQuery(order, 0);
    const payment = await this.payments.query({ outTradeNo: order.number });
    return payment ? this.apply(order, payment) : this.steps.get(order);
  }

  /**
   * Applies a payment to an order. A payment that does not fit changes no order and is stored as a conflict.
   * @param payment of a verified response or notification
   */
  async apply(order: Order, payment: PayTransaction): Promise<Order> {
    const problem = this.problemOf(order, payment);
    if (problem !== undefined) {
      await this.recordConflict(payment, problem);
      return this.steps.get(order);
    }
    switch (payment.state) {
      case 'SUCCESS':
        return this.applySuccess(order, payment);
      case 'REFUND':
        return this.applyRefunded(order, payment);
      case 'CLOSED':
      case 'REVOKED':
        return (await this.steps.close(order)) ?? this.steps.get(order);
      default:
        return this.steps.get(order);
    }
  }

  /** Handles a payment whose number belongs to no order. */
  recordUnknown(payment: PayTransaction): Promise<void> {
    return this.recordConflict(payment, 'no order has this number');
  }

  /**
   * Closes a pending order: at WeChat Pay first, if a prepay was sent.
   * @returns the order as it is afterwards: `closed`, or `paid` if the payment came first
   * @throws WechatUnavailableError and what `PaymentService.close` throws; the order is pending then
   */
  async close(order: Order): Promise<Order> {
    let current = order;
    while (current.status === 'pending') {
      if (current.payRequestedAt !== null && !(await this.closeAtWechat(current)))
        return this.query(current);
      current = (await this.steps.close(current)) ?? (await this.steps.get(current));
    }
    return current;
  }

  /** @returns false if the order is paid */
  async closeAtWechat({ number }: Order): Promise<boolean> {
    try {
      await this.payments.close(number);
      return true;
    } catch (error) {
      if (error instanceof WechatPayOrderPaidError) return false;
      throw error;
    }
  }

  /**
   * Asks WeChat Pay whether a paid order has a refund that no notification has reported yet, made in the merchant console. WeChat Pay has no
   * list of the refunds of a payment. It only says that the payment has one, also if that refund covers a part or is closed.
   * @returns false if a refund of the order is known that explains it, and if WeChat Pay is unavailable, so that an outage stops no pick-up
   */
  async hasUnknownRefund(order: Order): Promise<boolean> {
    const { number, refundAttempt, refundStatus } = order;
    const hadRefund = refundAttempt > 1 || refundStatus === 'CLOSED';
    if (hadRefund || (await this.conflicts.hasRefundOf(order))) return false;
    try {
      const payment = await this.payments.query({ outTradeNo: number });
      return payment?.state === 'REFUND';
    } catch (error) {
      if (!isWechatError(error)) throw error;
      this.logger.warn(`Order ${number} is picked up without a query of refunds: ${error.code}`);
      return false;
    }
  }

  /** A pending order of a deleted account is closed first, so that its payment is refunded like a late one. */
  private async applySuccess(order: Order, payment: PayTransaction): Promise<Order> {
    const paid = await this.steps.pay(order, payment);
    if (paid) return paid;
    let current = await this.steps.get(order);
    if (current.status === 'pending')
      current = (await this.steps.close(current)) ?? (await this.steps.get(current));
    if (current.status === 'closed')
      current = (await this.steps.refundLate(current, payment)) ?? (await this.steps.get(current));
    return current;
  }

  /** Paid and refunded in the merchant console before the payment was known here. How much was refunded is not known either. */
  private async applyRefunded(order: Order, payment: PayTransaction): Promise<Order> {
    if (order.status === 'pending' || order.status === 'closed')
      await this.conflicts.record({
        orderNumber: order.number,
        kind: 'refunded-early',
        reference: payment.transactionId ?? '',
        amount: null,
        problem: `the ${order.status} order was paid and refunded in the merchant console`,
      });
    return (await this.steps.pay(order, payment)) ?? this.steps.get(order);
  }

  /** Names what differs. The text has no openid. */
  private problemOf(order: Order, payment: PayTransaction): string | undefined {
    const { amount, appId, mchId, outTradeNo, openid, transactionId } = payment;
    const isPaid = payment.state === 'SUCCESS' || payment.state === 'REFUND';
    const problems = [
      outTradeNo !== order.number && 'it has another number',
      mchId !== this.config.pay?.mchId && `it is of merchant ${mchId}`,
      appId !== order.appId && `it is of app ${appId}`,
      (isPaid || amount) &&
        amount?.total !== order.amount &&
        `it is of ${amount?.total} fen instead of ${order.amount}`,
      (isPaid || amount) && amount?.currency !== 'CNY' && `its currency is ${amount?.currency}`,
      (isPaid || openid !== undefined) && openid !== order.openid && 'another user paid it',
      isPaid && transactionId === undefined && 'it has no transaction id',
      order.transactionId !== null &&
        transactionId !== undefined &&
        transactionId !== order.transactionId &&
        'the order was paid by another transaction',
    ].filter((problem) => problem !== false && problem !== undefined);
    return problems.length > 0 ? problems.join(', ') : undefined;
  }

  private recordConflict(payment: PayTransaction, problem: string): Promise<void> {
    const { outTradeNo, transactionId, state, amount } = payment;
    return this.conflicts.record({
      orderNumber: outTradeNo,
      kind: 'payment',
      reference: transactionId ?? state,
      amount: state === 'SUCCESS' ? (amount?.total ?? null) : null,
      problem,
    });
  }
}
