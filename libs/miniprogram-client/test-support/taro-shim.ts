import type { Wx, WxCallbacks, WxFailure } from '../src/wx.js';

type WxFunction = (options: WxCallbacks<unknown>) => unknown;

/** `Taro` as it wraps a `wx`: each function calls the callbacks, and returns a promise with the methods of the task. */
export function createTaro(wx: Wx): Wx {
  const wrapped = Object.entries(wx).map(([name, call]) =>
    name.endsWith('StorageSync') ? [name, call] : [name, promising(call as WxFunction)],
  );
  return Object.fromEntries(wrapped) as Wx;
}

function promising(call: WxFunction): WxFunction {
  return (options) => {
    let task: unknown;
    const promise = new Promise((resolve, reject) => {
      task = call({
        ...options,
        success(result) {
          options.success?.(result);
          resolve(result);
        },
        fail(failure: WxFailure) {
          options.fail?.(failure);
          reject(failure); // oxlint-disable-line typescript/prefer-promise-reject-errors -- as Taro does
        },
      });
    });
    return Object.assign(promise, task);
  };
}
