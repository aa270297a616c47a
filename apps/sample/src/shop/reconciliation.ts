import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { DueJob, LOOK_EVERY_MS } from '../common/due-job.js';
import { inPages, PAGE_ROWS } from '../common/in-pages.js';
import { mustClose } from './order-schedule.js';
import { OrderSteps } from './order-steps.js';
import { Order } from './order.entity.js';
import { Payments } from './payments.js';
import { Refunds } from './refunds.js';
import { Shipments } from './shipments.js';

/** The name of the timer. */
export const ORDERS_JOB = 'orders';

const FORGET_EVERY_MS = 60_000;
const DAY_MS = 24 * 3600_000;
/** WeChat Pay repeats a notification for this long. */
const NOTIFIED_FOR_MS = DAY_MS + 30 * 60_000;
const OPENID_KEPT_FOR_MS = 30 * DAY_MS;

export const FORGET_OPENIDS = `
  UPDATE orders SET openid = NULL WHERE id IN (
    SELECT id FROM orders
    WHERE user_id IS NULL AND openid IS NOT NULL AND (
      status = 'refunded' OR shipping_status IS NOT NULL OR (status = 'closed' AND closed_at <= $1) OR account_deleted_at <= $2)
    LIMIT ${PAGE_ROWS} FOR UPDATE SKIP LOCKED)`;

/**
 * Queries orders whose notification may be lost, closes expired ones, follows refunds until they are settled, and uploads shipping
 * information. Any number of instances may run it.
 */
@Injectable()
export class Reconciliation extends DueJob<Order> {
  constructor(
    @InjectRepository(Order) rows: Repository<Order>,
    clock: AppClock,
    private readonly steps: OrderSteps,
    private readonly payments: Payments,
    private readonly refunds: Refunds,
    private readonly shipments: Shipments,
  ) {
    super(rows, clock);
  }

  /** Works on every order that is due. */
  @Interval(ORDERS_JOB, LOOK_EVERY_MS)
  override run(): Promise<void> {
    return super.run();
  }

  /** Removes the openids of deleted accounts from orders that need them no longer. */
  @Interval(FORGET_EVERY_MS)
  async forgetOpenids(): Promise<void> {
    const times = [this.clock.in(-NOTIFIED_FOR_MS), this.clock.in(-OPENID_KEPT_FOR_MS)];
    await inPages(this.rows, FORGET_OPENIDS, times).catch((error: unknown) =>
      this.logger.error(error),
    );
  }

  protected async workOn(order: Order): Promise<void> {
    try {
      await this.reconcile(order);
    } finally {
      await this.steps.plan(order);
    }
  }

  private async reconcile(order: Order): Promise<void> {
    if (order.status === 'refunding') await this.refunds.settle(order, { renew: true });
    else if (order.status === 'picked-up') await this.shipments.upload(order);
    else if (order.status === 'pending' && mustClose(order, this.clock.now()))
      await this.payments.close(order);
    else if (order.payRequestedAt !== null) await this.payments.query(order);
  }
}
