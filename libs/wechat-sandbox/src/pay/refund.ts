import type { RefundBody } from './body-schemas.js';
import type { OrderRecord } from './order.js';
import { beijingTime } from './signing.js';

/** `status` of a refund. */
export type RefundStatus = 'PROCESSING' | 'SUCCESS' | 'ABNORMAL' | 'CLOSED';

const RECEIVED_BY = '支付用户零钱';

/** A refund as WeChat stores it. */
export interface PayRefund {
  readonly mchId: string;
  readonly outRefundNo: string;
  readonly refundId: string;
  readonly outTradeNo: string;
  readonly transactionId: string;
  /** Fen. */
  readonly amount: number;
  readonly status: RefundStatus;
  readonly createdAt: Date;
  readonly succeededAt?: Date;
  /** Absent: no notification is sent. */
  readonly notifyUrl?: string;
}

/** The record of a refund. Only this class changes it. */
export class RefundRecord implements PayRefund {
  readonly mchId: string;
  readonly outRefundNo: string;
  readonly outTradeNo: string;
  readonly transactionId: string;
  readonly amount: number;
  readonly notifyUrl?: string;
  status: RefundStatus = 'PROCESSING';
  succeededAt?: Date;

  constructor(
    readonly order: OrderRecord,
    /** The body of the first request. A repeat must be equal. */
    readonly body: RefundBody,
    readonly refundId: string,
    readonly createdAt: Date,
  ) {
    this.mchId = order.mchId;
    this.outRefundNo = body.out_refund_no;
    this.outTradeNo = order.outTradeNo;
    this.transactionId = order.transactionId!;
    this.amount = body.amount.refund;
    this.notifyUrl = body.notify_url;
  }

  view(): PayRefund {
    const { order: _order, body: _body, ...fields } = this;
    return fields;
  }

  /** Returns the refund for the refund calls. */
  resource(): Record<string, unknown> {
    return {
      refund_id: this.refundId,
      out_refund_no: this.outRefundNo,
      transaction_id: this.transactionId,
      out_trade_no: this.outTradeNo,
      channel: 'ORIGINAL',
      user_received_account: RECEIVED_BY,
      ...this.successTime(),
      create_time: beijingTime(this.createdAt.getTime()),
      status: this.status,
      funds_account: this.body.funds_account ?? 'AVAILABLE',
      amount: {
        ...this.money(),
        from: [],
        settlement_refund: this.amount,
        settlement_total: this.order.amount,
        discount_refund: 0,
        currency: 'CNY',
      },
    };
  }

  /** Returns the refund for a notification: with `refund_status`, and without currency, appid and create_time. */
  notice(): Record<string, unknown> {
    return {
      mchid: this.mchId,
      out_trade_no: this.outTradeNo,
      transaction_id: this.transactionId,
      out_refund_no: this.outRefundNo,
      refund_id: this.refundId,
      refund_status: this.status,
      ...this.successTime(),
      user_received_account: RECEIVED_BY,
      amount: this.money(),
    };
  }

  private money(): Record<string, number> {
    const { amount: refund } = this;
    const { amount: total } = this.order;
    return { total, refund, payer_total: total, payer_refund: refund };
  }

  private successTime(): object | undefined {
    return this.succeededAt && { success_time: beijingTime(this.succeededAt.getTime()) };
  }
}
