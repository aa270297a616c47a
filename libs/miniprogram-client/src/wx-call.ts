import { nothing } from './nothing.js';
import { requestError } from './request-error.js';
import { WxFailure } from './wx.js';

declare function setTimeout(run: () => void, ms: number): number;
declare function clearTimeout(timer: number): void;

/** WeChat's own timeout of a call comes first, so that the call is aborted before the next one starts. */
const GRACE_MS = 500;

/** The two callbacks that every `wx` function takes. */
export interface WxPromise<T> {
  success: (result: T) => void;
  fail: (failure: WxFailure) => void;
}

/**
 * Calls a `wx` function and returns a promise of its result. With callbacks, WeChat's functions return no promise of their own.
 *
 * The promise always settles: with the first callback, with an exception of the function, or at the deadline. Some platforms
 * never call back, call back twice, or throw. Later callbacks are ignored.
 *
 * @param timeoutMs the deadline in milliseconds
 * @param error the `error` of the RequestError that the promise rejects with
 */
export function callWx<T>(
  call: (callbacks: WxPromise<T>) => unknown,
  timeoutMs: number,
  error = 'ERR_WX',
): Promise<T> {
  return new Promise((resolve, reject) => {
    let task: unknown;
    const deadline = setTimeout(() => {
      fail({ errMsg: 'timeout: no callback within ' + timeoutMs + ' ms' });
      abortTask(task);
    }, timeoutMs + GRACE_MS);
    function fail(failure?: Partial<WxFailure>): void {
      clearTimeout(deadline);
      const { errMsg, errno, errCode } = failure || {};
      reject(requestError(error, errMsg || 'wx gave no reason', errno || errCode));
    }
    try {
      task = call({
        success(result) {
          clearTimeout(deadline);
          resolve(result);
        },
        fail,
      });
      // Taro returns a promise too. It rejects after `fail`, and must not be reported as unhandled.
      Promise.resolve(task).then(undefined, nothing);
    } catch (exception) {
      fail({ errMsg: String(exception) });
    }
  });
}

/** `wx.request`, `wx.uploadFile` and `wx.downloadFile` return a task. A call that waits in WeChat's queue must not be sent later. */
export function abortTask(task: unknown): void {
  try {
    (task as { abort: () => void }).abort();
  } catch {
    // Other functions return no task, and the promise is rejected already.
  }
}
