import { AbortablePromise } from './abortable.js';
import { DownloadOptions, RequestOptions, UploadOptions } from './http-client.js';
import { LoginResponse } from './login.js';
import { PayOptions } from './pay.js';
import { ResponseToUnwrap } from './response.js';
import { Wx } from './wx.js';

/** The options of `createSession`. Only `baseUrl` is required. */
export interface SessionOptions {
  /** The server's address, for example `https://api.example.com`. A `session_rd` is sent to no other host. */
  baseUrl: string;
  /** Sent with the login, for a server that serves several mini programs. */
  appId?: string;
  /** How long a session is used before it is refreshed, in milliseconds; at most two thirds of its life. @default 1200000 (20 minutes) */
  refreshEvery?: number;
  /** The key of the session in `wx` storage. @default 'session_rd ' + baseUrl, so that sessions of a test server stay separate */
  storageKey?: string;
  /** @default '/auth/login' */
  loginPath?: string;
  /** @default '/auth/refresh' */
  refreshPath?: string;
  /** @default '/auth/logout' */
  logoutPath?: string;
  /** The route that returns the parameters of `wx.requestPayment`. @default '/orders/:id/pay' */
  payPath?: string;
  /** The route that queries WeChat Pay for the state of an order, and returns the order. @default '/orders/:id/sync' */
  syncPath?: string;
  /** Called after every successful login, also after an automatic one. */
  onLogin?: (response: LoginResponse) => void;
  /**
   * For a server with its own response format: returns the payload of a response, or throws an error. The error may set the fields
   * of a `RequestError`; the client sets the others. `error: 'ERR_WECHAT_SESSION'` leads to a login and a second attempt,
   * `statusCode: 503` to a retry. Not called for a downloaded file. @default the `data` of the envelope of nestjs-wechat, or the whole body
   */
  unwrap?: (response: ResponseToUnwrap) => unknown;
  /** Milliseconds until a call of `wx` or a request fails. An upload or a download has 60000. @default 10000 */
  timeout?: number;
  /** `Taro`, or a test's own. @default the global `wx`, else the global `uni` */
  wx?: Wx;
}

/** The state of the session on the phone. */
export interface SessionState {
  /** There is a session, and it has not expired by the phone's clock. */
  signedIn: boolean;
  /** When it expires unless it is refreshed, in milliseconds since 1970. */
  expiresAt?: number;
}

/** One user's session with one server. Every promise rejects with a `RequestError`. */
export interface Session {
  /**
   * Ensures a session on the server and a valid session_key at WeChat. Keeps the current session if `wx.checkSession` succeeds.
   * Call it before you fetch `encryptedData`, and after `logout()`. Requests need no `login()` before them, they log in by themselves.
   */
  login(): Promise<void>;
  /** `wx.request` with the session. Resolves with the envelope's `data`, or with the whole body if the body is not an envelope. */
  request<T = unknown>(options: RequestOptions): AbortablePromise<T>;
  /** `wx.uploadFile` with the session. Resolves as `request` does. */
  uploadFile<T = unknown>(options: UploadOptions): AbortablePromise<T>;
  /** `wx.downloadFile` with the session. Resolves with the temporary path, for example for an audio player that cannot send headers. */
  downloadFile(options: DownloadOptions): AbortablePromise<string>;
  /**
   * Pays an order: `POST /orders/:id/pay`, `wx.requestPayment`, then `POST /orders/:id/sync`, also if `wx.requestPayment` failed,
   * because only the server can find out whether the order is paid. Both routes must be idempotent, because the client repeats a
   * request whose response was lost.
   *
   * @returns the order as the sync route returns it; it may be unpaid
   * @throws RequestError if the server refuses one of the two requests
   * @see https://developers.weixin.qq.com/miniprogram/dev/api/payment/wx.requestPayment.html
   * @experimental no real merchant has used it yet
   */
  pay<O extends { id: string | number }>(order: O, options?: PayOptions): Promise<O>;
  /** Replaces the session by its successor now. Logs in if the server does not accept the session any more. */
  refresh(): Promise<void>;
  /** Removes the session from the phone at once and revokes it on the server. Until `login()` every request fails with `ERR_SIGNED_OUT`. */
  logout(): Promise<void>;
  /** Call it in `App.onShow`. In the foreground the session is refreshed, at once if the refresh is due. */
  onShow(): void;
  /** Call it in `App.onHide`. In the background WeChat stops timers and interrupts requests. */
  onHide(): void;
  readonly state: SessionState;
}
