import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import {
  CircuitBreaker,
  MAX_IN_FLIGHT,
  CALL_TIMEOUT_MS,
  TIMEOUTS_TO_OPEN,
} from '../../libs/wechat/src/store/redis/circuit-breaker.js';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { FakeResp } from '../support/fake-resp.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import type { TcpFault } from '../support/tcp-proxy.js';
import { isFull, Lag, load, often, outcomeOf, retryOnBusyMachine, trials } from './rows.js';

const LONG = 3_600_000;
/** The deadline of a guarded request, in milliseconds. */
const LATEST = 300;
const AT_ONCE = 5;
const value = (key: string): Buffer => Buffer.from(`value of ${key}`);

beforeAll(() => Logger.overrideLogger(false));

// R4: replies take 200 ms, and a pause of this process by 50 ms passes the deadline.
retryOnBusyMachine();

describeRedis('the store on a failing Redis', () => {
  let redis: TestRedis;
  let store: RedisStore;
  const get = (key = 'wx:s:one'): ReturnType<typeof outcomeOf<Buffer>> =>
    outcomeOf(() => store.get(key));
  const isUp = async (): Promise<boolean> => (await get()).is !== 'unavailable';

  beforeAll(async () => {
    redis = await TestRedis.start();
    store = await RedisStore.open({ url: redis.url });
  });
  afterAll(async () => {
    await store.close();
    await redis.end();
  });
  beforeEach(async () => {
    redis.thaw(); // ends a fault of the previous trial
    await redis.start();
    await until(isUp);
    await store.add('wx:s:one', value('wx:s:one'), LONG);
  });

  it.each(trials(100, 3))(
    'R1 ends 64 reads in time when Redis is killed, and finds no key absent by mistake',
    async () => {
      await store.add('wx:s:one', value('wx:s:one'), LONG);
      const lag = new Lag();
      const reads = load(64, get);
      await get(); // replies come in order, so the first reads of the load have theirs
      await redis.kill();
      await sleep(20);
      const whileDown = (await reads.stop()).slice();
      expect(whileDown.filter(({ is }) => is === 'absent')).toEqual([]);
      expect(whileDown.map(({ is }) => is)).toEqual(
        expect.arrayContaining(['value', 'unavailable']),
      );
      expect(slowest(whileDown)).toBeLessThan(LATEST + lag.end());
      await redis.start();
      expect(await timeUntil(isUp)).toBeLessThan(1_000);
      expect((await get()).is).toBe('absent');
    },
  );

  /** One write of each kind, and a function that reads its effect. */
  const prepareWrites = async (n: number) => {
    const key = (kind: string): string => `wx:late:${kind}:${n}`;
    for (const kind of ['replace', 'remove']) await store.add(key(kind), value('old'), LONG);
    const all = [
      () => store.add(key('add'), value('new'), LONG),
      () => store.replace(key('replace'), value('old'), value('new'), LONG),
      () => store.remove(key('remove')),
      () => store.count(key('count'), 1, LONG),
    ];
    const effects = async () => ({
      add: String(await store.get(key('add'))),
      replace: String(await store.get(key('replace'))),
      remove: String(await store.get(key('remove'))),
      count: (await store.count(key('count'), 0, LONG)).count,
    });
    return { all, effects };
  };
  const [OLD, NEW] = [String(value('old')), String(value('new'))];

  it.each(trials(100, 1))(
    'R2 fails calls in time while Redis is frozen, and each of their writes happens once or never, and not later',
    async (n) => {
      await store.add('wx:s:one', value('wx:s:one'), LONG);
      const [timedOut, refused] = [await prepareWrites(2 * n), await prepareWrites(2 * n + 1)];
      const untouched = await refused.effects();
      const lag = new Lag();
      redis.freeze();
      const writes = Promise.all(timedOut.all.map((write) => outcomeOf<unknown>(write)));
      const reads = load(16, get);
      await sleep(isFull ? 2_000 : 700);
      const whileFrozen = await reads.stop();
      const atOnce = await Promise.all(refused.all.map((write) => outcomeOf<unknown>(write)));
      const allowed = lag.end();
      expect(
        [...whileFrozen, ...(await writes), ...atOnce].filter(({ is }) => is !== 'unavailable'),
      ).toEqual([]);
      expect(slowest(whileFrozen)).toBeLessThan(LATEST + allowed);
      expect(whileFrozen.length).toBeGreaterThan(100); // the circuit is open, so later reads do not wait
      redis.thaw();
      expect(await timeUntil(isUp)).toBeLessThan(100 + allowed);
      expect((await get()).value).toEqual(value('wx:s:one'));
      const done = await timedOut.effects();
      expect(['undefined', NEW]).toContain(done.add);
      expect([OLD, NEW]).toContain(done.replace);
      expect([OLD, 'undefined']).toContain(done.remove);
      expect([0, 1]).toContain(done.count);
      await sleep(50);
      expect([await timedOut.effects(), await refused.effects()]).toEqual([done, untouched]);
    },
  );

  it.each(trials(50))('R9 works after Redis has lost its data and its scripts', async () => {
    await store.add('wx:s:one', value('wx:s:one'), LONG);
    await redis.run('FLUSHALL');
    await redis.run('SCRIPT', 'FLUSH');
    expect((await get()).is).toBe('absent');
    expect(await store.add('wx:s:one', value('wx:s:one'), LONG)).toBe(true);
    expect(await store.replace('wx:s:one', value('wx:s:one'), value('two'), LONG)).toBe(true);
    expect(await store.remove('wx:s:one', value('two'))).toBe(true);
  });

  it.each(trials(20))('R10 opens while Redis is down and works when it starts later', async () => {
    const later = await TestRedis.later();
    const early = await RedisStore.open({ url: later.url });
    const lag = new Lag();
    const outcome = await outcomeOf(() => early.get('wx:s:one'));
    expect(outcome.is).toBe('unavailable');
    expect(outcome.ms).toBeLessThan(AT_ONCE + lag.end());
    await later.start();
    await until(async () => (await outcomeOf(() => early.get('wx:s:one'))).is === 'absent');
    expect(await early.add('wx:s:one', value('x'), LONG)).toBe(true);
    await early.close();
    await later.end();
  });

  it('treats a key of another Redis type as absent', async () => {
    await redis.run('HSET', 'wx:s:hash', 'a', 'b');
    expect(await store.get('wx:s:hash')).toBeUndefined();
    expect(await store.take('wx:s:hash')).toBeUndefined();
    expect(await store.replace('wx:s:hash', value('a'), value('b'), LONG)).toBe(false);
    expect(await store.remove('wx:s:hash', value('a'))).toBe(false);
    expect(await store.add('wx:s:hash', value('a'), LONG)).toBe(false);
    expect((await outcomeOf(() => store.count('wx:s:hash', 1, LONG))).is).toBe('unavailable');
  });
});

describeRedis('the store behind a bad network', () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let store: RedisStore;
  const keys = Array.from({ length: 20 }, (_, i) => `wx:s:${i}`);
  const get = (key = keys[0]!): ReturnType<typeof outcomeOf<Buffer>> =>
    outcomeOf(() => store.get(key));
  const isUp = async (): Promise<boolean> => (await get()).is !== 'unavailable';

  beforeAll(async () => {
    redis = await TestRedis.start();
    proxy = await TcpProxy.start(redis.port);
    store = await RedisStore.open({ url: proxy.url });
    for (const key of keys) await store.add(key, value(key), 3_600_000);
    await store.replace(keys[0]!, value('none'), value('none'), LONG); // loads the scripts
    await store.remove(keys[0]!, value('none'));
    await store.count('wx:lost', 1, LONG);
  });
  afterAll(async () => {
    await store.close();
    await proxy.close();
    await redis.end();
  });
  beforeEach(async () => {
    proxy.pass();
    await until(isUp);
  });

  it.each(trials(50, 1))(
    'R3 fails in time while replies take 2 s, and recovers by itself',
    async () => {
      const lag = new Lag();
      proxy.always({ kind: 'delay', ms: 2_000 });
      const waited = [];
      for (let i = 0; i < TIMEOUTS_TO_OPEN; i++) waited.push(await get());
      const refused = [];
      for (let i = 0; i < 100; i++) refused.push(await get());
      const allowed = lag.end();
      expect([...waited, ...refused].filter(({ is }) => is !== 'unavailable')).toEqual([]);
      expect(slowest(waited)).toBeLessThan(LATEST + allowed);
      expect(slowest(refused)).toBeLessThan(AT_ONCE + allowed);
      proxy.pass();
      expect(await timeUntil(isUp)).toBeLessThan(3_000);
      expect((await get()).value).toEqual(value(keys[0]!));
    },
  );

  it.each(trials(30, 1))(
    `R4 returns all values while replies take 200 ms${often(100)}`,
    async () => {
      const lag = new Lag();
      proxy.always({ kind: 'delay', ms: 200 });
      const reads = await Promise.all(Array.from({ length: 100 }, () => get()));
      const allowed = lag.end();
      proxy.pass();
      expect(reads.filter(({ is }) => is !== 'value')).toEqual([]);
      expect(slowest(reads)).toBeLessThan(260 + allowed);
    },
  );

  it.each(trials(20, 1))(
    'R2 fails in time while the network passes nothing, and recovers when it passes everything',
    async () => {
      const lag = new Lag();
      proxy.always({ kind: 'blackhole' });
      const reads = await Promise.all(Array.from({ length: 64 }, () => get()));
      expect(reads.filter(({ is }) => is !== 'unavailable')).toEqual([]);
      expect(slowest(reads)).toBeLessThan(LATEST + lag.end());
      proxy.pass();
      await until(isUp);
      expect((await get(keys[7])).value).toEqual(value(keys[7]!));
    },
  );

  const broken: TcpFault[] = [
    { kind: 'reset' },
    { kind: 'close' },
    { kind: 'slicer' },
    { kind: 'limitData', bytes: 70 },
    { kind: 'garbage' },
  ];
  for (const fault of broken) {
    it.each(trials(300, 5))(
      `R5 returns the right value or fails when replies are broken: ${fault.kind}`,
      async () => {
        await until(isUp);
        if (fault.kind === 'slicer' || fault.kind === 'limitData') proxy.always(fault);
        else proxy.next(fault, 'GET');
        const lag = new Lag();
        const first = get(keys[0]);
        await sleep(5); // the reply to the first call is broken; no call may get the reply to another one
        const reads = await Promise.all([first, ...keys.slice(1).map((key) => get(key))]);
        const allowed = lag.end();
        reads.forEach(({ is, value: got }, i) =>
          expect([is, got]).toEqual(
            is === 'value' ? ['value', value(keys[i]!)] : ['unavailable', undefined],
          ),
        );
        expect(slowest(reads)).toBeLessThan(LATEST + allowed);
        proxy.pass();
        await until(isUp);
        expect((await Promise.all(keys.map((key) => get(key)))).map((read) => read.value)).toEqual(
          keys.map(value),
        );
      },
    );
  }

  it('control: the plain client returns the reply to another call', async () => {
    const plain = await createClient({ url: proxy.url })
      .on('error', () => {})
      .connect();
    proxy.next({ kind: 'garbage' }, 'GET');
    const first = plain.get(keys[1]!);
    await sleep(20);
    plain.get(keys[2]!).catch(() => {}); // gets no reply, because the first call has taken it
    expect(await first).toBe(String(value(keys[2]!)));
    plain.destroy();
  });

  it('control: the plain client has no timeout', async () => {
    const plain = await createClient({ url: proxy.url })
      .on('error', () => {})
      .connect();
    proxy.always({ kind: 'delay', ms: 1_000 });
    expect(await timeUntil(async () => (await plain.get(keys[0]!)) !== null)).toBeGreaterThan(
      2 * LATEST,
    );
    plain.destroy();
  });

  const lost = async (command: string, call: () => Promise<unknown>): Promise<void> => {
    await until(isUp);
    proxy.next({ kind: 'dropReply' }, command);
    expect((await outcomeOf(call)).is).toBe('unavailable');
    await until(isUp);
  };

  describe('with a lost reply to', () => {
    let key: string;
    let places = 0;
    const fresh = async (held?: string): Promise<void> => {
      key = `wx:lost:${++places}`;
      if (held !== undefined) await store.add(key, value(held), LONG);
    };

    it.each(trials(200))('R6 add, has added once, and a retry returns false', async () => {
      await fresh();
      await lost('SET', () => store.add(key, value('a'), LONG));
      expect(await store.get(key)).toEqual(value('a'));
      expect(await store.add(key, value('b'), LONG)).toBe(false);
    });

    it.each(trials(200))('R6 replace, has replaced once', async () => {
      await fresh('a');
      await lost('EVALSHA', () => store.replace(key, value('a'), value('b'), LONG));
      expect(await store.get(key)).toEqual(value('b'));
      expect(await store.replace(key, value('a'), value('c'), LONG)).toBe(false);
    });

    it.each(trials(200))('R6 remove, has removed, and a retry returns false', async () => {
      await fresh('a');
      await lost('DEL', () => store.remove(key));
      expect(await store.get(key)).toBeUndefined();
      await fresh('a');
      await lost('EVALSHA', () => store.remove(key, value('a')));
      expect(await store.remove(key, value('a'))).toBe(false);
    });

    it.each(trials(200))('R6 take, never returns the value twice', async () => {
      await fresh('a');
      await lost('GETDEL', () => store.take(key));
      expect(await store.take(key)).toBeUndefined();
    });

    it.each(trials(200))('R6 count, has counted once', async () => {
      await fresh();
      await lost('EVALSHA', () => store.count(key, 1, LONG));
      expect((await store.count(key, 0, LONG)).count).toBe(1);
    });
  });
});

it('the store is unavailable, and says so, while a sentinel names a primary without an address', async () => {
  const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
  const fake = await FakeResp.start();
  fake.reply = '*2\r\n$0\r\n\r\n$4\r\n6379';
  const sentinel = fake.url.replace('redis://', 'redis+sentinel://');
  const store = await RedisStore.open({ url: `${sentinel}/primary` });
  expect((await outcomeOf(() => store.get('k'))).is).toBe('unavailable');
  expect(logged.mock.calls.join()).toContain('no sentinel names the primary');
  logged.mockRestore();
  await store.close();
  await fake.close();
});

describe('the store, for an error reply of Redis', () => {
  let fake: FakeResp;
  let store: RedisStore;
  beforeAll(async () => {
    fake = await FakeResp.start();
    store = await RedisStore.open({ url: fake.url });
  });
  afterAll(async () => {
    await store.close();
    await fake.close();
  });

  const errors = [
    'LOADING x',
    'READONLY x',
    'MASTERDOWN x',
    'OOM x',
    'MISCONF x',
    'NOAUTH x',
    'NOPERM x',
    'MOVED 1 127.0.0.1:1',
    'CLUSTERDOWN x',
    'ERR x',
  ];
  for (const error of errors) {
    it.each(trials(20))(`R7 is unavailable or treats the key as absent: -${error}`, async () => {
      const calls: (() => Promise<unknown>)[] = [
        () => store.get('k'),
        () => store.add('k', value('a'), LONG),
        () => store.replace('k', value('a'), value('b'), LONG),
        () => store.remove('k'),
        () => store.take('k'),
        () => store.count('k', 1, LONG),
      ];
      for (const call of calls) {
        fake.reply = '$-1';
        await until(async () => (await outcomeOf(() => store.get('k'))).is === 'absent'); // after READONLY it reconnects
        fake.reply = `-${error}`;
        expect((await outcomeOf(call)).is).toBe('unavailable');
      }
    });
  }

  it.each(['READONLY x', 'MASTERDOWN x'])(
    'R7 connects again, because another server may be the primary now: -%s',
    async (error) => {
      const before = fake.accepted;
      fake.reply = `-${error}`;
      await until(async () => {
        await outcomeOf(() => store.get('k'));
        return fake.accepted > before;
      });
    },
  );

  it.each(trials(20))('R7 -WRONGTYPE', async () => {
    fake.reply = '$-1';
    await until(async () => (await outcomeOf(() => store.get('k'))).is === 'absent');
    fake.reply = '-WRONGTYPE Operation against a key holding the wrong kind of value';
    expect(await store.get('k')).toBeUndefined();
  });

  it.each(trials(20))('R5 refuses a reply of another type', async () => {
    for (const reply of [':1', '+OK', '*0', '$2\r\nno']) {
      fake.reply = reply;
      const call = reply.startsWith('$')
        ? (): Promise<unknown> => store.remove('k')
        : (): Promise<unknown> => store.get('k');
      expect((await outcomeOf(call)).is).toBe('unavailable');
      fake.reply = '$-1';
      await until(async () => (await outcomeOf(() => store.get('k'))).is === 'absent');
    }
  });
});

const never = (): Promise<never> => new Promise(() => {});

describe('the circuit breaker', () => {
  it('R2 refuses calls above the limit of calls in flight', async () => {
    const breaker = new CircuitBreaker(never);
    const waiting = Array.from({ length: MAX_IN_FLIGHT }, () =>
      outcomeOf(() => breaker.run(never).catch(unavailable)),
    );
    const surplus = await outcomeOf(() => breaker.run(never));
    expect(surplus.is).toBe('unavailable');
    expect(surplus.ms).toBeLessThan(CALL_TIMEOUT_MS / 2);
    breaker.stop();
    await Promise.all(waiting);
  });

  it('counts only consecutive timeouts', async () => {
    const breaker = new CircuitBreaker(never);
    const calls = Array.from({ length: TIMEOUTS_TO_OPEN - 1 }, () => breaker.run(never));
    await Promise.allSettled(calls);
    expect(await breaker.run(async () => 'value')).toBe('value');
    await Promise.allSettled(calls.map(() => breaker.run(never)));
    expect(await breaker.run(async () => 'value')).toBe('value');
  });

  it('control: without a timeout a call that gets no reply does not end', async () => {
    const winner = await Promise.race([never(), sleep(2 * LATEST, 'still waiting')]);
    expect(winner).toBe('still waiting');
  });
});

function unavailable(): undefined {
  return undefined;
}

function slowest(outcomes: { ms: number }[]): number {
  return outcomes.reduce((slowestYet, { ms }) => Math.max(slowestYet, ms), 0); // too many values for Math.max(...)
}

async function timeUntil(isSo: () => Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  await until(isSo);
  return performance.now() - startedAt;
}
