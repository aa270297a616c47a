import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { PayRefund, PayTransaction } from 'nestjs-wechat/pay';
import { In, IsNull, MoreThan, Not, Repository } from 'typeorm';
import type { FindOptionsWhere } from 'typeorm';
import { NotFoundError } from '../common/app-error.js';
import { dueAfter } from './order-schedule.js';
import { Order } from './order.entity.js';
import type { RefundStatus } from './order.entity.js';
import { AppClock } from '../common/app-clock.js';

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
        ...changes,
        dueAt: dueAfter(Object.assign({}, order, changes), now),
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

  /**
   * `pending` → `closed`. Only if no `pay` has begun since the order was read: WeChat Pay has closed the prepay that was known then.
   */
  close(order: Order): Promise<Order | undefined> {
    const { payRequestedAt } = order;
    const changes = { status: 'closed', closedAt: this.clock.now() } as const;
    const when = { status: 'pending', payRequestedAt: payRequestedAt ?? IsNull() } as const;
    return this.change(order, when, this.planned(order, changes));
  }

  /** `pending` → `paid`, unless the account is deleted. */
  pay(order: Order, payment: PayTransaction): Promise<Order | undefined> {
    const changes = { status: 'paid', ...this.paymentOf(payment) } as const;
    const when = { status: 'pending', userId: Not(IsNull()) } as const;
    return this.change(order, when, this.planned(order, changes));
  }

  /** `paid` → `picked-up`. */
  pickUp(order: Order): Promise<Order | undefined> {
    const changes = { status: 'picked-up', pickedUpAt: this.clock.now() } as const;
    return this.change(order, { status: 'paid' }, this.planned(order, changes));
  }

  /** `closed` → `refunding`: a payment that comes too late. The job sends the request. */
  refundLate(order: Order, payment: PayTransaction): Promise<Order | undefined> {
    const refund = { ...this.newRefund(order), refundIsLate: true };
    const changes = { ...refund, ...this.paymentOf(payment), dueAt: this.clock.now() };
    return this.change(order, { status: 'closed' }, changes);
  }

  /** `paid` → `refunding`. After a refusal the refund keeps its number and reason, because WeChat Pay may have stored them. */
  startRefund(order: Order, reason: string | null): Promise<Order | undefined> {
    const wasRefused = order.refundNumber !== null && order.refundStatus === null;
    const { refundNumber, refundAttempt, refundReason } = order;
    const kept = wasRefused
      ? { refundNumber, refundAttempt, refundReason }
      : { refundReason: reason };
    const changes = { ...this.newRefund(order), ...kept };
    return this.change(order, { status: 'paid', refundAttempt }, changes);
  }

  /** A late payment is refunded with a new number after its refund was CLOSED. */
  renewLateRefund(order: Order): Promise<Order | undefined> {
    return this.change(order, this.currentRefund(order), this.newRefund(order));
  }

  /** Stores the status of a refund that is not settled. */
  noteRefund(
    order: Order,
    refundId: string,
    refundStatus: RefundStatus,
  ): Promise<Order | undefined> {
    const changes = { refundId, refundStatus };
    return this.change(order, this.currentRefund(order), this.planned(order, changes));
  }

  /** WeChat Pay does not know the refund, so the request is sent again. */
  forgetRefundId(order: Order): Promise<Order | undefined> {
    return this.change(order, this.currentRefund(order), { refundId: null });
  }

  /** `refunding` → `refunded`. */
  endRefund(order: Order, { refundId, succeededAt }: PayRefund): Promise<Order | undefined> {
    const changes = {
      status: 'refunded',
      refundId,
      refundStatus: 'SUCCESS',
      refundSucceededAt: succeededAt ?? this.clock.now(),
    } as const;
    return this.change(order, this.currentRefund(order), this.planned(order, changes));
  }

  /** `refunding` → `paid`: WeChat Pay has closed the refund that a person asked for. */
  closeRefund(order: Order, { refundId }: PayRefund): Promise<Order | undefined> {
    const changes = { status: 'paid', refundId, refundStatus: 'CLOSED' } as const;
    return this.change(order, this.currentRefund(order), this.planned(order, changes));
  }

  /** WeChat Pay refused the request: `refunding` → `paid`; a late payment stays `refunding` and is tried again. */
  refuseRefund(order: Order): Promise<Order | undefined> {
    const changes = { refundStatus: null, ...(!order.refundIsLate && { status: 'paid' as const }) };
    const when = { ...this.currentRefund(order), refundId: IsNull() };
    return this.change(order, when, this.planned(order, changes));
  }

  /**
   * `paid`, `picked-up` or `refunding` → `refunded`: a refund of the whole amount that the shop did not request. WeChat Pay refunds no more
   * than the payment, so the shop's own refund cannot succeed any more.
   */
  bookRefund(order: Order, refund: PayRefund): Promise<Order | undefined> {
    const changes = {
      status: 'refunded',
      refundNumber: refund.outRefundNo,
      refundId: refund.refundId,
      refundStatus: 'SUCCESS',
      refundAmount: refund.amount.refund,
      refundSucceededAt: refund.succeededAt ?? this.clock.now(),
    } as const;
    const when = { status: In(['paid', 'picked-up', 'refunding']) };
    return this.change(order, when, this.planned(order, changes));
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

  private planned<Changes extends Partial<Order>>(order: Order, changes: Changes): Changes {
    return { ...changes, dueAt: dueAfter(Object.assign({}, order, changes), this.clock.now()) };
  }

  private async change(
    order: Order,
    when: FindOptionsWhere<Order>,
    changes: Partial<Order>,
  ): Promise<Order | undefined> {
    const { affected } = await this.rows.update({ ...when, id: order.id }, changes);
    return affected ? this.get(order) : undefined;
  }

  private currentRefund({ refundNumber }: Order): FindOptionsWhere<Order> {
    return { status: 'refunding', refundNumber: refundNumber ?? IsNull() };
  }

  private newRefund({ number, refundAttempt, amount }: Order) {
    const now = this.clock.now();
    return {
      status: 'refunding',
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
