import { storeChannel, traced } from '../diagnostics.js';

/**
 * A counter of `WechatStore.count`.
 *
 * @example
 * ```ts
 * const { count, resetsIn }: StoreCount = await store.count('attempts', 1, 60_000);
 * ```
 */
export interface StoreCount {
  count: number;
  /** Milliseconds until the counter starts at zero again. */
  resetsIn: number;
}

const VERBS = ['get', 'add', 'replace', 'remove', 'take', 'count'] as const;

/**
 * Where sessions, tokens and tickets live. Each verb touches one key and is atomic, so a Redis Cluster, or any store with
 * compare-and-set, can carry it. Values are opaque bytes, sealed before they get here; keys are printable ASCII.
 *
 * Every verb rejects with `StoreUnavailableError` when the store cannot answer, and soon (250 ms for Redis):
 * "absent" and "don't know" are never the same answer.
 *
 * To write your own, extend this class, run `test/store.contract.ts` against it, and pass it as `options.store`.
 *
 * @example
 * ```ts
 * WechatModule.forRoot({ apps, store: new PostgresStore(pool) })      // class PostgresStore extends WechatStore
 * ```
 */
export abstract class WechatStore {
  /** Every verb of every store is published on a diagnostics channel, whichever part of the application calls it. */
  constructor() {
    for (const verb of VERBS) {
      const run = this[verb] as (...args: unknown[]) => Promise<unknown>;
      const value = (...args: unknown[]): Promise<unknown> =>
        traced(storeChannel, { verb }, () => run.apply(this, args));
      Object.defineProperty(this, verb, { value, writable: true, configurable: true });
    }
  }

  /** The one clock of all instances, in milliseconds since 1970. Expiry follows it, whatever an instance's own clock says. */
  abstract now(): number;

  /** The value, or `undefined` if there is none or it has expired. */
  abstract get(key: string): Promise<Buffer | undefined>;

  /** Writes only if the key is absent, for `ttl` milliseconds. Answers whether it wrote. */
  abstract add(key: string, value: Buffer, ttl: number): Promise<boolean>;

  /** Writes only if the value is still `expected`, for `ttl` milliseconds from now. Answers whether it wrote. */
  abstract replace(key: string, expected: Buffer, value: Buffer, ttl: number): Promise<boolean>;

  /** Deletes; with `expected`, only if the value is still that. Answers whether it deleted. */
  abstract remove(key: string, expected?: Buffer): Promise<boolean>;

  /** Reads and deletes in one: of many callers, one gets the value. */
  abstract take(key: string): Promise<Buffer | undefined>;

  /** Adds `by` to a counter that lives `window` milliseconds from its first use. */
  abstract count(key: string, by: number, window: number): Promise<StoreCount>;
}
