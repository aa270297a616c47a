import {
  WechatConfigError,
  WechatError,
  WechatPayOrderClosedError,
  WechatPayOrderConflictError,
  WechatPayOrderPaidError,
  WechatPayRefundError,
  WechatRateLimitError,
  WechatResponseError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import type { WechatCallInfo } from '../wechat.errors.js';

/** A refusal of WeChat Pay. It is not signed, so it never changes an order. */
export interface PayRefusal {
  status: number;
  /** WeChat's word, such as `ORDERPAID`; empty if the body has none. */
  code: string;
  message: string;
  /** The parameter that WeChat Pay refuses, such as `/amount/total`. */
  field?: string;
  /** The digits behind the last `-` of `Request-ID`. */
  suffix: string;
  /** `Request-ID`. */
  rid?: string;
}

export const REFUND_PATH = '/v3/refund/domestic/refunds';
const RETRY_AFTER_SECONDS = 60;

/**
 * Converts a refusal of WeChat Pay to an error of this library. The meanings of WeChat Pay's codes are in this file only.
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791842
 */
export function payErrorFor(refusal: PayRefusal, endpoint: string): WechatError {
  const { status, code, suffix, rid } = refusal;
  const details = { endpoint, rid, payCode: code };
  if (status === 202 || suffix === '268449641')
    return new WechatUnavailableError('WeChat Pay cannot do this now. Try again shortly.', details);
  // A response with status 5xx does not say what became of the refund.
  if (status < 500 && endpoint.startsWith(REFUND_PATH) && REFUND_CODES.has(code))
    return new WechatPayRefundError(code, details);
  switch (code) {
    case 'ORDER_PAID':
    case 'ORDERPAID':
      return new WechatPayOrderPaidError(details);
    case 'ORDER_CLOSED':
    case 'ORDERCLOSED':
      return new WechatPayOrderClosedError(details);
    case 'OUT_TRADE_NO_USED':
      return new WechatPayOrderConflictError(details);
    case 'FREQUENCY_LIMITED':
    case 'RATELIMIT_EXCEEDED':
      return new WechatRateLimitError(RETRY_AFTER_SECONDS, details);
    case 'SYSTEM_ERROR':
    case 'BANK_ERROR':
      return new WechatUnavailableError(`WeChat Pay returned ${code}. Try again shortly.`, details);
    case 'SIGN_ERROR':
      return config(signProblem(refusal.message), refusal, details);
    case 'NO_AUTH':
      return config('the merchant has no permission for this API', refusal, details);
    case 'MCH_NOT_EXISTS':
      return config('the merchant id does not exist (mchId)', refusal, details);
    case 'APPID_MCHID_NOT_MATCH':
      return config('the appid is not bound to the merchant id in the console', refusal, details);
    case 'OPENID_MISMATCH':
      return config('the openid does not belong to the appid', refusal, details);
    case 'INVALID_REQUEST':
      if (suffix === '268498688') return new WechatPayOrderConflictError(details);
      break;
  }
  if (suffix === '268498689' || suffix === '268449538') return new WechatPayOrderPaidError(details);
  if (status >= 500)
    return new WechatUnavailableError(`WeChat Pay returned HTTP ${status}.`, details);
  const at = refusal.field === undefined ? '' : ` at ${refusal.field}`;
  return new WechatResponseError(
    `WeChat Pay refused ${endpoint} with HTTP ${status} ${code || 'without a code'}${at}. Look up ${code || 'the status'} in its documentation, and Request-ID ${rid ?? 'unknown'} with its support.`,
    details,
  );
}

const REFUND_CODES = new Set([
  'NOT_ENOUGH',
  'USER_ACCOUNT_ABNORMAL',
  'RULE_LIMIT',
  'TRADE_ERROR',
  'RESOURCE_NOT_EXISTS',
  'INVALID_REQUEST',
]);

function signProblem(message: string): string {
  if (/timestamp|5分钟/.test(message))
    return 'the clock of this server differs by more than 5 minutes';
  if (/序列号/.test(message))
    return 'certificateSerial is not the serial number of the certificate of privateKey';
  return 'the signature is wrong: privateKey and certificateSerial must belong to mchId';
}

function config(
  reason: string,
  { rid }: PayRefusal,
  details: WechatCallInfo & { payCode: string },
): WechatConfigError {
  return new WechatConfigError(
    [
      `WeChat Pay refuses the merchant: ${reason} (${details.payCode}, Request-ID ${rid ?? 'unknown'})`,
    ],
    details,
  );
}

const NOT_FOUND_CODES = new Set(['ORDER_NOT_EXIST', 'RESOURCE_NOT_EXISTS', 'NOT_FOUND']);

/** Returns whether WeChat Pay does not know the order or the refund. */
export function isNotFound(error: unknown): boolean {
  if (!(error instanceof WechatError) || error instanceof WechatUnavailableError) return false;
  return error.payCode !== undefined && NOT_FOUND_CODES.has(error.payCode);
}

/** Returns whether the merchant has no platform certificates, so that another read brings none. */
export function hasNoCertificates(error: unknown): error is WechatError {
  return error instanceof WechatError && error.payCode === 'RESOURCE_NOT_EXISTS';
}

/** Returns whether WeChat Pay refused the openid of a payer. It is the client's, so it says nothing about the merchant. */
export function isOpenidRefused(error: WechatError): boolean {
  return error.payCode === 'OPENID_MISMATCH';
}
