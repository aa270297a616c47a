/** The parameters of `wx.requestPayment`, which the server has signed. */
export interface RequestPaymentParams {
  timeStamp: string;
  nonceStr: string;
  package: string;
  signType: string;
  paySign: string;
}

/** The user's decision in the pay sheet. `ok`: confirms; `cancel`: closes the sheet; `fail`: the bank refuses. */
export type PayOutcome = 'ok' | 'cancel' | 'fail';

/** The user's decision, and the mini program. */
export interface RequestPaymentOptions {
  /** @default 'ok' */
  outcome?: PayOutcome;
  /** @default the first mini program */
  appId?: string;
}
