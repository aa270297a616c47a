import type { RequestError } from '../src/index.js';

/** Lets the time of jest's fake timers pass until the promise settles. */
export async function over<T>(promise: Promise<T>): Promise<T> {
  const state = { settled: false };
  const mark = () => (state.settled = true);
  promise.then(mark, mark);
  for (let step = 0; !state.settled; step = 50) await jest.advanceTimersByTimeAsync(step);
  return promise;
}

/** The reason why a promise rejects, after the time that this takes. */
export const failureOf = (promise: Promise<unknown>): Promise<RequestError> =>
  over(
    promise.then(
      (value) => Promise.reject(new Error(`expected a failure, got ${JSON.stringify(value)}`)),
      (error: RequestError) => error,
    ),
  );

export const useFakeTime = (now?: Date): void =>
  void jest.useFakeTimers({ now, doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
