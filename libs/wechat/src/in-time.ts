import { setTimeout as sleep } from 'node:timers/promises';

/** Returns the result of a call of the application. Rejects if it takes longer than `ms` milliseconds. */
export async function inTime<T>(ms: number, call: () => Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = async (): Promise<never> => {
    await sleep(ms, undefined, { ref: false, signal: timer.signal });
    throw new Error(`no response within ${ms} ms`);
  };
  try {
    return await Promise.race([call(), late()]);
  } finally {
    timer.abort();
  }
}
