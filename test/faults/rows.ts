import { monitorEventLoopDelay } from 'node:perf_hooks';
import { StoreUnavailableError } from 'nestjs-wechat';

/** `FAULT_TRIALS=full` runs each row as often as docs/reliability.md says, else a few times. */
export const isFull = process.env['FAULT_TRIALS'] === 'full';

/**
 * Repeats a failed test of this spec once, and logs its first error. Never with full trial counts.
 * Each call has a comment with the failure that a busy machine causes.
 */
export function retryOnBusyMachine(): void {
  if (!isFull) jest.retryTimes(1, { logErrorsBeforeRetry: true });
}

/** The trials for `it.each`, one test per trial. */
export function trials(full: number, small = 2): number[] {
  return Array.from({ length: isFull ? full : small }, (_, i) => i + 1);
}

/** The end of a title: the number of trials in one test, which `npm run test:faults` reads. */
export function often(count: number): string {
  return `, ${count.toLocaleString('en')} times`;
}

/** The outcome of a call to a store, and its duration in milliseconds. */
export interface Outcome<T = unknown> {
  is: 'value' | 'absent' | 'unavailable';
  value?: T;
  ms: number;
}

/** Calls a store. @throws errors other than StoreUnavailableError */
export async function outcomeOf<T>(call: () => Promise<T | undefined>): Promise<Outcome<T>> {
  const startedAt = performance.now();
  try {
    const value = await call();
    return {
      is: value === undefined ? 'absent' : 'value',
      value,
      ms: performance.now() - startedAt,
    };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    return { is: 'unavailable', ms: performance.now() - startedAt };
  }
}

/** Whether the store returns a value, or none. */
export async function responds(store: { get(key: string): Promise<unknown> }): Promise<boolean> {
  return (await outcomeOf(() => store.get('wx:any'))).is !== 'unavailable';
}

const running = new Set<() => Promise<unknown>>();
// A failed test does not reach its `stop`. Its calls must not run beside the next test, or beside the next spec of the worker.
afterEach(() => Promise.allSettled([...running].map((stop) => stop())));

/** Calls without a pause, `callers` at a time, until `stop`, which returns all outcomes. The end of the test stops it too. */
export function load<T>(callers: number, call: () => Promise<T>): { stop(): Promise<T[]> } {
  const outcomes: T[] = [];
  const stopping = new AbortController();
  const caller = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      outcomes.push(await call());
      await new Promise(setImmediate); // calls that fail at once must not block the event loop
    }
  };
  const all = Promise.all(Array.from({ length: callers }, caller));
  const stop = async (): Promise<T[]> => {
    running.delete(stop);
    stopping.abort();
    await all;
    return outcomes;
  };
  running.add(stop);
  return { stop };
}

/** Measures by how much a deadline may be exceeded: twice the delay of the event loop, once for the request and once for the response. */
export class Lag {
  private readonly delay = monitorEventLoopDelay({ resolution: 5 });

  constructor() {
    this.delay.enable();
  }

  end(): number {
    this.delay.disable();
    return (2 * this.delay.max) / 1e6;
  }
}
