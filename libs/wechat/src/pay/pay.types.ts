import { isObject } from '../is-object.js';

/**
 * A payment as WeChat Pay reports it.
 *
 * @experimental
 * @example
 * ```ts
 * const transaction: PayTransaction | undefined = await payments.query({ outTradeNo: 'ORDER-1' });
 * ```
 */
export interface PayTransaction {
  outTradeNo: string;
  /** Absent until the order is paid. */
  transactionId?: string;
  appId: string;
  mchId: string;
  /** `JSAPI`, `NATIVE`, `APP`, `MWEB`, … */
  tradeType?: string;
  /** WeChat adds states, so other text is possible. Only SUCCESS means that the money has arrived. */
  state:
    | 'SUCCESS'
    | 'REFUND'
    | 'NOTPAY'
    | 'CLOSED'
    | 'REVOKED'
    | 'USERPAYING'
    | 'PAYERROR'
    | 'ACCEPT'
    | (string & {});
  /** WeChat's sentence about the state. */
  stateText: string;
  attach?: string;
  bankType?: string;
  openid?: string;
  paidAt?: Date;
  /** In fen. */
  amount?: { total: number; payerTotal?: number; currency: string; payerCurrency?: string };
  /** The object as WeChat sent it. */
  raw: object;
}

/**
 * A refund as WeChat Pay reports it.
 *
 * @experimental
 * @example
 * ```ts
 * const refund: PayRefund = await refunds.create({ outRefundNo: 'R-1', outTradeNo: 'ORDER-1', refund: 100, total: 1800 });
 * ```
 */
export interface PayRefund {
  outRefundNo: string;
  refundId: string;
  outTradeNo: string;
  transactionId: string;
  /** PROCESSING is not refunded yet. After CLOSED refund again with a new number; after ABNORMAL never with a new number. */
  status: 'SUCCESS' | 'CLOSED' | 'PROCESSING' | 'ABNORMAL' | (string & {});
  /** Where the money went, for example `招商银行信用卡0403`. */
  userReceivedAccount?: string;
  /** Absent in a notification. */
  createdAt?: Date;
  succeededAt?: Date;
  /** In fen. A notification has no currency. */
  amount: {
    total: number;
    refund: number;
    payerTotal: number;
    payerRefund: number;
    currency?: string;
  };
  /** The object as WeChat sent it. */
  raw: object;
}

/**
 * An object of WeChat Pay before its fields are checked.
 *
 * @experimental
 * @example
 * ```ts
 * const { code_url } = await pay.call<PayJson>({ method: 'POST', path: '/v3/pay/transactions/native', body });
 * ```
 */
export type PayJson = Record<string, unknown>;

/**
 * Whether a notification is about a payment. `TRANSACTION.SUCCESS` alone does not say so: profit sharing and combined orders use
 * the same event with other fields.
 *
 * @experimental
 * @example
 * ```ts
 * if (isPayTransaction(notification.resource)) await orders.pay(notification.resource);
 * ```
 */
export function isPayTransaction(resource: unknown): resource is PayTransaction {
  return isObject(resource) && 'outTradeNo' in resource && 'state' in resource;
}

/**
 * Whether a notification is about a refund.
 *
 * @experimental
 * @example
 * ```ts
 * if (isPayRefund(notification.resource)) await orders.refund(notification.resource);
 * ```
 */
export function isPayRefund(resource: unknown): resource is PayRefund {
  return isObject(resource) && 'outRefundNo' in resource && 'status' in resource;
}

/** The transaction, or `undefined` if a field has the wrong shape. */
export function toTransaction(raw: PayJson): PayTransaction | undefined {
  const { out_trade_no, transaction_id, appid, mchid, trade_type, trade_state } = raw;
  const { trade_state_desc, attach, bank_type, payer, success_time, amount } = raw;
  if (![out_trade_no, appid, mchid, trade_state].every(isText)) return undefined;
  const paidAt = toDate(success_time);
  if (success_time !== undefined && !paidAt) return undefined;
  const total = isObject(amount) ? toTransactionAmount(amount) : undefined;
  if (amount !== undefined && !total) return undefined;
  return withoutAbsent({
    outTradeNo: out_trade_no as string,
    transactionId: textOrAbsent(transaction_id),
    appId: appid as string,
    mchId: mchid as string,
    tradeType: textOrAbsent(trade_type),
    state: trade_state as string,
    stateText: textOrAbsent(trade_state_desc) ?? '',
    attach: textOrAbsent(attach),
    bankType: textOrAbsent(bank_type),
    openid: isObject(payer) ? textOrAbsent(payer['openid']) : undefined,
    paidAt,
    amount: total,
    raw,
  });
}

/** The refund, or `undefined` if a field has the wrong shape. A notification names its status `refund_status`. */
export function toRefund(raw: PayJson): PayRefund | undefined {
  const { out_refund_no, refund_id, out_trade_no, transaction_id, amount } = raw;
  const status = raw['refund_status'] ?? raw['status'];
  if (![out_refund_no, refund_id, out_trade_no, transaction_id, status].every(isText))
    return undefined;
  const total = isObject(amount) ? toRefundAmount(amount) : undefined;
  if (!total) return undefined;
  return withoutAbsent({
    outRefundNo: out_refund_no as string,
    refundId: refund_id as string,
    outTradeNo: out_trade_no as string,
    transactionId: transaction_id as string,
    status: status as string,
    userReceivedAccount: textOrAbsent(raw['user_received_account']),
    createdAt: toDate(raw['create_time']),
    succeededAt: toDate(raw['success_time']),
    amount: total,
    raw,
  });
}

function toTransactionAmount(amount: PayJson): PayTransaction['amount'] | undefined {
  const { total, payer_total, currency, payer_currency } = amount;
  if (!isFen(total) || !(payer_total === undefined || isFen(payer_total))) return undefined;
  return withoutAbsent({
    total,
    payerTotal: payer_total,
    currency: textOrAbsent(currency) ?? 'CNY',
    payerCurrency: textOrAbsent(payer_currency),
  });
}

function toRefundAmount(amount: PayJson): PayRefund['amount'] | undefined {
  const { total, refund, payer_total: payerTotal, payer_refund: payerRefund } = amount;
  if (!isFen(total) || !isFen(refund) || !isFen(payerTotal) || !isFen(payerRefund))
    return undefined;
  return withoutAbsent({
    total,
    refund,
    payerTotal,
    payerRefund,
    currency: textOrAbsent(amount['currency']),
  });
}

/** RFC 3339, such as `2018-06-08T10:34:56+08:00`. */
export function toDate(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT/.test(value)) return undefined;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function isFen(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function textOrAbsent(value: unknown): string | undefined {
  return isText(value) ? value : undefined;
}

function withoutAbsent<T extends object>(fields: T): T {
  const present: Partial<T> = {};
  for (const name in fields) if (fields[name] !== undefined) present[name] = fields[name];
  return present as T;
}
