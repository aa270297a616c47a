import { assign } from './assign.js';
import { RequestError } from './request-error.js';
import { RequestPayment, Wx } from './wx.js';
import { callWx } from './wx-call.js';

/** The second argument of {@link Session.pay}. */
export interface PayOptions {
  /**
   * Called before the sync if `wx.requestPayment` did not succeed. `msg` is WeChat's text: `requestPayment:fail cancel` if the user
   * closed the sheet, else the reason why it did not open. The order may be paid nevertheless.
   */
  onFailure?: (failure: RequestError) => void;
}

/** The user may look for a card or a password. Without a callback the server is asked after this time. */
const SHEET_TIMEOUT_MS = 10 * 60 * 1000;

/** Opens the pay sheet and resolves when it is closed, also after a failure. */
export function openPaySheet(
  wx: Wx,
  params: RequestPayment,
  onFailure: PayOptions['onFailure'],
): Promise<unknown> {
  return callWx(
    (callbacks) => wx.requestPayment(assign({ provider: 'wxpay' as const }, params, callbacks)),
    SHEET_TIMEOUT_MS,
  ).catch((failure: RequestError) => {
    if (onFailure) void Promise.resolve(failure).then(onFailure); // separate, so that the server is queried also after its exception
  });
}
