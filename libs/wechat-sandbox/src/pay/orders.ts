import { isDeepStrictEqual } from 'node:util';
import type { Apps } from '../world/apps.js';
import type { SandboxClock } from '../world/clock.js';
import type { Users } from '../world/users.js';
import { fieldFailure, type OrderBody } from './body-schemas.js';
import { newCodeUrl, newPrepayId, newTransactionId } from './ids.js';
import { BoundedMap } from '../world/bounded-map.js';
import type { PayMerchant } from './merchant.js';
import { OrderRecord, type PayOrder } from './order.js';
import { PayFailure } from './pay-failure.js';
import type { RefundRecord } from './refund.js';

const DAY_MS = 86_400_000;
/** An unpaid order without `time_expire` is closed after this time. */
const DEFAULT_LIFE_MS = 7 * DAY_MS;
const LONGEST_LIFE_MS = 90 * DAY_MS;
const SHORTEST_LIFE_MS = 60_000;
/** Of a prepay id and of a code. */
const TICKET_LIFE_MS = 2 * 3600_000;
const KEPT = 20_000;

/** A prepay id or the URL of a code, with which a phone pays an order. */
interface PayTicket {
  order: OrderRecord;
  /** Milliseconds by the sandbox's clock. */
  until: number;
}

/** All orders of all merchants. */
export class Orders {
  private readonly orders = new BoundedMap<string, OrderRecord>(KEPT);
  private readonly byTransaction = new BoundedMap<string, OrderRecord>(KEPT);
  private readonly tickets = new BoundedMap<string, PayTicket>(KEPT);
  /** Numbers that were closed before a prepay. They can never be used for an order. */
  private readonly closedUnused = new BoundedMap<string, true>(KEPT);

  constructor(
    private readonly clock: SandboxClock,
    private readonly users: Users,
    private readonly apps: Apps,
  ) {}

  /** The oldest first. */
  get all(): PayOrder[] {
    return [...this.orders.values()].map((order) => this.current(order).view());
  }

  /** Creates an order of a mini program. An identical repeat returns another prepay id of the same order. */
  prepay(merchant: PayMerchant, body: OrderBody): { prepay_id: string } {
    return { prepay_id: this.issue(this.place(merchant, body), newPrepayId(this.clock.now())) };
  }

  /** Creates an order that is paid by a code. An identical repeat returns another code of the same order. */
  native(merchant: PayMerchant, body: OrderBody): { code_url: string } {
    return { code_url: this.issue(this.place(merchant, body), newCodeUrl()) };
  }

  private place(merchant: PayMerchant, body: OrderBody): OrderRecord {
    if (body.mchid !== merchant.mchId)
      throw fieldFailure('/mchid', body.mchid, 'http header中的mchid与post payload中的mchid不匹配');
    if (!merchant.appIds.includes(body.appid)) throw new PayFailure('APPID_MCHID_NOT_MATCH');
    this.checkPayer(body);
    const order = this.find(merchant, body.out_trade_no) ?? this.create(merchant, body);
    if (order.isPaid) throw new PayFailure('ORDERPAID');
    if (order.state === 'CLOSED') throw new PayFailure('ORDER_CLOSED');
    if (!isDeepStrictEqual(order.body, body))
      throw new PayFailure('INVALID_REQUEST', {
        message: '请求重入时，参数与首次请求时不一致',
        suffix: 268498688,
      });
    return order;
  }

  private issue(order: OrderRecord, ticket: string): string {
    this.tickets.set(ticket, { order, until: this.clock.now() + TICKET_LIFE_MS });
    return ticket;
  }

  /** The order with this number of the merchant. */
  find(merchant: PayMerchant, outTradeNo: string): OrderRecord | undefined {
    const order = this.orders.get(keyOf(merchant, outTradeNo));
    return order && this.current(order);
  }

  findByTransaction(merchant: PayMerchant, transactionId: string): OrderRecord | undefined {
    const order = this.byTransaction.get(transactionId);
    return order?.merchant === merchant ? order : undefined;
  }

  /** Closes an order. A number without an order is closed for ever. */
  close(merchant: PayMerchant, outTradeNo: string): void {
    const order = this.find(merchant, outTradeNo);
    if (!order) this.closedUnused.set(keyOf(merchant, outTradeNo), true);
    else if (order.isPaid) throw new PayFailure('ORDER_PAID');
    else order.state = 'CLOSED';
  }

  /** The order of a prepay id or of the URL of a code, if it is still usable. */
  findByTicket(ticket: string): OrderRecord | undefined {
    const found = this.tickets.get(ticket);
    if (!found || this.clock.now() >= found.until) return undefined;
    return this.current(found.order);
  }

  /** All orders of a merchant, the oldest first. */
  of(merchant: PayMerchant): OrderRecord[] {
    return [...this.orders.values()].filter((order) => order.merchant === merchant);
  }

  /** Updates an order after a change of a refund. An order with a refund that is not closed has the state REFUND. */
  afterRefund(order: OrderRecord, refunds: readonly RefundRecord[]): void {
    order.state = refunds.some(({ status }) => status !== 'CLOSED') ? 'REFUND' : 'SUCCESS';
  }

  /** @param openid the payer's, in the app of the order; only a Native order needs it */
  pay(order: OrderRecord, openid = order.openid): void {
    const now = this.clock.now();
    order.transactionId = newTransactionId(now);
    order.paidAt = new Date(now);
    order.state = 'SUCCESS';
    order.openid = openid;
    this.byTransaction.set(order.transactionId, order);
  }

  private create(merchant: PayMerchant, body: OrderBody): OrderRecord {
    const key = keyOf(merchant, body.out_trade_no);
    if (this.closedUnused.get(key)) throw new PayFailure('ORDER_CLOSED');
    const now = this.clock.now();
    const order = new OrderRecord(merchant, body, new Date(now), this.expiry(body, now));
    this.orders.set(key, order);
    return order;
  }

  /** Returns the expiry of an order. WeChat limits it to at least one minute and at most 90 days from now. */
  private expiry({ time_expire: timeExpire }: OrderBody, now: number): Date {
    if (timeExpire === undefined) return new Date(now + DEFAULT_LIFE_MS);
    const at = Date.parse(timeExpire);
    if (!(at > now))
      throw fieldFailure('/time_expire', timeExpire, 'must be a time in the future', 268435464);
    return new Date(Math.min(Math.max(at, now + SHORTEST_LIFE_MS), now + LONGEST_LIFE_MS));
  }

  private checkPayer({ appid, payer }: OrderBody): void {
    if (!payer) return;
    const { openid } = payer;
    if (this.users.findByOpenid(appid, openid)) return;
    if (this.apps.all.some(({ appId }) => this.users.findByOpenid(appId, openid)))
      throw new PayFailure('OPENID_MISMATCH');
    throw fieldFailure('/payer/openid', openid, '无效的openid');
  }

  /** Closes an unpaid order that has expired. */
  private current(order: OrderRecord): OrderRecord {
    if (order.state === 'NOTPAY' && this.clock.now() >= order.expiresAt.getTime())
      order.state = 'CLOSED';
    return order;
  }
}

const keyOf = ({ mchId }: PayMerchant, outTradeNo: string): string => `${mchId} ${outTradeNo}`;
