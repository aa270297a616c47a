import { isDeepStrictEqual } from 'node:util';
import type { Agenda } from '../world/agenda.js';
import type { SandboxClock } from '../world/clock.js';
import { fieldFailure, type RefundBody } from './body-schemas.js';
import { newRefundId } from './ids.js';
import { BoundedMap } from '../world/bounded-map.js';
import type { PayMerchant } from './merchant.js';
import type { OrderRecord } from './order.js';
import type { Orders } from './orders.js';
import { PayFailure } from './pay-failure.js';
import { RefundRecord, type PayRefund, type RefundStatus } from './refund.js';

/** A refund succeeds after this time of the sandbox's clock. */
const SETTLES_AFTER_MS = 3000;
/** A payment can be refunded for a year. */
const REFUNDABLE_FOR_MS = 365 * 86_400_000;
const MOST_PARTIAL_REFUNDS = 50;
/** The minimum time between two refunds of one order. */
const REFUND_INTERVAL_MS = 60_000;
const KEPT = 20_000;

/** All refunds of all merchants. */
export class Refunds {
  private readonly refunds = new BoundedMap<string, RefundRecord>(KEPT);

  constructor(
    private readonly clock: SandboxClock,
    private readonly agenda: Agenda,
    private readonly orders: Orders,
    /** Called when a refund has a new status that the merchant is notified of. */
    private readonly onSettled: (refund: RefundRecord) => void,
  ) {}

  /** The oldest first. */
  get all(): PayRefund[] {
    return [...this.refunds.values()].map((refund) => refund.view());
  }

  find(merchant: PayMerchant, outRefundNo: string): RefundRecord | undefined {
    return this.refunds.get(keyOf(merchant.mchId, outRefundNo));
  }

  findById(merchant: PayMerchant, refundId: string): RefundRecord | undefined {
    return [...this.refunds.values()].find(
      (refund) => refund.refundId === refundId && refund.mchId === merchant.mchId,
    );
  }

  /** The refunds of an order, the oldest first. */
  of(order: OrderRecord): RefundRecord[] {
    return [...this.refunds.values()].filter((refund) => refund.order === order);
  }

  /** Creates a refund. An identical repeat with the same number returns the current refund. */
  create(merchant: PayMerchant, body: RefundBody): RefundRecord {
    if (Buffer.byteLength(body.reason ?? '') > 80)
      throw fieldFailure('/reason', body.reason, 'is longer than 80 bytes', 268435464);
    if (body.amount.refund > body.amount.total)
      throw fieldFailure('/amount/refund', body.amount.refund, 'is more than total', 268435464);
    const order = this.orderOf(merchant, body);
    const earlier = this.find(merchant, body.out_refund_no);
    if (earlier) return repeated(earlier, body);
    if (body.amount.total !== order.amount) throw inconsistent();
    this.checkLimits(order, body.amount.refund);
    return this.add(order, body);
  }

  /** Creates a refund without a request of the merchant's server, as the merchant console does. */
  createInConsole(order: OrderRecord, outRefundNo: string, refund: number): RefundRecord {
    const amount = { refund, total: order.amount, currency: 'CNY' };
    const body = { out_trade_no: order.outTradeNo, out_refund_no: outRefundNo, amount };
    return this.create(order.merchant, body);
  }

  /** Sets the final status of a refund, and notifies the merchant. */
  settle(refund: RefundRecord, status: Exclude<RefundStatus, 'PROCESSING'>): void {
    refund.status = status;
    if (status === 'SUCCESS') refund.succeededAt = new Date(this.clock.now());
    this.orders.afterRefund(refund.order, this.of(refund.order));
    this.onSettled(refund);
  }

  /** Pays an abnormal refund to another account, which takes as long as the first attempt. */
  retryAbnormal(refund: RefundRecord): void {
    refund.status = 'PROCESSING';
    this.settleLater(refund);
  }

  private add(order: OrderRecord, body: RefundBody): RefundRecord {
    const now = this.clock.now();
    const refund = new RefundRecord(order, body, newRefundId(now), new Date(now));
    this.refunds.set(keyOf(order.mchId, body.out_refund_no), refund);
    this.orders.afterRefund(order, this.of(order));
    this.settleLater(refund);
    return refund;
  }

  private settleLater(refund: RefundRecord): void {
    this.agenda.add(this.clock.now() + SETTLES_AFTER_MS, async () => {
      if (refund.status === 'PROCESSING') this.settle(refund, 'SUCCESS');
    });
  }

  /** The paid order of a refund. */
  private orderOf(merchant: PayMerchant, body: RefundBody): OrderRecord {
    const { transaction_id: transactionId, out_trade_no: outTradeNo } = body;
    if (transactionId === undefined && outTradeNo === undefined)
      throw fieldFailure('/transaction_id', undefined, 'or out_trade_no is required');
    const order =
      transactionId === undefined
        ? this.orders.find(merchant, outTradeNo!)
        : this.orders.findByTransaction(merchant, transactionId);
    if (!order?.isPaid) throw new PayFailure('RESOURCE_NOT_EXISTS', { message: '订单不存在' });
    if (outTradeNo !== undefined && outTradeNo !== order.outTradeNo) throw inconsistent();
    return order;
  }

  private checkLimits(order: OrderRecord, refund: number): void {
    const now = this.clock.now();
    const earlier = this.of(order).filter(({ status }) => status !== 'CLOSED');
    const refunded = earlier.reduce((sum, { amount }) => sum + amount, 0);
    if (now > order.paidAt!.getTime() + REFUNDABLE_FOR_MS)
      throw refused('订单已超过可退款的最大期限');
    if (refunded + refund > order.amount) throw refused('申请退款金额大于订单可退金额');
    if (earlier.length >= MOST_PARTIAL_REFUNDS) throw refused('部分退款次数已超过限制');
    const last = earlier.at(-1);
    if (last && now < last.createdAt.getTime() + REFUND_INTERVAL_MS)
      throw new PayFailure('FREQUENCY_LIMITED', { message: '同一笔订单的多次退款需间隔1分钟' });
  }
}

/** Returns the refund of an earlier request. Throws if the repeat differs from it. */
function repeated(refund: RefundRecord, body: RefundBody): RefundRecord {
  const sameOrder =
    (body.out_trade_no ?? refund.outTradeNo) === refund.outTradeNo &&
    (body.transaction_id ?? refund.transactionId) === refund.transactionId;
  if (sameOrder && isDeepStrictEqual(body.amount, refund.body.amount)) return refund;
  throw inconsistent();
}

const inconsistent = (): PayFailure => refused('订单金额或退款金额与之前请求不一致，请核实后再试');

const refused = (message: string): PayFailure => new PayFailure('INVALID_REQUEST', { message });

const keyOf = (mchId: string, outRefundNo: string): string => `${mchId} ${outRefundNo}`;
