import { Logger } from '@nestjs/common';
import { Cluster } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCluster } from 'redis';
import { slotOf } from '../../libs/wechat/src/store/redis/cluster-slot.js';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { moveSlot } from '../support/redis-slots.js';
import { describeRedis, TestCluster, until } from '../support/redis.js';
import type { TestRedis } from '../support/redis.js';
import { Lag, outcomeOf, trials } from './rows.js';
import type { Outcome } from './rows.js';

const LONG = 600_000;
const LATEST = 300;
const AT_ONCE = 5;
const SLOTS_OF_THE_FIRST = 5461;
const SLOTS_OF_THE_LAST = 10_923;
const ignore = (): void => {};

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
  const read = (some: string[], from = store): Promise<Outcome[]> =>
    Promise.all(some.map((key) => outcomeOf(() => from.get(key))));
  const areUp = async (some: string[], from = store): Promise<boolean> =>
    (await read(some, from)).every(({ is }) => is !== 'unavailable');
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
    await until(() => isReplica(cluster.replica));
    await until(async () => (await removing(two!)) === 'value'); // after MOVED
    expect((await read([one!, two!])).map(({ is }) => is)).toEqual(['absent', 'absent']);
    await waiting.close();
  });

  it('R2 uses a node that responds again, also if a key that was first read from it is on a frozen node now', async () => {
    const [, from, to] = cluster.masters;
    const [moving, staying] = onOthers.filter((key) => slotOf(key) < SLOTS_OF_THE_LAST);
    const fresh = await RedisStore.open({ url: cluster.urls });
    await until(() => areUp([moving!], fresh));
    await moveSlot({ slot: slotOf(moving!), from: from!, to: to! });
    await until(() => areUp([moving!], fresh));
    for (const node of [from!, to!]) node.freeze();
    await read(
      Array.from({ length: 10 }, () => staying!),
      fresh,
    ); // opens the circuit
    from!.thaw();
    await until(() => areUp([staying!], fresh));
    to!.thaw();
    await until(() => areUp([moving!], fresh));
    await moveSlot({ slot: slotOf(moving!), from: to!, to: from! });
    await fresh.close();
  });

  it('R8 serves the keys of a node that was dead at the start when its replica takes over', async () => {
    await cluster.masters[0]!.kill();
    const late = await RedisStore.open({ url: cluster.urls });
    await until(() => areUp(onOthers, late));
    expectAll(await read(onTheFirst, late), 'unavailable', LATEST);
    await cluster.replica.run('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await until(() => areUp(keys, late));
    await late.close();
  });

  it('R1 a client of ioredis connects again after an old connection ended while it resolved the names of the nodes', async () => {
    const waiting: (() => void)[] = [];
    let lookups = 0;
    const [one, two, frozen] = cluster.masters;
    const client = new Cluster(
      cluster.masters.map(({ port }) => ({ host: 'localhost', port })),
      {
        lazyConnect: true,
        dnsLookup: (_, done) => {
          const found = (): void => done(null, '127.0.0.1');
          if (++lookups === 2) waiting.push(found);
          else found();
        },
      },
    );
    for (const node of [one!, two!]) await node.run('ACL', 'SETUSER', 'default', '-cluster');
    frozen!.freeze();
    const again = await RedisStore.open({ client });
    await until(() => waiting.length > 0);
    await sleep(2_500); // ioredis waits 2 s for the end of a connection
    waiting.pop()!();
    frozen!.thaw();
    for (const node of [one!, two!]) await node.run('ACL', 'SETUSER', 'default', '+cluster');
    await until(() => areUp(keys, again));
    await again.close();
    client.disconnect();
  });

  it('R8 finds the keys of a node that left the cluster while no call came, however the cluster is opened', async () => {
    const rootNodes = cluster.urls.map((url) => ({ url }));
    const eager = createCluster({ rootNodes });
    const lazy = createCluster({ rootNodes, minimizeConnections: true });
    const ioRedis = new Cluster(cluster.urls);
    for (const client of [eager, lazy, ioRedis]) client.on('error', ignore);
    await Promise.all([eager.connect(), lazy.connect()]);
    const stores = await Promise.all(
      [{ url: cluster.urls }, { client: eager }, { client: lazy }, { client: ioRedis }].map(
        (redis) => RedisStore.open(redis as never),
      ),
    );
    for (const one of stores) await until(() => areUp(keys, one));
    await replaceAndRemoveMaster(cluster);
    for (const one of stores) await until(() => areUp(keys, one));
    for (const one of stores) await one.close();
    for (const client of [eager, lazy]) client.destroy();
    ioRedis.disconnect();
  });
});

/** The replica of the first slots replaces their master, which then leaves the cluster and serves no slot any more. */
async function replaceAndRemoveMaster({ masters, replica }: TestCluster): Promise<void> {
  const [first, ...others] = masters;
  const pair = (await isReplica(first!)) ? [replica, first!] : [first!, replica];
  const [left, next] = pair as [TestRedis, TestRedis];
  const id = String(await left.run('CLUSTER', 'MYID'));
  await next.run('CLUSTER', 'FAILOVER', 'TAKEOVER');
  await until(() => isReplica(left));
  for (const node of [next, ...others]) await node.run('CLUSTER', 'FORGET', id);
  await left.run('CLUSTER', 'RESET');
}

async function isReplica(node: TestRedis): Promise<boolean> {
  return String(await node.run('ROLE')).startsWith('slave');
}
