/** What a `wx` function passes to `fail`. */
export interface WxFailure {
  errMsg: string;
  /** WeChat's number for the cause; base library 2.24 and later. */
  errno?: number;
}

/** The two callbacks every `wx` function takes. */
export interface WxCallbacks<T> {
  success?(result: T): void;
  fail?(failure: WxFailure): void;
}

/** A response of the server, whatever its status. In uploads and downloads of some versions `header` is missing. */
export interface WxReply {
  statusCode: number;
  header?: Record<string, string | undefined>;
}

/** The user's decisions by scope: true is allowed, false is refused, absent was never asked. */
export interface WxSettings {
  authSetting: Record<string, boolean | undefined>;
}

/** The methods `wx.request` knows. PATCH is not one of them. */
export type WxMethod = 'OPTIONS' | 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'CONNECT';

/** The part of WeChat's global `wx` that this package uses. Tests and other platforms pass their own. */
export interface Wx {
  login: (options: WxCallbacks<{ code: string }> & { timeout?: number }) => void;
  checkSession: (options: WxCallbacks<unknown>) => void;
  request: (
    options: WxCallbacks<WxReply & { data: unknown }> & {
      url: string;
      method?: WxMethod;
      header?: Record<string, string>;
      data?: unknown;
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

  getSetting: (options: WxCallbacks<WxSettings>) => void;
  authorize: (options: WxCallbacks<unknown> & { scope: string }) => void;
  openSetting: (options: WxCallbacks<WxSettings>) => void;
  showModal: (options: WxCallbacks<{ confirm: boolean }> & { content: string }) => void;
  /** Base library 2.32.3 and later. */
  requirePrivacyAuthorize?: (options: WxCallbacks<unknown>) => void;
}

declare const wx: Wx | undefined;

/** Returns the `wx` that was passed, else WeChat's global one. */
export function wxOrGlobal(given: Wx | undefined): Wx {
  if (given) return given;
  if (typeof wx === 'undefined')
    throw new Error('There is no global wx. Outside WeChat, pass { wx }.');
  return wx;
}
