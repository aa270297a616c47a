import { storeChannel, tracedMethod } from '../diagnostics.js';

/**
 * A counter of `WechatStore.count`.
 *
 * @example
 * ```ts
 * const { count, resetsInMs }: StoreCount = await store.count('attempts', 1, 60_000);
 * ```
 */
export interface StoreCount {
  count: number;
  /** Milliseconds until the counter starts at zero again. */
  resetsInMs: number;
}

const VERBS = ['get', 'add', 'replace', 'remove', 'take', 'count'] as const;

/**
 * The store of sessions, tokens and tickets. Each verb is atomic and touches one key, so a Redis Cluster or any database with
 * compare-and-set can implement it. Values are opaque bytes that are already encrypted. Keys are printable ASCII.
 *
 * Every verb rejects with `StoreUnavailableError` if the store does not respond, and it rejects soon (Redis: after 250 ms).
 * A store must not report a key as absent because it could not read it.
 *
 * To write your own, extend this class, run the contract suite `describeWechatStore` of `nestjs-wechat/testing` against it,
 * and pass it as `options.store`.
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
      const method = this[verb] as (...args: unknown[]) => Promise<unknown>;
      Object.defineProperty(this, verb, {
        value: tracedMethod(storeChannel, { verb }, method),
        writable: true,
        configurable: true,
      });
    }
  }

  /** Returns the value, or `undefined` if the key is absent or has expired. */
  abstract get(key: string): Promise<Buffer | undefined>;

  /**
   * Writes the value if the key is absent.
   * @param ttlMs milliseconds until the key expires; may be a fraction
   * @returns whether it wrote
   */
  abstract add(key: string, value: Buffer, ttlMs: number): Promise<boolean>;

  /**
   * Compare-and-set: writes the value if the current value is `expected`.
   * @param ttlMs milliseconds until the key expires, from now
   * @returns whether it wrote
   */
  abstract replace(key: string, expected: Buffer, value: Buffer, ttlMs: number): Promise<boolean>;

  /**
   * Deletes the key; with `expected`, only if that is the current value.
   * @returns whether it deleted
   */
  abstract remove(key: string, expected?: Buffer): Promise<boolean>;

  /** Reads and deletes in one step, so that only one of several callers gets the value. */
  abstract take(key: string): Promise<Buffer | undefined>;

  /**
   * Adds `by` to a counter. An absent counter is zero.
   * @param windowMs milliseconds after which a new counter expires; a later call does not extend it
   */
  abstract count(key: string, by: number, windowMs: number): Promise<StoreCount>;
}
