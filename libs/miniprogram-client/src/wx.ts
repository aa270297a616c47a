import { requestError } from './request-error.js';

/** The argument of `fail` of a `wx` function. */
export interface WxFailure {
  errMsg: string;
  /** WeChat's number for the cause; base library 2.24 and later. */
  errno?: number;
  /** WeChat's number in the functions that have no `errno`. */
  errCode?: number;
}

/** The two callbacks every `wx` function takes. */
export interface WxCallbacks<T> {
  success?(result: T): void;
  fail?(failure: WxFailure): void;
}

/** A response of the server with any status. In uploads and downloads of some versions `header` is missing. */
export interface WxReply {
  statusCode: number;
  header?: Record<string, string | undefined>;
}

/** `authSetting` has the user's decisions by scope: true is allowed, false is refused, absent was never asked. */
export interface WxSettings {
  authSetting: object;
}

/** The methods that `wx.request` supports. It does not support PATCH. */
export type WxMethod = 'OPTIONS' | 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'CONNECT';

/** What `wx.requestPayment` takes, as the server has signed it. */
export interface RequestPayment {
  timeStamp: string;
  nonceStr: string;
  package: string;
  signType: 'RSA';
  paySign: string;
}

/**
 * The part of WeChat's global `wx` that this package uses. WeChat's `wx`, `Taro` and `uni` are a `Wx`, also in the types of
 * miniprogram-api-typings, @tarojs/taro and @dcloudio/types. A test passes its own.
 */
export interface Wx {
  login: (options: WxCallbacks<{ code: string }> & { timeout?: number }) => unknown;
  checkSession: (options: WxCallbacks<unknown>) => unknown;
  request: (
    options: WxCallbacks<WxReply & { data: unknown }> & {
      url: string;
      method?: WxMethod;
      header?: Record<string, string>;
      // oxlint-disable-next-line typescript/no-explicit-any -- each of the typings names other types here
      data?: any;
      timeout?: number;
      responseType?: 'text' | 'arraybuffer';
    },
  ) => unknown;
  uploadFile: (
    options: WxCallbacks<WxReply & { data: string }> & {
      url: string;
      filePath: string;
      name: string;
      header?: Record<string, string>;
      formData?: Record<string, unknown>;
      timeout?: number;
    },
  ) => unknown;
  downloadFile: (
    options: WxCallbacks<WxReply & { tempFilePath: string }> & {
      url: string;
      header?: Record<string, string>;
      timeout?: number;
    },
  ) => unknown;

  getStorageSync: (key: string) => unknown;
  setStorageSync: (key: string, data: unknown) => void;

  getSetting: (options: WxCallbacks<WxSettings>) => unknown;
  authorize: (options: WxCallbacks<unknown> & { scope: string }) => unknown;
  openSetting: (options: WxCallbacks<WxSettings>) => unknown;
  showModal: (options: WxCallbacks<{ confirm: boolean }> & { content: string }) => unknown;
  /** Base library 2.32.3 and later. */
  requirePrivacyAuthorize?: (options: WxCallbacks<unknown>) => unknown;

  /** `provider` is for `uni`, which requires it. */
  requestPayment: (
    options: WxCallbacks<unknown> & RequestPayment & { provider: 'wxpay' },
  ) => unknown;
  /** A method, so that its parameter may differ: Taro's type requires a field of another platform. */
  requestSubscribeMessage(options: WxCallbacks<object> & { tmplIds: string[] }): unknown;
}

declare const wx: Wx | undefined;
declare const uni: Wx | undefined;

/**
 * Returns the `wx` that was passed, else the global `wx`, else the global `uni`. In a web page there is none, or one without
 * `login`: WeChat's JS-SDK defines another `wx`.
 *
 * @throws RequestError `ERR_WX` in a web page
 */
export function wxOrGlobal(given: Wx | undefined): Wx {
  const found =
    given || (typeof wx !== 'undefined' ? wx : typeof uni !== 'undefined' ? uni : undefined);
  if (found && 'login' in found) return found;
  throw requestError(
    'ERR_WX',
    'There is no wx.login. With Taro pass { wx: Taro }. Web pages (H5) are not supported.',
  );
}
