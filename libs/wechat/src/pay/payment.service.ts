import { Injectable } from '@nestjs/common';
import { isObject } from '../is-object.js';
import {
  WechatPayOrderClosedError,
  WechatPayOrderPaidError,
  WechatResponseError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import { requireFen, requireOutTradeNo, requireText, requireThat } from './pay-checks.js';
import { isNotFound } from './pay-error.js';
import { WechatPayClient } from './pay.client.js';
import { PayDefaults } from './pay.defaults.js';
import { ResolvedPayOptions } from './pay.options.js';
import { newNonce, nowInSeconds, paymentText, signText } from './pay.signature.js';
import type { RequestPayment } from './pay.signature.js';
import { toTransaction } from './pay.types.js';
import type { PayJson, PayTransaction } from './pay.types.js';

/**
 * A payment to prepare.
 *
 * @experimental
 * @example
 * ```ts
 * const prepay: Prepay = { openid, outTradeNo: 'ORDER-1', description: 'Latte', amount: 2200 };      // 22.00 yuan
 * ```
 */
export interface Prepay {
  /** @default `appId` of the options, else the first mini program of WechatModule */
  appId?: string;
  openid: string;
  /** Your order number, 6 to 32 of the characters `0-9 a-z A-Z _ - | *`. A repeat must have all fields as before. */
  outTradeNo: string;
  /** At most 127 characters. */
  description: string;
  /** Whole fen, at least 1. */
  amount: number;
  /** Returned with the payment, at most 128 characters. */
  attach?: string;
  /** The last moment to pay, at most 7 days ahead. @default 7 days */
  expiresAt?: Date;
  /** At most 32 characters. */
  goodsTag?: string;
  clientIp?: string;
  /** `detail` of WeChat Pay. */
  detail?: object;
  profitSharing?: boolean;
  /** @default `notify.url` of the options */
  notifyUrl?: string;
}

const PATH = '/v3/pay/transactions';
const DAY_MS = 24 * 60 * 60_000;
const MAX_EXPIRY_MS = 7 * DAY_MS;

/**
 * Payments in a mini program (JSAPI 支付). Amounts are whole fen.
 *
 * @experimental
 * @example
 * ```ts
 * const { params } = await payments.prepayWithRequestPayment({ openid, outTradeNo: 'ORDER-1', description: 'Latte', amount: 2200 });
 * // { timeStamp: '1764400000', nonceStr: '…', package: 'prepay_id=wx29…', signType: 'RSA', paySign: '…' }  → wx.requestPayment
 * ```
 */
@Injectable()
export class PaymentService {
  /** @internal */
  constructor(
    private readonly pay: WechatPayClient,
    private readonly options: ResolvedPayOptions,
    private readonly defaults: PayDefaults,
  ) {}

  /**
   * Prepares a payment. After a lost response it is repeated with the same number, and it is safe to call it again with the same fields.
   *
   * @returns the prepay id, which is valid for two hours
   * @throws WechatBadRequestError before anything is sent; WechatPayOrderPaidError, WechatPayOrderClosedError,
   *   WechatPayOrderConflictError if the number was used with other fields; WechatConfigError, WechatRateLimitError,
   *   WechatUnavailableError, WechatResponseError
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791897
   */
  async prepay(prepay: Prepay): Promise<{ prepayId: string }> {
    this.check(prepay);
    const appId = this.defaults.appId(prepay.appId);
    const deadline = this.pay.deadline();
    const response = await this.pay
      .call<unknown>({
        method: 'POST',
        path: `${PATH}/jsapi`,
        body: this.bodyOf(prepay, appId),
        idempotent: true,
        deadline,
      })
      .catch((error: unknown) => this.decide(error, prepay.outTradeNo, deadline));
    const prepayId = isObject(response) ? response['prepay_id'] : undefined;
    if (typeof prepayId !== 'string' || !/^[\w-]{1,64}$/.test(prepayId))
      throw new WechatResponseError('WeChat Pay returned no prepay_id.', {
        endpoint: `${PATH}/jsapi`,
      });
    return { prepayId };
  }

  /**
   * Prepares a payment and signs the parameters of `wx.requestPayment`.
   * @throws what `prepay` throws
   */
  async prepayWithRequestPayment(
    prepay: Prepay,
  ): Promise<{ prepayId: string; params: RequestPayment }> {
    const { prepayId } = await this.prepay(prepay);
    return { prepayId, params: await this.signRequestPayment(prepayId, prepay) };
  }

  /**
   * Signs the parameters of `wx.requestPayment` for a prepay id that is not older than two hours.
   * @param options
   * @param options.appId the app of the prepay; default as in `Prepay`
   * @throws WechatConfigError if no app is known
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791898
   */
  async signRequestPayment(
    prepayId: string,
    { appId }: { appId?: string } = {},
  ): Promise<RequestPayment> {
    const [timeStamp, nonceStr] = [nowInSeconds(), newNonce()];
    const prepay = `prepay_id=${prepayId}`;
    const text = paymentText(this.defaults.appId(appId), timeStamp, nonceStr, prepay);
    const paySign = await signText(text, this.options.privateKey);
    return { timeStamp, nonceStr, package: prepay, signType: 'RSA', paySign };
  }

  /**
   * Asks WeChat Pay for a payment. Only `state: 'SUCCESS'` means that it is paid; compare `amount`, `appId` and `openid` with your order.
   *
   * @returns `undefined` if WeChat Pay does not know the number
   * @throws WechatBadRequestError, WechatConfigError, WechatRateLimitError, WechatUnavailableError, WechatResponseError
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791900
   */
  query(
    by: { outTradeNo: string } | { transactionId: string },
  ): Promise<PayTransaction | undefined> {
    return this.queryWithin(by, this.pay.deadline());
  }

  /**
   * Closes an order that is not paid. Repeating it is safe. WeChat Pay also accepts a number that it does not know; the number is used up then.
   *
   * @throws WechatPayOrderPaidError if it is paid; WechatBadRequestError, WechatConfigError, WechatRateLimitError,
   *   WechatUnavailableError, WechatResponseError
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791901
   */
  async close(outTradeNo: string): Promise<void> {
    requireOutTradeNo(outTradeNo);
    const deadline = this.pay.deadline();
    try {
      await this.pay.call<undefined>({
        method: 'POST',
        path: `${PATH}/out-trade-no/${encodeURIComponent(outTradeNo)}/close`,
        body: { mchid: this.options.mchId },
        idempotent: true,
        deadline,
      });
    } catch (error) {
      await this.decide(error, outTradeNo, deadline).catch((decided: unknown) => {
        if (!(decided instanceof WechatPayOrderClosedError)) throw decided;
      });
    }
  }

  /**
   * A refusal is not signed. If it says that the order is paid or closed, a signed query decides.
   * @throws always: the refusal if the query confirms it
   */
  private async decide(error: unknown, outTradeNo: string, deadline: number): Promise<never> {
    const isPaid = error instanceof WechatPayOrderPaidError;
    const isClosed = error instanceof WechatPayOrderClosedError;
    if (!isPaid && !isClosed) throw error;
    const order = await this.queryWithin({ outTradeNo }, deadline);
    const { rid } = error;
    switch (order?.state) {
      case 'SUCCESS':
      case 'REFUND':
        throw isPaid ? error : new WechatPayOrderPaidError({ rid });
      case 'CLOSED':
      case 'REVOKED':
        throw isClosed ? error : new WechatPayOrderClosedError({ rid });
      default:
        throw new WechatUnavailableError(
          'WeChat Pay refused the order, and its state is not final yet. Try again shortly.',
          { rid },
        );
    }
  }

  private async queryWithin(
    by: { outTradeNo: string } | { transactionId: string },
    deadline: number,
  ): Promise<PayTransaction | undefined> {
    const path = 'outTradeNo' in by ? outTradeNoPath(by.outTradeNo) : idPath(by.transactionId);
    const query = { mchid: this.options.mchId };
    let raw: unknown;
    try {
      raw = await this.pay.call({ method: 'GET', path, query, deadline });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
    const transaction = isObject(raw) ? toTransaction(raw) : undefined;
    const isAsked =
      transaction?.mchId === this.options.mchId &&
      ('outTradeNo' in by
        ? transaction.outTradeNo === by.outTradeNo
        : transaction.transactionId === by.transactionId);
    if (!isAsked)
      throw new WechatResponseError('WeChat Pay returned another order, or one of another shape.', {
        endpoint: PATH,
      });
    return transaction;
  }

  private check(prepay: Prepay): void {
    const { openid, description, amount, attach, goodsTag, notifyUrl, expiresAt } = prepay;
    requireOutTradeNo(prepay.outTradeNo);
    requireFen('amount', amount);
    requireThat(
      typeof openid === 'string' && /^[\x21-\x7e]{1,128}$/.test(openid),
      'openid must be the openid of the payer',
    );
    requireText('description', description, 127);
    requireThat(description !== '', 'description must not be empty');
    if (attach !== undefined) requireText('attach', attach, 128);
    if (goodsTag !== undefined) requireText('goodsTag', goodsTag, 32);
    if (notifyUrl !== undefined) requireText('notifyUrl', notifyUrl, 255);
    if (expiresAt === undefined) return;
    const left = expiresAt instanceof Date ? expiresAt.getTime() - this.options.clock() : NaN;
    requireThat(left > 0 && left <= MAX_EXPIRY_MS, 'expiresAt must be a Date in the next 7 days');
  }

  private bodyOf(prepay: Prepay, appId: string): PayJson {
    const { openid, outTradeNo, description, amount, attach, expiresAt } = prepay;
    const { goodsTag, clientIp, detail, profitSharing, notifyUrl } = prepay;
    return {
      appid: appId,
      mchid: this.options.mchId,
      description,
      out_trade_no: outTradeNo,
      ...(expiresAt && { time_expire: toRfc3339(expiresAt) }),
      ...(attach !== undefined && { attach }),
      notify_url: notifyUrl ?? this.options.notifyUrl,
      ...(goodsTag !== undefined && { goods_tag: goodsTag }),
      amount: { total: amount, currency: 'CNY' },
      payer: { openid },
      ...(detail && { detail }),
      ...(clientIp !== undefined && { scene_info: { payer_client_ip: clientIp } }),
      ...(profitSharing !== undefined && { settle_info: { profit_sharing: profitSharing } }),
    };
  }
}

function outTradeNoPath(outTradeNo: string): string {
  requireOutTradeNo(outTradeNo);
  return `${PATH}/out-trade-no/${encodeURIComponent(outTradeNo)}`;
}

function idPath(transactionId: string): string {
  requireThat(
    typeof transactionId === 'string' && /^[0-9A-Za-z_-]{1,32}$/.test(transactionId),
    'transactionId must be the number of WeChat Pay',
  );
  return `${PATH}/id/${transactionId}`;
}

/** WeChat Pay's own examples are in Beijing time. */
function toRfc3339(date: Date): string {
  const beijing = new Date(date.getTime() + 8 * 60 * 60_000);
  return `${beijing.toISOString().slice(0, 19)}+08:00`;
}
