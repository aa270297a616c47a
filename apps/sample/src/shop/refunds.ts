import { Injectable, Logger } from '@nestjs/common';
import { RefundService } from 'nestjs-wechat/pay';
import type { PayRefund } from 'nestjs-wechat/pay';
import { WechatPayRefundError } from 'nestjs-wechat';
import { UnavailableError } from '../common/app-error.js';
import { Conflicts } from './conflicts.js';
import { OrderSteps } from './order-steps.js';
import type { Order, RefundStatus } from './order.entity.js';
import { Payments } from './payments.js';

/** Requests and queries the refund of an order at WeChat Pay, and applies signed responses and notifications to the order. */
@Injectable()
export class Refunds {
  private readonly logger = new Logger('Shop');

  constructor(
    private readonly steps: OrderSteps,
    private readonly conflicts: Conflicts,
    private readonly payments: Payments,
    private readonly refunds: RefundService,
  ) {}

  /**
   * Sends the request of a `refunding` order, always with the stored number, amount and reason.
   * @throws WechatPayRefundError if WeChat Pay refuses it; WechatUnavailableError and others: the job repeats it
   */
  async send(order: Order): Promise<Order> {
    const { number, refundNumber, refundAmount, refundReason, amount } = order;
    if (refundNumber === null || refundAmount === null) return order;
    try {
      const refund = await this.refunds.create({
        outRefundNo: refundNumber,
        outTradeNo: number,
        refund: refundAmount,
        total: amount,
        reason: refundReason ?? undefined,
      });
      return await this.apply(order, refund);
    } catch (error) {
      if (error instanceof WechatPayRefundError) return this.refuse(order, refundNumber, error);
      await this.steps.plan(order);
      throw error;
    }
  }

  /**
   * Asks WeChat Pay for the refund of a `refunding` order. Sends the request again if WeChat Pay does not know it.
   * @param renew whether a late payment whose refund is CLOSED gets a new number
   * @throws what `send` throws
   */
  async settle(order: Order, { renew = false } = {}): Promise<Order> {
    const { refundId, refundNumber, refundIsLate, refundStatus } = order;
    if (refundId === null || refundNumber === null) return this.send(order);
    await this.steps.claimQuery(order, 0);
    const refund = await this.refunds.query(refundNumber);
    const isClosed = refund?.status === 'CLOSED' && refundIsLate && refundStatus === 'CLOSED';
    if (refund && !isClosed) return this.apply(order, refund);
    if (isClosed && !renew) return order;
    const changed = isClosed
      ? await this.steps.renewLateRefund(order)
      : await this.steps.forgetRefundId(order);
    return changed ? this.send(changed) : this.steps.get(order);
  }

  /**
   * Applies a refund to an order. Only its current refund changes a `refunding` order.
   * @param refund of a verified response or notification
   */
  async apply(order: Order, refund: PayRefund): Promise<Order> {
    if (order.status !== 'refunding' || refund.outRefundNo !== order.refundNumber)
      return this.applyOther(order, refund);
    const fits =
      refund.outTradeNo === order.number &&
      refund.amount.refund === order.refundAmount &&
      refund.amount.total === order.amount;
    if (!fits) {
      await this.recordConflict(refund, 'it has another amount or order');
      return order;
    }
    return (await this.applyCurrent(order, refund)) ?? this.steps.get(order);
  }

  /** Handles a refund of a payment that belongs to no order. */
  recordUnknown(refund: PayRefund): Promise<void> {
    return this.recordConflict(refund, 'no order has the number of its payment');
  }

  private async applyCurrent(order: Order, refund: PayRefund): Promise<Order | undefined> {
    const { refundId } = refund;
    const status = refund.status as RefundStatus;
    switch (status) {
      case 'SUCCESS':
        return this.steps.endRefund(order, refund);
      case 'CLOSED':
        if (!order.refundIsLate) return this.steps.closeRefund(order, refund);
        return this.steps.noteRefund(order, refundId, status);
      case 'ABNORMAL':
        if (order.refundStatus !== status)
          this.logger.error(
            `Refund ${refund.outRefundNo} is ABNORMAL: the user's account does not take it. End it in the merchant console, or pay to another card.`,
          );
        return this.steps.noteRefund(order, refundId, status);
      case 'PROCESSING':
        return this.steps.noteRefund(order, refundId, status);
      default:
        return undefined;
    }
  }

  /**
   * A refund that is not the current one: made in the merchant console, or with an older number. A console refund of the whole amount is
   * booked. Everything else that has succeeded is a conflict.
   */
  private async applyOther(order: Order, { outRefundNo, status }: PayRefund): Promise<Order> {
    const isKnown = order.status === 'refunded' && order.refundNumber === outRefundNo;
    if (isKnown || status !== 'SUCCESS') return order;
    const refund = await this.refunds.query(outRefundNo);
    if (!refund || refund.status === 'PROCESSING')
      throw new UnavailableError('WeChat Pay does not confirm the refund yet'); // the notification is repeated
    if (refund.status !== 'SUCCESS' || refund.outTradeNo !== order.number) return order;
    const known = order.status === 'pending' ? await this.payments.query(order) : order;
    const isOwn = outRefundNo.startsWith(`${order.number}-R`);
    const isOlder = isOwn && outRefundNo !== order.refundNumber;
    const isWhole = refund.amount.refund === order.amount;
    const booked = isWhole && !isOlder ? await this.steps.bookRefund(known, refund) : undefined;
    if (booked) {
      if (isOwn && booked.pickedUpAt !== null)
        await this.recordConflict(refund, 'the order was picked up after its refusal', 0); // the order contains the amount
      return booked;
    }
    await this.recordConflict(refund, `the ${known.status} order did not request it`);
    return this.steps.get(order);
  }

  /** A refusal is not signed, and another request of the same refund may have been accepted. So a query decides. */
  private async refuse(
    order: Order,
    refundNumber: string,
    error: WechatPayRefundError,
  ): Promise<Order> {
    const refund = await this.refunds.query(refundNumber);
    if (refund) return this.apply(order, refund);
    if (await this.steps.refuseRefund(order))
      this.logger.error(`Refund ${refundNumber} is refused: ${error.message}`);
    throw error;
  }

  private recordConflict(
    refund: PayRefund,
    problem: string,
    amount = -refund.amount.refund,
  ): Promise<void> {
    return this.conflicts.record({
      orderNumber: refund.outTradeNo,
      kind: 'refund',
      reference: refund.outRefundNo,
      amount,
      problem: `refund ${refund.outRefundNo} of ${refund.amount.refund} fen: ${problem}`,
    });
  }
}
