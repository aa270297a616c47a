import { assign } from './assign.js';

/**
 * The error of a failed call: an `Error` with the fields of the server's failure envelope.
 *
 * `error` is a stable name. Use it to distinguish errors. The server documents its names, such as `ERR_WECHAT_BLOCKED`.
 * This package adds five. All but `ERR_ANSWER` have `statusCode` 0:
 *
 * - `ERR_NETWORK`: no response. The server may or may not have carried out the request.
 * - `ERR_ANSWER`: a response without an envelope, for example from a proxy. `data` is its body.
 * - `ERR_WX`: a function of `wx` failed, threw or did not call back, and `code` is WeChat's `errno`; or there is no `wx.login`.
 * - `ERR_ABORTED`: the app called `abort()`.
 * - `ERR_SIGNED_OUT`: `logout()` was called and `login()` was not called since.
 */
export interface RequestError extends Error {
  /** The envelope's number, see the server's list of codes. */
  code: number;
  /** One sentence, the same as `message`. */
  msg: string;
  error: string;
  /** The HTTP status, 0 without a response. */
  statusCode: number;
  /** Data of the failure, for example `{ phoneNumber, registrationTicket }` with `ERR_NOT_REGISTERED`. */
  data?: unknown;
  /** The server's `Retry-After` in milliseconds. */
  retryAfter?: number;
}

export function requestError(error: string, msg: string, code = 0, statusCode = 0): RequestError {
  return assign(new Error(msg), {
    name: 'RequestError',
    error,
    msg,
    code: code || 0,
    statusCode: statusCode || 0,
  });
}

/** The server does not accept the session: unknown, expired and revoked look the same. */
export function isSessionEnded(error: RequestError): boolean {
  return error.error === 'ERR_WECHAT_SESSION';
}

/** The server, or a proxy before it, is unavailable. The session may still be valid. */
export function isUnavailable(error: RequestError): boolean {
  return error.statusCode === 503;
}

/** A failure that may pass, for calls that are safe to repeat although the server may have carried them out. */
export function isTransient(error: RequestError): boolean {
  return isUnavailable(error) || error.error === 'ERR_NETWORK';
}
