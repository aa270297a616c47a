import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { createClient } from 'redis';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { describeRedis, TestCluster, TestRedis, TestSentinels, until } from '../support/redis.js';

/** All other tests use node-redis 6, whose replies have other types by default. */
jest.mock('redis', () => jest.requireActual('redis-5'));

beforeAll(() => Logger.overrideLogger(false));

describeRedis('the store with node-redis 5', () => {
  const expectToStore = async (store: RedisStore): Promise<void> => {
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
  const responds = (store: RedisStore): Promise<boolean> =>
    store.get('wx:any').then(
      () => true,
      () => false,
    );

  it('stores on one server, by its URL and by a client, and again after its restart', async () => {
    const redis = await TestRedis.start();
    const client = createClient({ url: redis.url }).on('error', () => {});
    await client.connect();
    const stores = [
      await RedisStore.open({ url: redis.url }),
      await RedisStore.open({ client: client as never }),
    ];
    for (const store of stores) await expectToStore(store);
    await redis.kill();
    for (const store of stores) expect(await responds(store)).toBe(false);
    await redis.start();
    for (const store of stores) {
      await until(() => responds(store));
      await expectToStore(store);
      await store.close();
    }
    client.destroy();
    await redis.end();
  });

  it('stores on the primary that sentinels name', async () => {
    const sentinels = await TestSentinels.start();
    const store = await RedisStore.open({ url: sentinels.url });
    await until(() => responds(store));
    await expectToStore(store);
    await (await sentinels.primary()).kill();
    await until(() => responds(store));
    await expectToStore(store);
    await store.close();
    await sentinels.end();
  });

  it('stores on a cluster', async () => {
    const cluster = await TestCluster.start();
    const store = await RedisStore.open({ url: cluster.urls });
    for (let i = 0; i < 10; i++) await expectToStore(store);
    await store.close();
    await cluster.end();
  });
});
