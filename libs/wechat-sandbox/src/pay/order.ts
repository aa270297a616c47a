import type { OrderBody } from './body-schemas.js';
import type { PayMerchant } from './merchant.js';
import { beijingTime } from './signing.js';

/** `trade_state` of an order. */
export type TradeState = 'NOTPAY' | 'SUCCESS' | 'REFUND' | 'CLOSED';

const STATE_TEXTS: Record<TradeState, string> = {
  NOTPAY: '订单未支付',
  SUCCESS: '支付成功',
  REFUND: '订单发生过退款，退款详情请查询退款单',
  CLOSED: '订单已关闭',
};

/** An order as WeChat stores it. */
export interface PayOrder {
  readonly mchId: string;
  readonly outTradeNo: string;
  readonly appId: string;
  /** Absent in a Native order that is not paid. */
  readonly openid?: string;
  readonly description: string;
  /** Fen. */
  readonly amount: number;
  readonly notifyUrl: string;
  readonly attach?: string;
  readonly createdAt: Date;
  /** The order closes itself at this time. */
  readonly expiresAt: Date;
  readonly state: TradeState;
  readonly transactionId?: string;
  readonly paidAt?: Date;
}

/** The record of an order. Only this class changes it. */
export class OrderRecord implements PayOrder {
  readonly mchId: string;
  readonly outTradeNo: string;
  readonly appId: string;
  openid?: string;
  readonly description: string;
  readonly amount: number;
  readonly notifyUrl: string;
  readonly attach?: string;
  state: TradeState = 'NOTPAY';
  transactionId?: string;
  paidAt?: Date;

  constructor(
    readonly merchant: PayMerchant,
    /** The body of the first prepay. A repeat must be equal. */
    readonly body: OrderBody,
    readonly createdAt: Date,
    readonly expiresAt: Date,
  ) {
    this.mchId = merchant.mchId;
    this.outTradeNo = body.out_trade_no;
    this.appId = body.appid;
    this.openid = body.payer?.openid;
    this.description = body.description;
    this.amount = body.amount.total;
    this.notifyUrl = body.notify_url;
    this.attach = body.attach;
  }

  get tradeType(): 'JSAPI' | 'NATIVE' {
    return this.body.payer ? 'JSAPI' : 'NATIVE';
  }

  get isPaid(): boolean {
    return this.transactionId !== undefined;
  }

  view(): PayOrder {
    const { merchant: _merchant, body: _body, ...fields } = this;
    return fields;
  }

  /** Returns the order for a query or a notification. Payer, transaction and times are present only after the payment. */
  transaction(): Record<string, unknown> {
    const { amount: total } = this;
    const common = {
      appid: this.appId,
      mchid: this.mchId,
      out_trade_no: this.outTradeNo,
      trade_state: this.state,
      trade_state_desc: STATE_TEXTS[this.state],
      attach: this.attach ?? '',
    };
    if (!this.isPaid) return { ...common, amount: { total, currency: 'CNY' } };
    return {
      ...common,
      transaction_id: this.transactionId,
      trade_type: this.tradeType,
      bank_type: 'OTHERS',
      success_time: beijingTime(this.paidAt!.getTime()),
      payer: { openid: this.openid },
      amount: { total, payer_total: total, currency: 'CNY', payer_currency: 'CNY' },
    };
  }
}
