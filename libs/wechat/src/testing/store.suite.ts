import { strict as assert } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WechatStore } from '../store/wechat.store.js';

/** Milliseconds, longer than any test takes. */
const LONG = 60_000;
/** Milliseconds, longer than a few calls take on a busy machine. */
const SHORT = 150;
const CALLERS = 100;
const RANDOM_SEQUENCES = 60;

/**
 * The store that `describeWechatStore` tests, with a function that closes it.
 *
 * @example
 * ```ts
 * const underTest: StoreUnderTest = { store: new PostgresStore(pool), close: () => pool.end() };
 * ```
 */
export interface StoreUnderTest {
  /** The store under test. */
  store: WechatStore;
  /** Called after the last test. */
  close?(): unknown;
}

/** The globals of jest, and of vitest with `globals: true`. */
interface TestGlobals {
  describe: (title: string, work: () => void) => void;
  it: (title: string, work: () => Promise<void>) => void;
  beforeAll: (work: () => Promise<void>) => void;
  afterAll: (work: () => Promise<void>) => void;
}

/**
 * Defines the tests that every `WechatStore` must pass. Run them against your custom store, in jest, or in vitest with
 * `globals: true`. They write keys that begin with `wx:contract:` and expire within a minute.
 *
 * @param name the title of the suite
 * @param factory returns the store, or the store and a function that closes it. It is called once
 * @example
 * ```ts
 * describeWechatStore('PostgresStore', async () => {
 *   const pool = await connect();
 *   return { store: new PostgresStore(pool), close: () => pool.end() };
 * });
 * ```
 */
export function describeWechatStore(
  name: string,
  factory: () => WechatStore | StoreUnderTest | Promise<WechatStore | StoreUnderTest>,
): void {
  const { describe, it, beforeAll, afterAll } = testGlobals();

  describe(name, () => {
    let store: WechatStore;
    let close: StoreUnderTest['close'];
    let keys = 0;

    beforeAll(async () => {
      const made = await factory();
      if (!('get' in made)) {
        ({ store } = made);
        close = () => made.close?.();
      } else store = made;
    });
    afterAll(async () => {
      await close?.();
    });

    const newKey = (): string => `wx:contract:${process.pid}:${Date.now()}:${++keys}`;
    const expectValue = async (key: string, value: string | Buffer | undefined): Promise<void> =>
      assert.equal(textOf(await store.get(key)), textOf(value));

    describe('one caller', () => {
      it('returns nothing for an absent key', async () => {
        const key = newKey();
        await expectValue(key, undefined);
        assert.equal(await store.take(key), undefined);
        assert.equal(await store.remove(key), false);
        assert.equal(await store.remove(key, bytes('a')), false);
        assert.equal(await store.replace(key, bytes('a'), bytes('b'), LONG), false);
        await expectValue(key, undefined);
      });

      it('adds only if the key is absent', async () => {
        const key = newKey();
        assert.equal(await store.add(key, bytes('first'), LONG), true);
        assert.equal(await store.add(key, bytes('second'), LONG), false);
        await expectValue(key, 'first');
      });

      it('replaces only the expected value', async () => {
        const key = newKey();
        await store.add(key, bytes('a'), LONG);
        assert.equal(await store.replace(key, bytes('x'), bytes('b'), LONG), false);
        await expectValue(key, 'a');
        assert.equal(await store.replace(key, bytes('a'), bytes('b'), LONG), true);
        await expectValue(key, 'b');
      });

      it('removes a key once', async () => {
        const key = newKey();
        await store.add(key, bytes('a'), LONG);
        assert.equal(await store.remove(key), true);
        assert.equal(await store.remove(key), false);
        await expectValue(key, undefined);
      });

      it('removes only the expected value', async () => {
        const key = newKey();
        await store.add(key, bytes('a'), LONG);
        assert.equal(await store.remove(key, bytes('b')), false);
        await expectValue(key, 'a');
        assert.equal(await store.remove(key, bytes('a')), true);
        await expectValue(key, undefined);
      });

      it('does not restore a removed key by a replace', async () => {
        const key = newKey();
        await store.add(key, bytes('a'), LONG);
        await store.remove(key);
        assert.equal(await store.replace(key, bytes('a'), bytes('b'), LONG), false);
        await expectValue(key, undefined);
      });

      it('take reads and deletes', async () => {
        const key = newKey();
        await store.add(key, bytes('a'), LONG);
        assert.equal(textOf(await store.take(key)), 'a');
        assert.equal(await store.take(key), undefined);
        assert.equal(await store.add(key, bytes('b'), LONG), true);
      });

      it('keeps keys separate', async () => {
        const [one, other] = [newKey(), newKey()];
        await store.add(one, bytes('a'), LONG);
        await store.add(other, bytes('b'), LONG);
        await store.remove(one);
        await expectValue(other, 'b');
      });

      it('returns any bytes unchanged', async () => {
        const values = [
          Buffer.alloc(0),
          Buffer.from([0]),
          Buffer.from('\r\n$-1\r\n'),
          Buffer.from([0xff, 0xfe, 0x80]),
          Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
        ];
        for (const value of values) {
          const key = newKey();
          await store.add(key, value, LONG);
          await expectValue(key, value);
          assert.equal(await store.replace(key, value, bytes('b'), LONG), true);
          assert.equal(await store.replace(key, bytes('b'), value, LONG), true);
          assert.equal(await store.remove(key, value), true);
        }
      });
    });

    describe('expiry', () => {
      it('treats an expired key as absent in every verb', async () => {
        const [a, b, c, d, e] = [newKey(), newKey(), newKey(), newKey(), newKey()];
        for (const key of [a, b, c, d, e]) await store.add(key, bytes('old'), SHORT);
        await sleep(SHORT + 20);
        await expectValue(a, undefined);
        assert.equal(await store.take(b), undefined);
        assert.equal(await store.remove(c), false);
        assert.equal(await store.replace(d, bytes('old'), bytes('new'), LONG), false);
        assert.equal(await store.add(e, bytes('new'), LONG), true);
      });

      it('starts a new time to live when it replaces', async () => {
        const [longer, shorter] = [newKey(), newKey()];
        await store.add(longer, bytes('a'), SHORT);
        await store.add(shorter, bytes('a'), LONG);
        await store.replace(longer, bytes('a'), bytes('b'), LONG);
        await store.replace(shorter, bytes('a'), bytes('b'), SHORT);
        await sleep(SHORT + 20);
        await expectValue(longer, 'b');
        await expectValue(shorter, undefined);
      });

      it('does not change the time to live if it replaced nothing', async () => {
        const key = newKey();
        await store.add(key, bytes('a'), SHORT);
        await store.replace(key, bytes('x'), bytes('b'), LONG);
        await store.add(key, bytes('b'), LONG);
        await sleep(SHORT + 20);
        await expectValue(key, undefined);
      });

      it('accepts a time to live that is not a whole number of milliseconds', async () => {
        const key = newKey();
        assert.equal(await store.add(key, bytes('a'), LONG + 0.25), true);
        assert.equal(await store.replace(key, bytes('a'), bytes('b'), LONG / 7), true);
        assert.equal((await store.count(newKey(), 1, LONG / 7)).count, 1);
      });
    });

    describe('counting', () => {
      it('adds and subtracts, and returns when the counter resets', async () => {
        const key = newKey();
        assert.equal((await store.count(key, 1, LONG)).count, 1);
        assert.equal((await store.count(key, 5, LONG)).count, 6);
        assert.equal((await store.count(key, -1, LONG)).count, 5);
        const { count, resetsInMs } = await store.count(key, 0, LONG);
        assert.equal(count, 5);
        assert.ok(resetsInMs > LONG - 10_000 && resetsInMs <= LONG, `resetsInMs: ${resetsInMs}`);
      });

      it('can start below zero', async () => {
        assert.equal((await store.count(newKey(), -1, LONG)).count, -1);
      });

      it('does not extend the window in a later call', async () => {
        const key = newKey();
        await store.count(key, 1, SHORT);
        const { count, resetsInMs } = await store.count(key, 1, LONG);
        assert.equal(count, 2);
        assert.ok(resetsInMs <= SHORT, `resetsInMs: ${resetsInMs}`);
        await sleep(SHORT + 20);
        assert.equal((await store.count(key, 1, LONG)).count, 1);
      });

      it('starts at zero after a removal', async () => {
        const key = newKey();
        await store.count(key, 7, LONG);
        assert.equal(await store.remove(key), true);
        assert.equal((await store.count(key, 1, LONG)).count, 1);
      });
    });

    describe(`${CALLERS} concurrent callers`, () => {
      it('one adds', async () => {
        const key = newKey();
        const wrote = await all((i) => store.add(key, bytes(`${i}`), LONG));
        assert.equal(successes(wrote), 1);
        await expectValue(key, `${wrote.indexOf(true)}`);
      });

      it('one replaces the value that all expect', async () => {
        const key = newKey();
        await store.add(key, bytes('old'), LONG);
        const wrote = await all((i) => store.replace(key, bytes('old'), bytes(`${i}`), LONG));
        assert.equal(successes(wrote), 1);
        await expectValue(key, `${wrote.indexOf(true)}`);
      });

      it('one takes', async () => {
        const key = newKey();
        await store.add(key, bytes('ticket'), LONG);
        const taken = await all(() => store.take(key));
        assert.deepEqual(
          taken.map(textOf).filter((text) => text !== undefined),
          ['ticket'],
        );
      });

      it('one removes, with and without an expected value', async () => {
        const [one, other] = [newKey(), newKey()];
        for (const key of [one, other]) await store.add(key, bytes('a'), LONG);
        assert.equal(successes(await all(() => store.remove(one))), 1);
        assert.equal(successes(await all(() => store.remove(other, bytes('a')))), 1);
      });

      it('every count is different and none is lost', async () => {
        const key = newKey();
        const counts = (await all(() => store.count(key, 1, LONG))).map(({ count }) => count);
        assert.deepEqual(
          counts.toSorted((a, b) => a - b),
          Array.from({ length: CALLERS }, (_, i) => i + 1),
        );
      });

      it('no compare-and-set update is lost', async () => {
        const key = newKey();
        await store.add(key, bytes('0'), LONG);
        await all(() => increment(store, key));
        await expectValue(key, `${CALLERS}`);
      });

      it('either the removal or the replacement succeeds, never both', async () => {
        await all(async (i) => {
          const key = newKey();
          await store.add(key, bytes('a'), LONG);
          const calls = [
            () => store.replace(key, bytes('a'), bytes('b'), LONG),
            () => store.remove(key, bytes('a')),
          ];
          const ordered = i % 2 === 0 ? calls : calls.toReversed();
          assert.equal(successes(await Promise.all(ordered.map((call) => call()))), 1);
        });
      });
    });

    it('any sequence of calls returns what a plain map returns', async () => {
      for (let seed = 1; seed <= RANDOM_SEQUENCES; seed++) {
        const prefix = newKey();
        const model = new MapModel();
        for (const step of randomSteps(seed)) {
          const message = `seed ${seed}, ${JSON.stringify(step)}`;
          assert.equal(await perform(store, prefix, step), model[step.verb](step), message);
        }
      }
    });
  });
}

function testGlobals(): TestGlobals {
  const globals = globalThis as unknown as Partial<TestGlobals>;
  if (!globals.describe || !globals.it || !globals.beforeAll || !globals.afterAll)
    throw new Error(
      'describeWechatStore() needs the globals describe, it, beforeAll and afterAll. Run it in jest, or in vitest with `test.globals: true`.',
    );
  return globals as TestGlobals;
}

const all = <T>(work: (caller: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: CALLERS }, (_, i) => work(i)));
const successes = (outcomes: boolean[]): number => outcomes.filter(Boolean).length;
const bytes = (text: string): Buffer => Buffer.from(text);
const textOf = (value: string | Buffer | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.toString('latin1');

async function increment(store: WechatStore, key: string): Promise<void> {
  for (;;) {
    const before = (await store.get(key)) ?? bytes('absent');
    if (await store.replace(key, before, bytes(`${Number(before) + 1}`), LONG)) return;
  }
}

/** One random call. Counters have keys of their own: the contract does not define what `get` returns for a counter. */
interface Step {
  verb: 'get' | 'add' | 'replace' | 'remove' | 'take' | 'count';
  key: string;
  value: string;
  expected: string | undefined;
  by: number;
}

/** Up to 30 random calls. The same seed returns the same calls. */
function randomSteps(seed: number): Step[] {
  const random = randomNumbers(seed);
  const pick = <T>(choices: readonly [T, ...T[]]): T =>
    choices[Math.floor(random() * choices.length)] ?? choices[0];
  return Array.from({ length: Math.ceil(random() * 30) }, () => {
    const verb = pick(['get', 'add', 'replace', 'remove', 'take', 'count'] as const);
    const value = (): string => pick(['', 'a', 'b', '\0\r\n']);
    return {
      verb,
      key: verb === 'count' ? pick(['n1', 'n2']) : pick(['k1', 'k2', 'k3']),
      value: value(),
      expected: verb === 'replace' || random() < 0.5 ? value() : undefined,
      by: Math.floor(random() * 7) - 3,
    };
  });
}

/** Numbers from 0 to 1 of a linear congruential generator (Numerical Recipes, section 7.1). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function perform(
  store: WechatStore,
  prefix: string,
  { verb, key: name, value, expected, by }: Step,
): Promise<unknown> {
  const key = `${prefix}:${name}`;
  const before = expected === undefined ? undefined : bytes(expected);
  switch (verb) {
    case 'get':
    case 'take':
      return textOf(await store[verb](key));
    case 'add':
      return store.add(key, bytes(value), LONG);
    case 'replace':
      return store.replace(key, before ?? bytes(''), bytes(value), LONG);
    case 'remove':
      return store.remove(key, before);
    default:
      return (await store.count(key, by, LONG)).count;
  }
}

/** The model: the same verbs on a plain map. */
class MapModel {
  private readonly entries = new Map<string, string | number>();

  get({ key }: Step): unknown {
    return this.entries.get(key);
  }

  add({ key, value }: Step): boolean {
    return !this.entries.has(key) && this.entries.set(key, value).has(key);
  }

  replace({ key, value, expected }: Step): boolean {
    return this.entries.get(key) === expected && this.entries.set(key, value).has(key);
  }

  remove({ key, expected }: Step): boolean {
    return (
      (expected === undefined || this.entries.get(key) === expected) && this.entries.delete(key)
    );
  }

  take({ key }: Step): unknown {
    const value = this.entries.get(key);
    this.entries.delete(key);
    return value;
  }

  count({ key, by }: Step): number {
    const count = Number(this.entries.get(key) ?? 0) + by;
    this.entries.set(key, count);
    return count;
  }
}
