import { Logger } from '@nestjs/common';
import { slotOf } from '../../libs/wechat/src/store/redis/cluster-slot.js';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { describeRedis, TestCluster, until } from '../support/redis.js';
import { Lag, outcomeOf, trials } from './rows.js';
import type { Outcome } from './rows.js';

const LONG = 600_000;
const LATEST = 300;
const AT_ONCE = 5;
const SLOTS_OF_THE_FIRST = 5461;

function expectAll(outcomes: Outcome[], is: Outcome['is'], within: number): void {
  expect([...new Set(outcomes.map((one) => one.is))]).toEqual([is]);
  expect(Math.max(...outcomes.map(({ ms }) => ms))).toBeLessThan(within);
}

beforeAll(() => Logger.overrideLogger(false));

describeRedis('the store on a cluster', () => {
  let cluster: TestCluster;
  let store: RedisStore;
  const keys = Array.from({ length: 30 }, (_, i) => `wx:s:${i}`);
  const onTheFirst = keys.filter((key) => slotOf(key) < SLOTS_OF_THE_FIRST);
  const onOthers = keys.filter((key) => slotOf(key) >= SLOTS_OF_THE_FIRST);
  const read = (some: string[]): Promise<Outcome[]> =>
    Promise.all(some.map((key) => outcomeOf(() => store.get(key))));
  const areUp = async (some: string[]): Promise<boolean> =>
    (await read(some)).every(({ is }) => is !== 'unavailable');
  beforeAll(async () => {
    cluster = await TestCluster.start();
    store = await RedisStore.open({ url: cluster.urls });
  });
  afterAll(async () => {
    await store.close();
    await cluster.end();
  });
  beforeEach(async () => {
    for (const node of cluster.masters) node.thaw(); // ends a fault of the previous trial
    await Promise.all(cluster.masters.map((node) => node.start()));
    await until(() => areUp(keys));
    for (const key of keys) await store.add(key, Buffer.from(key), LONG);
  });

  it('computes the slots that Redis computes', async () => {
    const some = ['a', 'wx:s:abc', '{tag}rest', 'x{tag}y{other}', 'x{}y', '{', 'é', ''];
    const slots = await Promise.all(
      some.map((key) => cluster.masters[0]!.run('CLUSTER', 'KEYSLOT', key)),
    );
    expect(some.map(slotOf)).toEqual(slots);
  });

  it.each(trials(50, 1))(
    'R2 fails fast for the keys of a frozen node, and serves all other keys',
    async () => {
      const lag = new Lag();
      cluster.masters[0]!.freeze();
      const waited = await read(keys);
      const after = [await read(onTheFirst), await read(onOthers)] as const;
      const allowed = lag.end();
      expectAll(
        waited.filter((_, i) => onTheFirst.includes(keys[i]!)),
        'unavailable',
        LATEST + allowed,
      );
      expectAll(
        waited.filter((_, i) => onOthers.includes(keys[i]!)),
        'value',
        LATEST + allowed,
      );
      expectAll(after[0], 'unavailable', AT_ONCE + allowed);
      expectAll(after[1], 'value', LATEST + allowed);
      cluster.masters[0]!.thaw();
      await until(() => areUp(keys));
      expectAll(await read(keys), 'value', LATEST + allowed);
    },
  );

  it.each(trials(20))('R1 fails for the keys of a killed node until it is back', async () => {
    const lag = new Lag();
    await cluster.masters[1]!.kill();
    const outcomes = await read(keys);
    expect(outcomes.map(({ is }) => is)).toEqual(expect.arrayContaining(['value', 'unavailable']));
    expect(Math.max(...outcomes.map(({ ms }) => ms))).toBeLessThan(LATEST + lag.end());
    expectAll(await read(onTheFirst), 'value', LATEST);
    await cluster.masters[1]!.start();
    await until(() => areUp(keys));
  });

  it('R8 serves the keys of a lost node again when its replica takes over, without a restart', async () => {
    await cluster.masters[0]!.kill();
    await until(async () => (await read(onTheFirst)).every(({ is }) => is === 'unavailable'));
    await cluster.replica.run('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await until(() => areUp(onTheFirst));
    expectAll(await read(keys), 'value', LATEST);
  });

  it('R8 with waitReplicas waits at the node of the removed key, before and after its slot moves', async () => {
    const waiting = await RedisStore.open({ url: cluster.urls, waitReplicas: 1 });
    const removing = async (key: string): Promise<Outcome['is']> =>
      (await outcomeOf(() => waiting.remove(key))).is;
    const [one, two] = onTheFirst;
    await until(async () => (await removing(one!)) === 'value'); // the replica has replaced the first node
    expect(await removing(onOthers[0]!)).toBe('unavailable'); // the other nodes have no replica
    await cluster.masters[0]!.run('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await until(async () => String(await cluster.replica.run('ROLE')).startsWith('slave'));
    await until(async () => (await removing(two!)) === 'value'); // after MOVED
    expect((await read([one!, two!])).map(({ is }) => is)).toEqual(['absent', 'absent']);
    await waiting.close();
  });
});
