import { Injectable } from '@nestjs/common';
import { isObject } from '../is-object.js';
import { WechatResponseError } from '../wechat.errors.js';
import { requireFen, requireOutTradeNo, requireText, requireThat } from './pay-checks.js';
import { isNotFound, REFUND_PATH } from './pay-error.js';
import { WechatPayClient } from './pay.client.js';
import { ResolvedPayOptions } from './pay.options.js';
import { toRefund } from './pay.types.js';
import type { PayRefund } from './pay.types.js';

/**
 * A refund to request.
 *
 * @experimental
 * @example
 * ```ts
 * const refund: RefundRequest = { outRefundNo: 'R-1', outTradeNo: 'ORDER-1', refund: 1000, total: 2200, reason: 'sold out' };
 * ```
 */
export interface RefundRequest {
  /**
   * Your refund number, 1 to 64 of the characters `0-9 a-z A-Z _ - | * @`. Repeat a request without a response with the **same** number:
   * another number refunds twice.
   */
  outRefundNo: string;
  /** Exactly one of `outTradeNo` and `transactionId`. */
  outTradeNo?: string;
  transactionId?: string;
  /** Whole fen to refund, at most `total`. */
  refund: number;
  /** The whole amount of the payment in fen. */
  total: number;
  /** Shown to the user, at most 80 bytes. */
  reason?: string;
  /** @default `notify.url` of the options; without a URL WeChat Pay sends no notification */
  notifyUrl?: string;
}

const OUT_REFUND_NO = /^[0-9A-Za-z_\-|*@]{1,64}$/;
const MAX_REASON_BYTES = 80;

/**
 * Refunds. They are asynchronous: `create` usually returns PROCESSING, and a notification or `query` brings the result.
 *
 * @experimental
 * @example
 * ```ts
 * const { status } = await refunds.create({ outRefundNo: 'R-1', outTradeNo: 'ORDER-1', refund: 2200, total: 2200 });      // 'PROCESSING'
 * ```
 */
@Injectable()
export class RefundService {
  /** @internal */
  constructor(
    private readonly pay: WechatPayClient,
    private readonly options: ResolvedPayOptions,
  ) {}

  /**
   * Requests a refund. It is idempotent by `outRefundNo`. After a lost response it is repeated with the same number.
   * A refund with status CLOSED is tried again with a new number; one with status ABNORMAL never is.
   *
   * @throws WechatBadRequestError before anything is sent; WechatPayRefundError if WeChat Pay refuses, `payCode` says why;
   *   WechatConfigError, WechatRateLimitError, WechatUnavailableError, WechatResponseError
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791903
   */
  async create(request: RefundRequest): Promise<PayRefund> {
    check(request);
    const { outRefundNo, outTradeNo, transactionId, refund, total, reason } = request;
    const raw = await this.pay.call<unknown>({
      method: 'POST',
      path: REFUND_PATH,
      body: {
        ...(outTradeNo === undefined
          ? { transaction_id: transactionId }
          : { out_trade_no: outTradeNo }),
        out_refund_no: outRefundNo,
        ...(reason !== undefined && { reason }),
        notify_url: request.notifyUrl ?? this.options.notifyUrl,
        amount: { refund, total, currency: 'CNY' },
      },
      idempotent: true,
    });
    return expectRefund(raw, request);
  }

  /**
   * Asks WeChat Pay for a refund.
   *
   * @returns `undefined` if WeChat Pay does not know the number
   * @throws WechatBadRequestError, WechatConfigError, WechatRateLimitError, WechatUnavailableError, WechatResponseError
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791904
   */
  async query(outRefundNo: string): Promise<PayRefund | undefined> {
    requireOutRefundNo(outRefundNo);
    const path = `${REFUND_PATH}/${encodeURIComponent(outRefundNo)}`;
    try {
      return expectRefund(await this.pay.call({ method: 'GET', path }), { outRefundNo });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

function check(request: RefundRequest): void {
  const { outRefundNo, outTradeNo, transactionId, refund, total, reason, notifyUrl } = request;
  requireOutRefundNo(outRefundNo);
  requireThat(
    (outTradeNo === undefined) !== (transactionId === undefined),
    'pass exactly one of outTradeNo and transactionId',
  );
  if (outTradeNo !== undefined) requireOutTradeNo(outTradeNo);
  requireFen('refund', refund);
  requireFen('total', total);
  requireThat(refund <= total, 'refund must not exceed total');
  if (notifyUrl !== undefined) requireText('notifyUrl', notifyUrl, 255);
  if (reason === undefined) return;
  requireText('reason', reason, MAX_REASON_BYTES);
  requireThat(
    Buffer.byteLength(reason) <= MAX_REASON_BYTES,
    `reason must have at most ${MAX_REASON_BYTES} bytes`,
  );
}

function requireOutRefundNo(outRefundNo: unknown): void {
  requireThat(
    typeof outRefundNo === 'string' && OUT_REFUND_NO.test(outRefundNo),
    'outRefundNo must be 1 to 64 of the characters 0-9 a-z A-Z _ - | * @',
  );
}

/** The refund, if its numbers are those of the request. */
function expectRefund(
  raw: unknown,
  {
    outRefundNo,
    outTradeNo,
    transactionId,
  }: Pick<RefundRequest, 'outRefundNo' | 'outTradeNo' | 'transactionId'>,
): PayRefund {
  const refund = isObject(raw) ? toRefund(raw) : undefined;
  if (
    refund?.outRefundNo === outRefundNo &&
    (outTradeNo ?? refund.outTradeNo) === refund.outTradeNo &&
    (transactionId ?? refund.transactionId) === refund.transactionId
  )
    return refund;
  throw new WechatResponseError('WeChat Pay returned another refund, or one of another shape.', {
    endpoint: REFUND_PATH,
  });
}
