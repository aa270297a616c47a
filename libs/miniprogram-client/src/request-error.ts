import { assign } from './assign.js';
import { WxFailure } from './wx.js';

/**
 * Why a call did not succeed: an `Error` that carries the server's failure envelope.
 *
 * `error` is the stable name to decide by. The server's names are in its own table, `ERR_WECHAT_BLOCKED` and so on;
 * this package adds four, all but `ERR_ANSWER` with `statusCode` 0:
 *
 * - `ERR_NETWORK`: no answer came. The server may or may not have done what was asked.
 * - `ERR_ANSWER`: an answer came that is not an envelope, say from a proxy.
 * - `ERR_WX`: a function of `wx` refused, say `wx.login`; `code` is WeChat's `errno`.
 * - `ERR_SIGNED_OUT`: `logout()` was called and `login()` was not called since.
 */
export interface RequestError extends Error {
  /** The envelope's number, see the server's list of codes. */
  code: number;
  /** One sentence, the same as `message`. */
  msg: string;
  error: string;
  /** The HTTP status, 0 if there was none. */
  statusCode: number;
  /** What the failure carries, say `{ phoneNumber, registrationTicket }` with `ERR_NOT_REGISTERED`. */
  data?: unknown;
  /** For how many milliseconds the server asked to be left alone (its `Retry-After`). */
  retryAfter?: number;
}

export function requestError(
  error: string,
  msg: string,
  code: number,
  statusCode: number,
): RequestError {
  return assign(new Error(msg), { name: 'RequestError', error, msg, code, statusCode });
}

/** Calls a `wx` function and promises its result. `wx.login` and others have no promise style of their own. */
export function promised<T>(call: (callbacks: WxPromise<T>) => void, error = 'ERR_WX'): Promise<T> {
  return new Promise((success, reject) =>
    call({
      success,
      fail: (failure) => reject(requestError(error, failure.errMsg, failure.errno || 0, 0)),
    }),
  );
}

export interface WxPromise<T> {
  success: (result: T) => void;
  fail: (failure: WxFailure) => void;
}

/** The server does not know the session that was sent: unknown, expired and ended all look like this. */
export function sessionIsGone(error: RequestError): boolean {
  return error.statusCode === 401 && error.error === 'ERR_WECHAT_SESSION';
}

/** The server, or something before it, cannot answer at the moment. It says nothing about the session. */
export function isUnavailable(error: RequestError): boolean {
  return error.statusCode === 503;
}

/** Failures that may be gone a moment later, for calls that are safe to repeat when nobody knows whether they were carried out. */
export function mayPass(error: RequestError): boolean {
  return isUnavailable(error) || error.error === 'ERR_NETWORK';
}
