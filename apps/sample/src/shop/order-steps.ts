import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { PayRefund, PayTransaction } from 'nestjs-wechat/pay';
import { In, IsNull, MoreThan, Not, Repository } from 'typeorm';
import type { FindOptionsWhere } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { NotFoundError } from '../common/app-error.js';
import { LEASE_MS } from '../common/due-job.js';
import { dueAfter } from './order-schedule.js';
import { TRANSITIONS } from './order-transitions.js';
import type { StepName } from './order-transitions.js';
import { Order } from './order.entity.js';
import type { RefundStatus, ShippingStatus } from './order.entity.js';

/** The time in which the request that started the refund should send it. After it the job sends it. */
const REFUND_LEASE_MS = 10_000;

/**
 * The steps of an order, and the only place that changes its status. Each step is one conditional update. Of two steps that race, one
 * changes the order, and the other returns `undefined`.
 */
@Injectable()
export class OrderSteps {
  constructor(
    @InjectRepository(Order) private readonly rows: Repository<Order>,
    private readonly clock: AppClock,
  ) {}

  find(where: FindOptionsWhere<Order>): Promise<Order | null> {
    return this.rows.findOneBy(where);
  }

  /** @throws NotFoundError */
  async get({ id }: Order): Promise<Order> {
    const order = await this.find({ id });
    if (!order) throw new NotFoundError();
    return order;
  }

  /** Stores the fields of a prepay before it is sent. Every later prepay of the order repeats them. */
  async requestPay(
    order: Order,
    description: string,
    notifyUrl: string,
  ): Promise<Order | undefined> {
    const now = this.clock.now();
    const changes = { payRequestedAt: now, closingSince: null };
    const { affected } = await this.rows
      .createQueryBuilder()
      .update()
      .set({
        ...this.planned(order, changes),
        description: () => 'coalesce(description, :description)',
        notifyUrl: () => 'coalesce(notify_url, :notifyUrl)',
      })
      .where({ id: order.id, status: 'pending', userId: order.userId, payBefore: MoreThan(now) })
      .setParameters({ description, notifyUrl })
      .execute();
    return affected ? this.get(order) : undefined;
  }

  keepPrepayId(order: Order, prepayId: string): Promise<Order | undefined> {
    return this.change(order, {}, { prepayId, prepayIdAt: this.clock.now() });
  }

  /** Stores that the user has cancelled. The job closes the order if WeChat Pay does not respond now. */
  requestClose(order: Order): Promise<Order | undefined> {
    const changes = { closingSince: this.clock.now() };
    return this.change(order, { status: 'pending' }, this.planned(order, changes));
  }

  /** Only if no `pay` has begun since the order was read: WeChat Pay has closed the prepay that was known then. */
  close(order: Order): Promise<Order | undefined> {
    const when = { payRequestedAt: order.payRequestedAt ?? IsNull() };
    return this.step('close', order, { closedAt: this.clock.now() }, when);
  }

  /** Unless the account is deleted. The message that the order is paid belongs to this step, so the intention to send it is stored with it. */
  pay(order: Order, payment: PayTransaction): Promise<Order | undefined> {
    const changes = { ...this.paymentOf(payment), messageDueAt: this.clock.now() };
    return this.step('pay', order, changes, { userId: Not(IsNull()) });
  }

  /** The job uploads the shipping information. */
  pickUp(order: Order): Promise<Order | undefined> {
    const now = this.clock.now();
    return this.step('pickUp', order, { pickedUpAt: now, dueAt: now });
  }

  /** A payment that comes too late. The job sends the request. */
  refundLate(order: Order, payment: PayTransaction): Promise<Order | undefined> {
    const refund = { ...this.newRefund(order), refundIsLate: true, dueAt: this.clock.now() };
    return this.step('refundLate', order, { ...refund, ...this.paymentOf(payment) });
  }

  /** After a refusal the refund keeps its number and reason, because WeChat Pay may have stored them. */
  startRefund(order: Order, reason: string | null): Promise<Order | undefined> {
    const wasRefused = order.refundNumber !== null && order.refundStatus === null;
    const { refundNumber, refundAttempt, refundReason } = order;
    const kept = wasRefused
      ? { refundNumber, refundAttempt, refundReason }
      : { refundReason: reason };
    return this.step(
      'startRefund',
      order,
      { ...this.newRefund(order), ...kept },
      { refundAttempt },
    );
  }

  /** A late payment is refunded with a new number after its refund was CLOSED. */
  renewLateRefund(order: Order): Promise<Order | undefined> {
    return this.change(order, currentRefund(order), this.newRefund(order));
  }

  /** Stores the status of a refund that is not settled. */
  noteRefund(
    order: Order,
    refundId: string,
    refundStatus: RefundStatus,
  ): Promise<Order | undefined> {
    const changes = { refundId, refundStatus };
    return this.change(order, currentRefund(order), this.planned(order, changes));
  }

  /** WeChat Pay does not know the refund, so the request is sent again. */
  forgetRefundId(order: Order): Promise<Order | undefined> {
    return this.change(order, currentRefund(order), { refundId: null });
  }

  endRefund(order: Order, { refundId, succeededAt }: PayRefund): Promise<Order | undefined> {
    const refundSucceededAt = succeededAt ?? this.clock.now();
    const changes = { refundId, refundStatus: 'SUCCESS', refundSucceededAt } as const;
    return this.step('endRefund', order, changes, currentRefund(order));
  }

  /** WeChat Pay has closed the refund that a person asked for. */
  closeRefund(order: Order, { refundId }: PayRefund): Promise<Order | undefined> {
    const changes = { refundId, refundStatus: 'CLOSED' } as const;
    return this.step('closeRefund', order, changes, currentRefund(order));
  }

  /** WeChat Pay refused the request. A late payment stays `refunding` and is tried again. */
  refuseRefund(order: Order): Promise<Order | undefined> {
    const when = { ...currentRefund(order), refundId: IsNull() };
    const changes = { refundStatus: null };
    return order.refundIsLate
      ? this.change(order, when, this.planned(order, changes))
      : this.step('refuseRefund', order, changes, when);
  }

  /**
   * A refund of the whole amount that the shop did not request. WeChat Pay refunds no more than the payment, so the shop's own refund cannot
   * succeed any more.
   */
  bookRefund(order: Order, refund: PayRefund): Promise<Order | undefined> {
    return this.step('bookRefund', order, {
      refundNumber: refund.outRefundNo,
      refundId: refund.refundId,
      refundStatus: 'SUCCESS',
      refundAmount: refund.amount.refund,
      refundSucceededAt: refund.succeededAt ?? this.clock.now(),
    });
  }

  /** Stores that shipping information is going to be uploaded. Of two attempts that race, one goes on. */
  startShipping(order: Order): Promise<Order | undefined> {
    const { shippingSentAt } = order;
    const when = { shippingStatus: IsNull(), shippingSentAt: shippingSentAt ?? IsNull() };
    return this.change(order, when, { shippingSentAt: this.clock.now() });
  }

  /** @param shippingErrcode WeChat's number of a refusal */
  endShipping(
    order: Order,
    shippingStatus: ShippingStatus,
    shippingErrcode?: number,
  ): Promise<Order | undefined> {
    const changes = this.planned(order, { shippingStatus, shippingErrcode });
    return this.change(order, { shippingStatus: IsNull() }, changes);
  }

  /** Lets the job upload the shipping information now, if that is still to be done and no attempt is under way. */
  async hastenShipping(appId: string, number: string): Promise<void> {
    await this.rows
      .createQueryBuilder()
      .update()
      .set({ dueAt: this.clock.now() })
      .where({ appId, number, status: 'picked-up', shippingStatus: IsNull() })
      .andWhere('(due_at IS NULL OR due_at > :lease)', { lease: this.clock.in(LEASE_MS) })
      .execute();
  }

  /** Returns true for one caller. This caller sends the message that the order is paid. */
  async takeMessage({ id }: Order): Promise<boolean> {
    const { affected } = await this.rows.update(
      { id, messageDueAt: Not(IsNull()) },
      { messageDueAt: null },
    );
    return affected === 1;
  }

  /** Returns true for one caller within `everyMs`. This caller may query WeChat Pay. */
  async claimQuery({ id }: Order, everyMs: number): Promise<boolean> {
    const now = this.clock.now();
    const { affected } = await this.rows
      .createQueryBuilder()
      .update()
      .set({ queriedAt: now })
      .where('id = :id AND (queried_at IS NULL OR queried_at <= :since)', {
        id,
        since: new Date(now.getTime() - everyMs),
      })
      .execute();
    return affected === 1;
  }

  /** Sets the time of the next reconciliation of an order that has not changed. Does nothing if `dueAt` is no longer the stored time. */
  async plan(order: Order): Promise<void> {
    const { id, dueAt } = order;
    const current = await this.get(order);
    await this.rows.update(
      { id, dueAt: dueAt ?? IsNull() },
      { dueAt: dueAfter(current, this.clock.now()) },
    );
  }

  /** Changes the status as the table says, if the order has one of the statuses from which the step begins. */
  private step(
    name: StepName,
    order: Order,
    changes: Partial<Order>,
    when: FindOptionsWhere<Order> = {},
  ): Promise<Order | undefined> {
    const { from, to } = TRANSITIONS[name];
    const planned = this.planned(order, { ...changes, status: to });
    return this.change(order, { ...when, status: In(from) }, planned);
  }

  /** Adds the time of the next reconciliation to changes that do not name it. */
  private planned(order: Order, changes: Partial<Order>): Partial<Order> {
    return { dueAt: dueAfter(Object.assign({}, order, changes), this.clock.now()), ...changes };
  }

  private async change(
    order: Order,
    when: FindOptionsWhere<Order>,
    changes: Partial<Order>,
  ): Promise<Order | undefined> {
    const { affected } = await this.rows.update({ ...when, id: order.id }, changes);
    return affected ? this.get(order) : undefined;
  }

  private newRefund({ number, refundAttempt, amount }: Order) {
    const now = this.clock.now();
    return {
      refundAttempt: refundAttempt + 1,
      refundNumber: `${number}-R${refundAttempt + 1}`,
      refundStatus: 'PROCESSING',
      refundAmount: amount,
      refundId: null,
      refundRequestedAt: now,
      dueAt: new Date(now.getTime() + REFUND_LEASE_MS),
    } as const;
  }

  private paymentOf({ transactionId, paidAt }: PayTransaction) {
    return { transactionId, paidAt: paidAt ?? this.clock.now() };
  }
}

const currentRefund = ({ refundNumber }: Order): FindOptionsWhere<Order> => ({
  status: 'refunding',
  refundNumber: refundNumber ?? IsNull(),
});
