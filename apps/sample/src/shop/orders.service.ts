import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { WechatPayOrderClosedError, WechatPayOrderPaidError } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { PaymentService } from 'nestjs-wechat/pay';
import type { RequestPayment } from 'nestjs-wechat/pay';
import { randomInt, randomUUID } from 'node:crypto';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { AccountDeletedError, NotFoundError } from '../common/app-error.js';
import { pageOf } from '../common/page.js';
import type { PageDto } from '../common/page.js';
import { AppConfig } from '../config.js';
import { isForeignKeyViolation } from '../database/database-errors.js';
import type { User } from '../users/user.entity.js';
import { IdempotencyConflictError, OrderLimitError, OrderStateError } from './order-errors.js';
import { OrderSteps } from './order-steps.js';
import { Order } from './order.entity.js';
import type { OrderStatus } from './order.entity.js';
import { Payments } from './payments.js';
import { PRODUCTS } from './products.js';
import { Refunds } from './refunds.js';

/** WeChat accepts a prepay id for two hours. */
const PREPAY_ID_LIFE_MS = 90 * 60_000;
const SYNC_EVERY_MS = 2000;
/** How many orders of one user may be pending. It bounds the calls of WeChat Pay that one user can cause by orders that are never paid. */
const MAX_PENDING = 2000;
const ORDERS_ON_A_PAGE = 50;

export interface NewOrder {
  productId: string;
  quantity: number;
}

/** The actions of a user on their orders. An order of another user is 404. */
@Injectable()
export class OrdersService {
  constructor(
    @InjectRepository(Order) private readonly rows: Repository<Order>,
    private readonly config: AppConfig,
    private readonly clock: AppClock,
    private readonly steps: OrderSteps,
    private readonly payments: Payments,
    private readonly refunds: Refunds,
    private readonly pay: PaymentService,
  ) {}

  /**
   * Creates an order. The price comes from `products.ts`, not from the request.
   * @param idempotencyKey a repeat with the same key and body returns the order that the first request created
   * @throws IdempotencyConflictError, OrderLimitError, AccountDeletedError
   */
  async create(
    user: User,
    session: WechatSession,
    body: NewOrder,
    idempotencyKey: string | null,
  ): Promise<{ order: Order; isNew: boolean }> {
    const { productId, quantity } = body;
    const product = PRODUCTS.find(({ id }) => id === productId);
    if (!product) throw new NotFoundError();
    const earlier = await this.findEarlier(user, body, idempotencyKey);
    if (earlier) return { order: earlier, isNew: false };
    await this.requireRoom(user);
    const createdAt = this.clock.now();
    const payBefore = this.clock.in(this.config.orderTtlMs);
    const order = await this.insert({
      id: randomUUID(),
      number: newNumber(createdAt),
      userId: user.id,
      appId: session.appId,
      openid: session.openid,
      idempotencyKey,
      productId,
      productName: product.name,
      quantity,
      amount: product.price * quantity,
      status: 'pending',
      createdAt,
      payBefore,
      dueAt: payBefore,
    });
    if (order) return { order, isNew: true };
    return this.create(user, session, body, idempotencyKey); // the key or the number was taken at the same time
  }

  /** @throws BadRequestError if `before` is not an order of the user */
  list({ id: userId }: User, page: PageDto): Promise<Order[]> {
    return pageOf(this.rows, userId, page, ORDERS_ON_A_PAGE);
  }

  /** @throws NotFoundError */
  async find(user: User, id: string): Promise<Order> {
    const order = await this.steps.find({ id, userId: user.id });
    if (!order) throw new NotFoundError();
    return order;
  }

  /**
   * Prepares the payment.
   * @returns the parameters of `wx.requestPayment`
   * @throws OrderStateError, and what `PaymentService.prepay` throws
   */
  async requestPayment(user: User, session: WechatSession, id: string): Promise<RequestPayment> {
    const order = await this.find(user, id);
    const { appId, openid } = order;
    if (session.appId !== appId || session.openid !== openid)
      throw new OrderStateError(order.status, 'another WeChat user or mini program made the order');
    const requested = await this.steps.requestPay(order, descriptionOf(order), this.notifyUrl);
    if (!requested) throw await this.stateError(order);
    const prepayId = await this.prepay(requested, openid);
    const current = await this.steps.get(order);
    if (current.status !== 'pending') {
      await this.payments.closeAtWechat(current).catch(() => {}); // if it fails, a payment is late and the job refunds it
      throw new OrderStateError(current.status);
    }
    return this.pay.signRequestPayment(prepayId, { appId });
  }

  /**
   * Asks WeChat Pay for the payment or the refund, at most every two seconds.
   * @throws what `PaymentService.query` and `RefundService.query` throw
   */
  async sync(user: User, id: string): Promise<Order> {
    const order = await this.find(user, id);
    const isOpen =
      order.status === 'refunding' ||
      ((order.status === 'pending' || order.status === 'closed') && order.payRequestedAt !== null);
    if (!isOpen || !(await this.steps.claimQuery(order, SYNC_EVERY_MS))) return order;
    return order.status === 'refunding' ? this.refunds.settle(order) : this.payments.query(order);
  }

  /** @throws OrderStateError, and what `PaymentService.close` throws: the order is pending then, and the job closes it */
  async cancel(user: User, id: string): Promise<Order> {
    const order = await this.find(user, id);
    const closing = await this.steps.requestClose(order);
    return expectStatus(
      'closed',
      await this.payments.close(closing ?? (await this.steps.get(order))),
    );
  }

  /** @throws OrderStateError, also if WeChat Pay reports a refund that was made in the merchant console */
  async pickUp(user: User, id: string): Promise<Order> {
    const order = await this.find(user, id);
    if (order.status === 'paid' && (await this.payments.hasUnknownRefund(order)))
      throw new OrderStateError(order.status, 'the payment has a refund; see the merchant console');
    const pickedUp = await this.steps.pickUp(order);
    return expectStatus('picked-up', pickedUp ?? (await this.steps.get(order)));
  }

  /** @throws OrderStateError, and what `Refunds.send` throws */
  async refund(user: User, id: string, reason: string | null): Promise<Order> {
    const order = await this.find(user, id);
    const started = await this.steps.startRefund(order, reason);
    if (started) return this.refunds.send(started);
    const current = await this.steps.get(order);
    if (current.status === 'refunded') return current;
    if (current.status !== 'refunding') throw new OrderStateError(current.status);
    return current.refundId === null ? this.refunds.send(current) : current;
  }

  private get notifyUrl(): string {
    return this.config.pay?.notify.url ?? '';
  }

  /** Updates the order if WeChat Pay reports it as paid or closed. */
  private async prepay(order: Order, openid: string): Promise<string> {
    const { appId, number, amount, prepayId, prepayIdAt, payBefore, description, notifyUrl } =
      order;
    const oldest = this.clock.now().getTime() - PREPAY_ID_LIFE_MS;
    if (prepayId !== null && prepayIdAt !== null && prepayIdAt.getTime() > oldest) return prepayId;
    try {
      const issued = await this.pay.prepay({
        appId,
        openid,
        outTradeNo: number,
        description: description ?? '',
        amount,
        expiresAt: payBefore,
        notifyUrl: notifyUrl ?? undefined,
      });
      await this.steps.keepPrepayId(order, issued.prepayId);
      return issued.prepayId;
    } catch (error) {
      const isFinal =
        error instanceof WechatPayOrderPaidError || error instanceof WechatPayOrderClosedError;
      const current = isFinal ? await this.payments.query(order) : await this.steps.get(order);
      throw current.status === 'pending' ? error : new OrderStateError(current.status);
    }
  }

  private async stateError(order: Order): Promise<OrderStateError> {
    const { status } = await this.steps.get(order);
    return new OrderStateError(
      status,
      status === 'pending' ? 'the time to pay is over' : undefined,
    );
  }

  /**
   * Finds the order that an earlier request with the same Idempotency-Key created.
   * @throws IdempotencyConflictError
   */
  private async findEarlier(
    user: User,
    { productId, quantity }: NewOrder,
    idempotencyKey: string | null,
  ): Promise<Order | null> {
    if (idempotencyKey === null) return null;
    const earlier = await this.steps.find({ userId: user.id, idempotencyKey });
    if (earlier && (earlier.productId !== productId || earlier.quantity !== quantity))
      throw new IdempotencyConflictError();
    return earlier;
  }

  /** Requests that arrive at the same time can exceed the limit by their number. @throws OrderLimitError */
  private async requireRoom({ id }: User): Promise<void> {
    const pending = await this.rows.countBy({ userId: id, status: 'pending' });
    if (pending >= MAX_PENDING) throw new OrderLimitError(MAX_PENDING);
  }

  /** @returns `undefined` if the user has an order with the key, or any order has the number */
  private async insert(order: Partial<Order> & Pick<Order, 'id'>): Promise<Order | undefined> {
    try {
      await this.rows.createQueryBuilder().insert().values(order).orIgnore().execute();
    } catch (error) {
      throw isForeignKeyViolation(error) ? new AccountDeletedError() : error;
    }
    return (await this.steps.find({ id: order.id })) ?? undefined;
  }
}

/** A date and 12 random digits. A sequence would show how many orders the shop has. */
function newNumber(at: Date): string {
  const digits = String(randomInt(1e12)).padStart(12, '0');
  return at.toISOString().slice(0, 10).replaceAll('-', '') + digits;
}

const descriptionOf = ({ productName, quantity }: Order): string => `${productName} × ${quantity}`;

function expectStatus(status: OrderStatus, order: Order): Order {
  if (order.status === status) return order;
  throw new OrderStateError(order.status);
}
