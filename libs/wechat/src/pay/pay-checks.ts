import { WechatBadRequestError } from '../wechat.errors.js';

const OUT_TRADE_NO = /^[0-9A-Za-z_\-|*]{6,32}$/;

/** Checks what the application passes, before anything is sent. @throws WechatBadRequestError */
export function requireThat(ok: boolean, problem: string): asserts ok {
  if (!ok) throw new WechatBadRequestError(problem);
}

/** @throws WechatBadRequestError */
export function requireOutTradeNo(outTradeNo: unknown): void {
  requireThat(
    typeof outTradeNo === 'string' && OUT_TRADE_NO.test(outTradeNo),
    'outTradeNo must be 6 to 32 of the characters 0-9 a-z A-Z _ - | *',
  );
}

/** @throws WechatBadRequestError */
export function requireFen(field: string, amount: unknown): void {
  requireThat(
    Number.isSafeInteger(amount) && (amount as number) >= 1,
    `${field} must be a whole number of fen, at least 1`,
  );
}

/** WeChat Pay refuses emoji and other characters outside the Basic Multilingual Plane. @throws WechatBadRequestError */
export function requireText(field: string, text: unknown, maxLength: number): void {
  requireThat(
    typeof text === 'string' && text.length <= maxLength,
    `${field} must be text of at most ${maxLength} characters`,
  );
  requireThat(
    !/[\p{Cc}\p{Cs}\u{10000}-\u{10ffff}]/u.test(text),
    `${field} must not have emoji or control characters`,
  );
}
