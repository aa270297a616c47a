import { Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Interval } from '@nestjs/schedule';
import { isWechatError } from 'nestjs-wechat';
import { In, Repository } from 'typeorm';
import { mustClose } from './order-schedule.js';
import { OrderSteps } from './order-steps.js';
import { Order } from './order.entity.js';
import { Payments } from './payments.js';
import { Refunds } from './refunds.js';
import { AppClock } from '../common/app-clock.js';

/** The name of the timer. */
export const ORDERS_JOB = 'orders';

/** By real time. What is due is decided by the clock of the shop. */
const LOOK_EVERY_MS = 1000;
const FORGET_EVERY_MS = 60_000;
/** How many orders one instance works on at a time. */
const BATCH = 20;
/** If an instance ends during its work, another one takes the order after this time. Longer than the calls of one order take. */
const LEASE_MS = 60_000;
const DAY_MS = 24 * 3600_000;
/** WeChat Pay repeats a notification for this long. */
const NOTIFIED_FOR_MS = DAY_MS + 30 * 60_000;
const OPENID_KEPT_FOR_MS = 30 * DAY_MS;

/** `SKIP LOCKED`: two instances that look at the same time take different orders. */
const CLAIM = `
  UPDATE orders SET due_at = $2
  WHERE id IN (SELECT id FROM orders WHERE due_at <= $1 ORDER BY due_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
  RETURNING id`;

const FORGET_OPENIDS = `
  UPDATE orders SET openid = NULL
  WHERE user_id IS NULL AND openid IS NOT NULL AND (
    status = 'refunded' OR (status = 'closed' AND closed_at <= $1) OR account_deleted_at <= $2)`;

/**
 * Queries orders whose notification may be lost, closes expired ones, and follows refunds until they are settled. Any number of
 * instances may run it.
 */
@Injectable()
export class Reconciliation implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Shop');
  private running?: Promise<void>;
  private isStopping = false;

  constructor(
    @InjectRepository(Order) private readonly rows: Repository<Order>,
    private readonly clock: AppClock,
    private readonly steps: OrderSteps,
    private readonly payments: Payments,
    private readonly refunds: Refunds,
  ) {}

  /** Works on every order that is due. A call during another one waits for that one. */
  @Interval(ORDERS_JOB, LOOK_EVERY_MS)
  run(): Promise<void> {
    this.running ??= this.workOnDue()
      .catch((error: unknown) => this.logger.error(error))
      .finally(() => (this.running = undefined));
    return this.running;
  }

  /** Removes the openids of deleted accounts from orders that need them no longer. */
  @Interval(FORGET_EVERY_MS)
  async forgetOpenids(): Promise<void> {
    const now = this.clock.now().getTime();
    const times = [new Date(now - NOTIFIED_FOR_MS), new Date(now - OPENID_KEPT_FOR_MS)];
    await this.rows
      .query(FORGET_OPENIDS, times)
      .catch((error: unknown) => this.logger.error(error));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    await this.running;
  }

  private async workOnDue(): Promise<void> {
    let orders: Order[];
    do {
      orders = this.isStopping ? [] : await this.claim();
      await Promise.all(orders.map((order) => this.workOn(order)));
    } while (orders.length > 0);
  }

  private async claim(): Promise<Order[]> {
    const now = this.clock.now();
    const lease = new Date(now.getTime() + LEASE_MS);
    const [claimed] = await this.rows.query<[{ id: string }[], number]>(CLAIM, [now, lease]);
    if (claimed.length === 0) return [];
    return this.rows.findBy({ id: In(claimed.map(({ id }) => id)) });
  }

  private async workOn(order: Order): Promise<void> {
    try {
      await this.reconcile(order);
    } catch (error) {
      this.report(order, error);
    }
    await this.steps.plan(order);
  }

  private async reconcile(order: Order): Promise<void> {
    if (order.status === 'refunding') await this.refunds.settle(order, { renew: true });
    else if (order.status === 'pending' && mustClose(order, this.clock.now()))
      await this.payments.close(order);
    else if (order.payRequestedAt !== null) await this.payments.query(order);
  }

  /** Logs a warning, not an error, if WeChat Pay is unavailable, because the work is repeated. */
  private report({ number, status }: Order, error: unknown): void {
    const text = `Order ${number} (${status}) is tried again later`;
    if (isWechatError(error)) this.logger.warn(`${text}: ${error.code} ${error.message}`);
    else this.logger.error(error, text);
  }
}
