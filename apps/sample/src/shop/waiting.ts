import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, LessThan, Repository } from 'typeorm';
import type { FindOptionsWhere } from 'typeorm';
import { Order } from './order.entity.js';
import { PaymentConflict } from './payment-conflict.entity.js';
import { AppClock } from '../common/app-clock.js';

const HOUR_MS = 3600_000;
/** WeChat Pay settles a refund in three working days, seldom later. */
const REFUND_MS = 7 * 24 * HOUR_MS;

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
        ({ createdAt, number, status, amount, refundNumber, refundStatus }) =>
          `order     ${createdAt.toISOString()}  ${number}  ${status}  ${amount} fen  ${refundNumber ? `refund ${refundNumber} ${refundStatus ?? 'refused'}` : 'cannot be closed'}`,
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
    ];
  }
}
