/** What the mini program passes to `wx.requestPayment`, as the server has signed it. */
export interface RequestPaymentParams {
  timeStamp: string;
  nonceStr: string;
  package: string;
  signType: string;
  paySign: string;
}

/** What the person does in the pay sheet, and in which mini program. */
export interface RequestPaymentOptions {
  /** `ok`: confirms; `cancel`: closes the sheet; `fail`: the bank refuses. @default 'ok' */
  outcome?: 'ok' | 'cancel' | 'fail';
  /** @default the first mini program */
  appId?: string;
}
