import * as fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WechatStore } from 'nestjs-wechat';

/** Milliseconds, longer than any test takes. */
const LONG = 60_000;
/** Milliseconds, longer than a few calls take on a busy machine. */
const SHORT = 150;
const CALLERS = 100;

/** The store that the suite tests. */
export interface StoreUnderTest {
  store: WechatStore;
  close(): Promise<void>;
}

/**
 * The contract of WechatStore as a suite of tests. Run it against your own store:
 *
 * @example
 * describeStore('MyStore', async () => ({ store: new MyStore(), close: async () => {} }));
 */
export function describeStore(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let store: WechatStore;
    let close: () => Promise<void>;
    let key: string;
    let keys = 0;

    beforeAll(async () => {
      ({ store, close } = await make());
    });
    afterAll(() => close());
    beforeEach(() => {
      key = newKey();
    });

    const newKey = (): string => `wx:contract:${process.pid}:${Date.now()}:${++keys}`;

    describe('one caller', () => {
      it('returns nothing for an absent key', async () => {
        expect(await store.get(key)).toBeUndefined();
        expect(await store.take(key)).toBeUndefined();
        expect(await store.remove(key)).toBe(false);
        expect(await store.remove(key, bytes('a'))).toBe(false);
        expect(await store.replace(key, bytes('a'), bytes('b'), LONG)).toBe(false);
        expect(await store.get(key)).toBeUndefined();
      });

      it('adds only if the key is absent', async () => {
        expect(await store.add(key, bytes('first'), LONG)).toBe(true);
        expect(await store.add(key, bytes('second'), LONG)).toBe(false);
        expect(await store.get(key)).toEqual(bytes('first'));
      });

      it('replaces only the expected value', async () => {
        await store.add(key, bytes('a'), LONG);
        expect(await store.replace(key, bytes('x'), bytes('b'), LONG)).toBe(false);
        expect(await store.get(key)).toEqual(bytes('a'));
        expect(await store.replace(key, bytes('a'), bytes('b'), LONG)).toBe(true);
        expect(await store.get(key)).toEqual(bytes('b'));
      });

      it('removes a key once', async () => {
        await store.add(key, bytes('a'), LONG);
        expect(await store.remove(key)).toBe(true);
        expect(await store.remove(key)).toBe(false);
        expect(await store.get(key)).toBeUndefined();
      });

      it('removes only the expected value', async () => {
        await store.add(key, bytes('a'), LONG);
        expect(await store.remove(key, bytes('b'))).toBe(false);
        expect(await store.get(key)).toEqual(bytes('a'));
        expect(await store.remove(key, bytes('a'))).toBe(true);
        expect(await store.get(key)).toBeUndefined();
      });

      it('does not restore a removed key by a replace', async () => {
        await store.add(key, bytes('a'), LONG);
        await store.remove(key);
        expect(await store.replace(key, bytes('a'), bytes('b'), LONG)).toBe(false);
        expect(await store.get(key)).toBeUndefined();
      });

      it('take reads and deletes', async () => {
        await store.add(key, bytes('a'), LONG);
        expect(await store.take(key)).toEqual(bytes('a'));
        expect(await store.take(key)).toBeUndefined();
        expect(await store.add(key, bytes('b'), LONG)).toBe(true);
      });

      it('keeps keys separate', async () => {
        const other = newKey();
        await store.add(key, bytes('a'), LONG);
        await store.add(other, bytes('b'), LONG);
        await store.remove(key);
        expect(await store.get(other)).toEqual(bytes('b'));
      });

      it('returns any bytes unchanged', async () => {
        const values = [
          Buffer.alloc(0),
          Buffer.from([0]),
          Buffer.from('\r\n$-1\r\n'),
          Buffer.from([0xff, 0xfe, 0x80]),
          every(256),
        ];
        for (const value of values) {
          const place = newKey();
          await store.add(place, value, LONG);
          expect(await store.get(place)).toEqual(value);
          expect(await store.replace(place, value, bytes('b'), LONG)).toBe(true);
          expect(await store.replace(place, bytes('b'), value, LONG)).toBe(true);
          expect(await store.remove(place, value)).toBe(true);
        }
      });
    });

    describe('expiry', () => {
      it('treats an expired key as absent in every verb', async () => {
        const [a, b, c, d] = [newKey(), newKey(), newKey(), newKey()];
        for (const place of [key, a, b, c, d]) await store.add(place, bytes('old'), SHORT);
        await sleep(SHORT + 20);
        expect(await store.get(key)).toBeUndefined();
        expect(await store.take(a)).toBeUndefined();
        expect(await store.remove(b)).toBe(false);
        expect(await store.replace(c, bytes('old'), bytes('new'), LONG)).toBe(false);
        expect(await store.add(d, bytes('new'), LONG)).toBe(true);
      });

      it('starts a new time to live when it replaces', async () => {
        const shorter = newKey();
        await store.add(key, bytes('a'), SHORT);
        await store.add(shorter, bytes('a'), LONG);
        await store.replace(key, bytes('a'), bytes('b'), LONG);
        await store.replace(shorter, bytes('a'), bytes('b'), SHORT);
        await sleep(SHORT + 20);
        expect(await store.get(key)).toEqual(bytes('b'));
        expect(await store.get(shorter)).toBeUndefined();
      });

      it('does not change the time to live if it replaced nothing', async () => {
        await store.add(key, bytes('a'), SHORT);
        await store.replace(key, bytes('x'), bytes('b'), LONG);
        await store.add(key, bytes('b'), LONG);
        await sleep(SHORT + 20);
        expect(await store.get(key)).toBeUndefined();
      });

      it('accepts a time to live that is not a whole number of milliseconds', async () => {
        expect(await store.add(key, bytes('a'), LONG + 0.25)).toBe(true);
        expect(await store.replace(key, bytes('a'), bytes('b'), LONG / 7)).toBe(true);
        expect((await store.count(newKey(), 1, LONG / 7)).count).toBe(1);
      });
    });

    describe('counting', () => {
      it('adds and subtracts, and returns when the counter resets', async () => {
        expect((await store.count(key, 1, LONG)).count).toBe(1);
        expect((await store.count(key, 5, LONG)).count).toBe(6);
        expect((await store.count(key, -1, LONG)).count).toBe(5);
        const { count, resetsInMs } = await store.count(key, 0, LONG);
        expect(count).toBe(5);
        expect(resetsInMs).toBeGreaterThan(LONG - 10_000);
        expect(resetsInMs).toBeLessThanOrEqual(LONG);
      });

      it('can start below zero', async () => {
        expect((await store.count(key, -1, LONG)).count).toBe(-1);
      });

      it('does not extend the window in a later call', async () => {
        await store.count(key, 1, SHORT);
        const { count, resetsInMs } = await store.count(key, 1, LONG);
        expect(count).toBe(2);
        expect(resetsInMs).toBeLessThanOrEqual(SHORT);
        await sleep(SHORT + 20);
        expect((await store.count(key, 1, LONG)).count).toBe(1);
      });

      it('starts at zero after a removal', async () => {
        await store.count(key, 7, LONG);
        expect(await store.remove(key)).toBe(true);
        expect((await store.count(key, 1, LONG)).count).toBe(1);
      });
    });

    describe(`${CALLERS} concurrent callers`, () => {
      it('one adds', async () => {
        const answers = await all((i) => store.add(key, bytes(`${i}`), LONG));
        expect(successes(answers)).toBe(1);
        expect(await store.get(key)).toEqual(bytes(`${answers.indexOf(true)}`));
      });

      it('one replaces the value that all expect', async () => {
        await store.add(key, bytes('old'), LONG);
        const answers = await all((i) => store.replace(key, bytes('old'), bytes(`${i}`), LONG));
        expect(successes(answers)).toBe(1);
        expect(await store.get(key)).toEqual(bytes(`${answers.indexOf(true)}`));
      });

      it('one takes', async () => {
        await store.add(key, bytes('ticket'), LONG);
        const answers = await all(() => store.take(key));
        expect(answers.filter((answer) => answer?.equals(bytes('ticket')))).toHaveLength(1);
        expect(answers.filter((answer) => answer === undefined)).toHaveLength(CALLERS - 1);
      });

      it('one removes, with and without an expected value', async () => {
        const other = newKey();
        for (const place of [key, other]) await store.add(place, bytes('a'), LONG);
        expect(successes(await all(() => store.remove(key)))).toBe(1);
        expect(successes(await all(() => store.remove(other, bytes('a'))))).toBe(1);
      });

      it('every count is different and none is lost', async () => {
        const answers = await all(() => store.count(key, 1, LONG));
        expect(answers.map(({ count }) => count).toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: CALLERS }, (_, i) => i + 1),
        );
      });

      it('no compare-and-set update is lost', async () => {
        await store.add(key, bytes('0'), LONG);
        await all(() => increment(store, key));
        expect(await store.get(key)).toEqual(bytes(`${CALLERS}`));
      });

      it('either the removal or the replacement succeeds, never both', async () => {
        const spots = Array.from({ length: CALLERS }, newKey);
        await all((i) => store.add(spots[i]!, bytes('a'), LONG));
        await all(async (i) => {
          const calls = [
            () => store.replace(spots[i]!, bytes('a'), bytes('b'), LONG),
            () => store.remove(spots[i]!, bytes('a')),
          ];
          const outcome = await Promise.all(
            (i % 2 ? calls : calls.toReversed()).map((call) => call()),
          );
          expect(successes(outcome)).toBe(1);
        });
      });
    });

    it('any sequence of calls returns what a plain map returns', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          const prefix = newKey();
          const model = new MapModel();
          for (const [verb, place, ...args] of steps) {
            const answer = await perform(store, verb, `${prefix}:${place}`, args);
            expect([verb, place, ...args, answer]).toEqual([
              verb,
              place,
              ...args,
              model[verb](place, ...args),
            ]);
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}

const all = <T>(work: (caller: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: CALLERS }, (_, i) => work(i)));
const successes = (answers: boolean[]): number => answers.filter(Boolean).length;
const bytes = (text: string): Buffer => Buffer.from(text);
const every = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i));

async function increment(store: WechatStore, key: string): Promise<void> {
  for (;;) {
    const before = (await store.get(key))!;
    if (await store.replace(key, before, bytes(`${Number(before) + 1}`), LONG)) return;
  }
}

type Verb = 'get' | 'add' | 'replace' | 'remove' | 'take' | 'count';
type Step = [Verb, string, ...(string | number | undefined)[]];

const places = fc.constantFrom('k1', 'k2', 'k3');
const values = fc.constantFrom('', 'a', 'b', '\0\r\n');
/** Counters have their own keys: the contract does not define what `get` returns for a counter. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant<Verb>('get'), places),
  fc.tuple(fc.constant<Verb>('add'), places, values),
  fc.tuple(fc.constant<Verb>('replace'), places, values, values),
  fc.tuple(fc.constant<Verb>('remove'), places, fc.option(values, { nil: undefined })),
  fc.tuple(fc.constant<Verb>('take'), places),
  fc.tuple(
    fc.constant<Verb>('count'),
    fc.constantFrom('n1', 'n2'),
    fc.integer({ min: -3, max: 3 }),
  ),
);

async function perform(
  store: WechatStore,
  verb: Verb,
  key: string,
  [first, second]: (string | number | undefined)[],
): Promise<unknown> {
  const [a, b] = [bytes(String(first)), bytes(String(second))];
  if (verb === 'get' || verb === 'take') return (await store[verb](key))?.toString();
  if (verb === 'add') return store.add(key, a, LONG);
  if (verb === 'replace') return store.replace(key, a, b, LONG);
  if (verb === 'remove') return store.remove(key, first === undefined ? undefined : a);
  return (await store.count(key, Number(first), LONG)).count;
}

/** The model: the same verbs on a plain map. */
class MapModel {
  private readonly held = new Map<string, unknown>();

  get = (key: string): unknown => this.held.get(key);
  add = (key: string, value?: unknown): boolean =>
    !this.held.has(key) && this.held.set(key, value).has(key);
  replace = (key: string, expected?: unknown, value?: unknown): boolean =>
    this.held.get(key) === expected && this.held.set(key, value).has(key);
  remove = (key: string, expected?: unknown): boolean =>
    (expected === undefined || this.held.get(key) === expected) && this.held.delete(key);
  take = (key: string): unknown => [this.held.get(key), this.held.delete(key)][0];
  count = (key: string, by?: unknown): number => {
    const count = Number(this.held.get(key) ?? 0) + Number(by);
    this.held.set(key, count);
    return count;
  };
}
