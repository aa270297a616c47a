import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, LessThan, Repository } from 'typeorm';
import type { FindOptionsWhere } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { Order } from './order.entity.js';
import { PaymentConflict } from './payment-conflict.entity.js';

const HOUR_MS = 3600_000;
/** WeChat Pay settles a refund in three working days, seldom later. */
const REFUND_MS = 7 * 24 * HOUR_MS;
/** WeChat reminds the merchant after this time. */
const SHIPPING_MS = 48 * HOUR_MS;

/** What waits for the operator of the shop. */
@Injectable()
export class Waiting {
  constructor(
    @InjectRepository(Order) private readonly orders: Repository<Order>,
    @InjectRepository(PaymentConflict) private readonly conflicts: Repository<PaymentConflict>,
    private readonly clock: AppClock,
  ) {}

  /** One line for each conflict and each order, the oldest first. */
  async list(): Promise<string[]> {
    const conflicts = await this.conflicts.find({ order: { createdAt: 'ASC' } });
    const orders = await this.orders.find({ where: this.stuck(), order: { createdAt: 'ASC' } });
    return [
      ...conflicts.map(
        ({ createdAt, orderNumber, kind, amount, problem }) =>
          `conflict  ${createdAt.toISOString()}  ${orderNumber}  ${kind}  ${amount ?? 'unknown'} fen  ${problem}`,
      ),
      ...orders.map(
        (order) =>
          `order     ${order.createdAt.toISOString()}  ${order.number}  ${order.status}  ${order.amount} fen  ${problemOf(order)}`,
      ),
    ];
  }

  private stuck(): FindOptionsWhere<Order>[] {
    const now = this.clock.now().getTime();
    return [
      { status: 'refunding', refundStatus: 'ABNORMAL' },
      { status: 'refunding', refundStatus: 'CLOSED' },
      { status: 'refunding', refundStatus: IsNull() },
      { status: 'refunding', refundRequestedAt: LessThan(new Date(now - REFUND_MS)) },
      { status: 'pending', payBefore: LessThan(new Date(now - HOUR_MS)) },
      { status: 'picked-up', shippingStatus: 'refused' },
      {
        status: 'picked-up',
        shippingStatus: IsNull(),
        pickedUpAt: LessThan(new Date(now - SHIPPING_MS)),
      },
    ];
  }
}

function problemOf({ status, refundNumber, refundStatus, shippingErrcode }: Order): string {
  if (status === 'refunding') return `refund ${refundNumber} ${refundStatus ?? 'refused'}`;
  if (status === 'pending') return 'cannot be closed';
  return `shipping ${shippingErrcode === null ? 'not uploaded' : `refused ${shippingErrcode}`}`;
}
