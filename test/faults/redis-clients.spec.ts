import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis as Redis5 } from 'ioredis';
import { Cluster, Redis } from 'ioredis-6';
import { createClient, createSentinel } from 'redis';
import { SOCKET_TIMEOUT_MS } from '../../libs/wechat/src/store/redis/redis.topology.js';
import type { RedisOptions } from '../../libs/wechat/src/store/redis/redis.topology.js';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { freePort } from '../support/free-port.js';
import { describeRedis, TestCluster, TestRedis, TestSentinels, until } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { responds } from './rows.js';

/** All other tests use node-redis 6 and ioredis 5. RESP3 is the default of version 6 of both, and some of its replies have other types. */
jest.mock('redis', () => jest.requireActual('redis-5'));

const LOCALHOST = '127.0.0.1';
const SEVERAL_ATTEMPTS_MS = 1_000;
const ignore = (): void => {};

beforeAll(() => Logger.overrideLogger(false));

describeRedis('the store with node-redis 5 and with ioredis 6', () => {
  const open: RedisStore[] = [];
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    for (const clean of cleanups.splice(0)) await clean();
  });

  const openAll = async (...redises: RedisOptions[]): Promise<RedisStore[]> => {
    for (const redis of redises) open.push(await RedisStore.open(redis));
    return open;
  };
  const kept = <T extends Redis | Cluster>(client: T): T => {
    client.on('error', ignore);
    cleanups.unshift(() => client.disconnect());
    return client;
  };
  const expectToStore = async (store: RedisStore): Promise<void> => {
    await until(() => responds(store));
    const key = `wx:any:${randomUUID()}`;
    expect(await store.add(key, Buffer.from('one'), 60_000)).toBe(true);
    expect(await store.add(key, Buffer.from('two'), 60_000)).toBe(false);
    expect(await store.replace(key, Buffer.from('one'), Buffer.from('two'), 60_000)).toBe(true);
    expect(String(await store.get(key))).toBe('two');
    expect(String(await store.take(key))).toBe('two');
    expect(await store.get(key)).toBeUndefined();
    expect((await store.count(key, 2, 60_000)).count).toBe(2);
    expect(await store.remove(key)).toBe(true);
  };

  it('stores on one server, and again after its restart', async () => {
    const redis = await TestRedis.start();
    cleanups.push(() => redis.end());
    const client = createClient({ url: redis.url }).on('error', ignore);
    await client.connect();
    cleanups.unshift(() => client.destroy());
    const stores = await openAll(
      { url: redis.url },
      { client: client as never },
      { client: kept(new Redis(redis.url)) },
    );
    for (const store of stores) await expectToStore(store);
    await redis.kill();
    for (const store of stores) expect(await responds(store)).toBe(false);
    await redis.start();
    for (const store of stores) await expectToStore(store);
  });

  it('stores again after a proxy without a server closed its connections, also without a ready check', async () => {
    const redis = await TestRedis.start();
    const proxy = await TcpProxy.start(redis.port);
    cleanups.push(
      () => proxy.close(),
      () => redis.end(),
    );
    const options = { enableReadyCheck: false };
    const clients = [new Redis5(proxy.url, options), new Redis(proxy.url, options)];
    for (const client of clients) kept(client as Redis);
    const stores = await openAll({ url: proxy.url }, ...clients.map((client) => ({ client })));
    for (const store of stores) await until(() => responds(store));
    for (const client of clients) client.disconnect(); // else it would add connections below
    proxy.leadTo(await freePort());
    await sleep(SEVERAL_ATTEMPTS_MS);
    proxy.leadTo(redis.port);
    for (const store of stores) await until(() => responds(store));
    const before = await connectionsOf(redis);
    await sleep(SOCKET_TIMEOUT_MS);
    expect(await connectionsOf(redis)).toBe(before + 1); // the connection that asks
  });

  it('is not ended by a sentinel that ends a connection of a Sentinel client of node-redis', async () => {
    const sentinels = await TestSentinels.start();
    const proxy = await TcpProxy.start(sentinels.ports[0]!);
    cleanups.push(
      () => proxy.close(),
      () => sentinels.end(),
    );
    const { password } = TestSentinels;
    const client = createSentinel({
      name: 'wechat',
      sentinelRootNodes: [
        { host: LOCALHOST, port: Number(new URL(proxy.url).port) },
        ...sentinels.addresses.slice(1),
      ],
      nodeClientOptions: { password },
      sentinelClientOptions: { password },
    }).on('error', ignore);
    const [store] = await openAll({ client: client as never });
    proxy.next({ kind: 'dropReply' }, 'SENTINEL');
    await client.connect();
    cleanups.unshift(() => client.destroy());
    await expectToStore(store!);
  });

  it('stores on the primary that sentinels name', async () => {
    const sentinels = await TestSentinels.start();
    cleanups.push(() => sentinels.end());
    const { password } = TestSentinels;
    const client = kept(
      new Redis({
        name: 'wechat',
        sentinels: sentinels.addresses,
        password,
        sentinelPassword: password,
      }),
    );
    const stores = await openAll({ url: sentinels.url }, { client });
    for (const store of stores) await expectToStore(store);
    await (await sentinels.primary()).kill();
    for (const store of stores) await expectToStore(store);
  });

  it('stores on a cluster', async () => {
    const cluster = await TestCluster.start();
    cleanups.push(() => cluster.end());
    const client = kept(
      new Cluster(cluster.masters.map(({ port }) => ({ host: LOCALHOST, port }))),
    );
    const stores = await openAll({ url: cluster.urls }, { client });
    for (const store of stores) for (let i = 0; i < 10; i++) await expectToStore(store);
  });
});

/** The number of connections so far. */
async function connectionsOf(redis: TestRedis): Promise<number> {
  const stats = String(await redis.run('INFO', 'stats'));
  return Number(/total_connections_received:(\d+)/.exec(stats)![1]);
}
