import { Cluster, Redis } from 'ioredis';
import { describeWechatStore } from 'nestjs-wechat/testing';
import { createClient, createCluster } from 'redis';
import type { RedisClientType, RedisClusterType } from 'redis';
import { MemoryStore } from '../libs/wechat/src/store/memory.store.js';
import { RedisStore } from '../libs/wechat/src/store/redis/redis.store.js';
import { describeRedis, TestCluster, TestRedis } from './support/redis.js';

describeWechatStore('MemoryStore', () => new MemoryStore());

describeRedis('RedisStore', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.end());

  describeWechatStore('on its own connection', async () => {
    const store = await RedisStore.open({ url: redis.url });
    return { store, close: () => store.close() };
  });

  describe('with a client of the application', () => {
    let client: RedisClientType;

    describeWechatStore('fulfils the contract', async () => {
      client = createClient({ url: redis.url });
      await client.connect();
      const store = await RedisStore.open({ client });
      return { store, close: () => store.close() };
    });

    afterAll(() => client.destroy());

    it('does not close it', async () => {
      expect(await client.ping()).toBe('PONG');
    });
  });

  describe('with a client of ioredis', () => {
    let client: Redis;

    describeWechatStore('fulfils the contract', async () => {
      client = new Redis(redis.url, { maxRetriesPerRequest: null }); // as BullMQ requires
      const store = await RedisStore.open({ client });
      return { store, close: () => store.close() };
    });

    afterAll(() => client.disconnect());

    it('does not close it', async () => {
      expect(await client.ping()).toBe('PONG');
    });
  });
});

describeRedis('RedisStore on a Redis Cluster', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start();
  });
  afterAll(() => cluster.end());

  describeWechatStore('on its own connection', async () => {
    const store = await RedisStore.open({ url: cluster.urls });
    return { store, close: () => store.close() };
  });

  describe('with a client of the application', () => {
    let client: RedisClusterType;

    describeWechatStore('fulfils the contract', async () => {
      client = createCluster({
        rootNodes: [{ url: cluster.urls[0] }],
      }) as unknown as RedisClusterType;
      await client.connect();
      const store = await RedisStore.open({ client });
      return { store, close: () => store.close() };
    });

    afterAll(() => client.destroy());

    it('does not close it', async () => {
      expect(await client.sendCommand('any', false, ['PING'])).toBe('PONG');
    });
  });

  describe('with a cluster client of ioredis', () => {
    let client: Cluster;

    describeWechatStore('fulfils the contract', async () => {
      client = new Cluster(cluster.urls);
      const store = await RedisStore.open({ client });
      return { store, close: () => store.close() };
    });

    afterAll(() => client.disconnect());

    it('does not close it', async () => {
      expect(await client.ping()).toBe('PONG');
    });
  });
});
