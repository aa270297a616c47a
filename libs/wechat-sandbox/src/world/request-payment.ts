/** The parameters of `wx.requestPayment`, which the server has signed. */
export interface RequestPaymentParams {
  timeStamp: string;
  nonceStr: string;
  package: string;
  signType: string;
  paySign: string;
}

/** The user's decision in the pay sheet, and the mini program. */
export interface RequestPaymentOptions {
  /** `ok`: confirms; `cancel`: closes the sheet; `fail`: the bank refuses. @default 'ok' */
  outcome?: 'ok' | 'cancel' | 'fail';
  /** @default the first mini program */
  appId?: string;
}
