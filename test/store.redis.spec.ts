import { Logger } from '@nestjs/common';
import { createCache } from 'cache-manager';
import { SessionService } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { createClient } from 'redis';
import type { RedisClientType } from 'redis';
import { describeRedis, TestCluster, TestRedis, until } from './support/redis.js';
import { TcpProxy } from './support/tcp-proxy.js';
import { optionsFor, startTeamApp } from './support/team-app.js';
import { cacheStores } from '../libs/wechat/src/store/cache.js';
import { RedisConnection } from '../libs/wechat/src/store/redis.connection.js';
import { RedisStore } from '../libs/wechat/src/store/redis.store.js';

const LONG = 60_000;
const HOUR = 3_600_000;
const isUp = (store: RedisStore): Promise<boolean> =>
  store.get('any').then(
    () => true,
    () => false,
  );

describeRedis('RedisStore', () => {
  let redis: TestRedis;
  let logged: jest.SpyInstance;
  const textOf = (): string => JSON.stringify(logged.mock.calls);
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.end());
  beforeEach(() => {
    logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
  });
  afterEach(() => jest.restoreAllMocks());

  describe('tells the time of Redis', () => {
    it.each([HOUR, -HOUR, 10_000, -10_000])(
      'whatever the own clock says: %i ms off from the start',
      async (skew) => {
        const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
        const real = Date.now.bind(Date);
        jest.spyOn(Date, 'now').mockImplementation(() => real() + skew);
        const store = await RedisStore.open({ url: redis.url });
        expect(Math.abs(store.now() - real())).toBeLessThan(100);
        expect(warned).toHaveBeenCalledTimes(1);
        expect(warned.mock.calls[0]![0]).toContain(
          `${Math.abs(skew) / 1000} s ${skew > 0 ? 'ahead of' : 'behind'} Redis's`,
        );
        await store.close();
      },
    );

    it.each([HOUR, -HOUR])('whatever is done to the own clock later: %i ms', async (jump) => {
      const store = await RedisStore.open({ url: redis.url });
      const real = Date.now.bind(Date);
      jest.spyOn(Date, 'now').mockImplementation(() => real() + jump);
      expect(Math.abs(store.now() - real())).toBeLessThan(100);
      await store.close();
    });

    it('and until it has told it, the own one, which is right in most places', async () => {
      const later = await TestRedis.later();
      const store = await RedisStore.open({ url: later.url });
      expect(Math.abs(store.now() - Date.now())).toBeLessThan(100);
      await store.close();
      await later.end();
    });

    it('asks for it again after a minute, and not before', async () => {
      const store = await RedisStore.open({ url: redis.url });
      const asked = jest.spyOn(RedisConnection.prototype, 'time');
      const elapsed = performance.now.bind(performance);
      store.now();
      jest.spyOn(performance, 'now').mockImplementation(() => elapsed() + 59_000);
      store.now();
      expect(asked).not.toHaveBeenCalled();
      jest.spyOn(performance, 'now').mockImplementation(() => elapsed() + 61_000);
      store.now();
      store.now();
      expect(asked).toHaveBeenCalledTimes(1);
      await asked.mock.results[0]!.value;
      await store.close();
    });

    it('with a clock of yours: from there on it is yours that moves', async () => {
      let yours = 1_000;
      const store = await RedisStore.open({ url: redis.url }, () => yours);
      const before = store.now();
      expect(Math.abs(before - Date.now())).toBeLessThan(100);
      yours += HOUR;
      expect(store.now() - before).toBe(HOUR);
      await store.close();
    });
  });

  describe('costs', () => {
    it('one GET to find a session, nothing to refuse an invented one', async () => {
      const wechat = await startWechatSandbox();
      const store = await RedisStore.open({ url: redis.url });
      const app = await startTeamApp(optionsFor(wechat, { store }));
      const sessions = app.get(SessionService);
      const { session_rd } = await sessions.login((await wechat.users.create().login()).code);
      const invented = `srd_${'A'.repeat(43)}`;

      expect(await commandsDuring(redis, () => sessions.find(session_rd))).toEqual({ get: 1 });
      expect(await commandsDuring(redis, () => app.as(session_rd, '/me'))).toEqual({ get: 1 });
      expect(await commandsDuring(redis, () => app.as(invented, '/me'))).toEqual({});
      expect(await commandsDuring(redis, () => app.as('nonsense', '/me'))).toEqual({});
      await app.close();
      await store.close();
      await wechat.close();
    });

    it('as many bytes of Redis for a login as the README says', async () => {
      await redis.run('FLUSHALL');
      const wechat = await startWechatSandbox();
      const store = await RedisStore.open({ url: redis.url });
      const app = await startTeamApp(optionsFor(wechat, { store }));
      await app.get(SessionService).login((await wechat.users.create().login()).code);
      const keys = ((await redis.run('KEYS', 'wx:*')) as string[]).toSorted();
      expect(keys.map((key) => key.slice(0, 5))).toEqual(['wx:s:', 'wx:u:']);
      const usage = await Promise.all(keys.map((key) => redis.run('MEMORY', 'USAGE', key)));
      const length = await Promise.all(keys.map((key) => redis.run('STRLEN', key)));
      process.stderr.write(
        `Redis holds a login in ${String(usage)} bytes (values ${String(length)}): session, user\n`,
      );
      expect(Number(usage[0])).toBeLessThanOrEqual(304);
      expect(Number(usage[1])).toBeLessThanOrEqual(200);
      await app.close();
      await store.close();
      await wechat.close();
    });
  });

  describe('ends', () => {
    it('D1 its own connection, after the answers that are on their way, once', async () => {
      const store = await RedisStore.open({ url: redis.url });
      const answers = Promise.all(
        Array.from({ length: 100 }, (_, i) => store.add(`wx:end:${i}`, Buffer.from('a'), LONG)),
      );
      await Promise.all([store.close(), store.close()]);
      expect((await answers).every(Boolean)).toBe(true);
      await store.close();
      await expect(store.get('wx:end:1')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      await until(async () => (await clientsOf(redis)) === 0);
    });

    it('an attempt to connect that comes through only later', async () => {
      const proxy = await TcpProxy.start(redis.port);
      proxy.always({ kind: 'blackhole' });
      const store = await RedisStore.open({ url: proxy.url });
      await store.close();
      proxy.pass();
      await until(() => proxy.connections === 0);
      await proxy.close();
    });

    it('D1 not the client of the team', async () => {
      const client = await theirClient(redis);
      const store = await RedisStore.open({ client });
      expect(await store.add('wx:theirs', Buffer.from('a'), LONG)).toBe(true);
      await store.close();
      expect(await client.get('wx:theirs')).toBe('a');
      expect([client.listenerCount('error'), client.listenerCount('ready')]).toEqual([1, 0]);
      client.destroy();
    });

    it('with the application that opened it', async () => {
      const connection = await RedisConnection.open({ url: redis.url });
      await connection.onApplicationShutdown();
      await connection.onApplicationShutdown();
      await expect(RedisStore.on(connection).then((store) => store.get('a'))).rejects.toMatchObject(
        { code: 'ERR_STORE_UNAVAILABLE' },
      );
    });
  });

  describe('says what is wrong, and nothing that is secret', () => {
    it('a password that is not right', async () => {
      await redis.run('ACL', 'SETUSER', 'wechat', 'on', '>CANARY_right', '~*', '+@all');
      const store = await RedisStore.open({
        url: redis.url.replace('//', '//wechat:CANARY_wrong@'),
      });
      await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      expect(textOf()).toContain('WRONGPASS');
      await redis.run('ACL', 'SETUSER', 'wechat', '>CANARY_wrong'); // somebody mends it
      await until(() => isUp(store));
      expect(textOf()).not.toContain('CANARY');
      await store.close();
    });

    it('a user who may not, and what he needs', async () => {
      await redis.run('ACL', 'SETUSER', 'reader', 'on', '>p', '~wx:*', '+get', '+ping', '+client');
      const store = await RedisStore.open({ url: redis.url.replace('//', '//reader:p@') });
      expect(await store.get('wx:s:a')).toBeUndefined();
      await expect(store.add('wx:s:a', Buffer.from('a'), LONG)).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
      });
      expect(textOf()).toContain('NOPERM. The user of the URL needs ~wx:* and');
      await store.close();
    });

    it('and those rights are enough', async () => {
      const rights =
        '+get +set +getdel +del +incrby +pttl +pexpire +eval +evalsha +time +ping'.split(' ');
      await redis.run('ACL', 'SETUSER', 'owner', 'on', '>p', '~wx:*', ...rights);
      await redis.run('SCRIPT', 'FLUSH');
      const store = await RedisStore.open({ url: redis.url.replace('//', '//owner:p@') });
      const [a, b] = [Buffer.from('a'), Buffer.from('b')];
      expect(await store.add('wx:o', a, LONG)).toBe(true);
      expect(await store.replace('wx:o', a, b, LONG)).toBe(true);
      expect(await store.remove('wx:o', b)).toBe(true);
      expect(await store.take('wx:o')).toBeUndefined();
      expect((await store.count('wx:o', 2, LONG)).count).toBe(2);
      expect(await store.remove('wx:o')).toBe(true);
      expect(textOf()).toBe('[]');
      await store.close();
    });

    it('one node of a cluster where several are needed', async () => {
      const node = await TestRedis.startClusterNode();
      const store = await RedisStore.open({ url: node.url });
      await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      expect(textOf()).toContain('CLUSTERDOWN');
      await store.close();
      await node.end();
    });

    it('a client of the team that nobody has connected', async () => {
      const client: RedisClientType = createClient({ url: redis.url });
      const store = await RedisStore.open({ client });
      await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      expect(textOf()).toContain('call its connect()');
      await client.connect();
      await until(() => isUp(store));
      await store.close();
      client.destroy();
    });
  });

  describe('shares its connection with the cache', () => {
    it('which keeps values under names of its own, for as long as told', async () => {
      const connection = await RedisConnection.open({ url: redis.url });
      const cache = createCache(await cacheStores(connection));
      await cache.set('user', { name: '张三' }, LONG);
      expect(await cache.get('user')).toEqual({ name: '张三' });
      expect(await cache.get('nobody')).toBeUndefined();
      expect(await cache.mget(['user', 'nobody'])).toEqual([{ name: '张三' }, undefined]);
      expect(await redis.run('PTTL', 'wx:c:user')).toBeGreaterThan(LONG - 5_000);
      await cache.del('user');
      expect(await cache.get('user')).toBeUndefined();
      await connection.close();
    });

    it('which cannot wipe out the sessions', async () => {
      const connection = await RedisConnection.open({ url: redis.url });
      const store = await RedisStore.on(connection);
      await store.add('wx:s:kept', Buffer.from('a'), LONG);
      const cache = createCache(await cacheStores(connection));
      await cache.clear().catch(() => {});
      expect(await store.get('wx:s:kept')).toEqual(Buffer.from('a'));
      await connection.close();
    });

    it('which is empty, and soon, where Redis does not answer', async () => {
      const frozen = await TestRedis.start();
      const connection = await RedisConnection.open({ url: frozen.url });
      const cache = createCache(await cacheStores(connection));
      frozen.freeze();
      const startedAt = performance.now();
      expect(await cache.get('user')).toBeUndefined();
      expect(await cache.wrap('user', async () => 'from WeChat', LONG)).toBe('from WeChat');
      expect(performance.now() - startedAt).toBeLessThan(1_500);
      await connection.close();
      await frozen.end();
    });
  });
});

describeRedis('RedisStore on a cluster', () => {
  it('ends all connections, those of the cache on the same client, too', async () => {
    const cluster = await TestCluster.start();
    const connection = await RedisConnection.open({ url: cluster.urls });
    const store = await RedisStore.on(connection);
    const cache = createCache(await cacheStores(connection));
    for (let i = 0; i < 20; i++) {
      await cache.set(`c${i}`, i, LONG);
      expect(await store.add(`wx:s:${i}`, Buffer.from('a'), LONG)).toBe(true);
    }
    expect(await cache.mget(['c1', 'c2', 'c3', 'c4'])).toEqual([1, 2, 3, 4]);
    await connection.close();
    for (const node of cluster.masters) await until(async () => (await clientsOf(node)) === 0);
    await cluster.end();
  });
});

async function theirClient(redis: TestRedis): Promise<RedisClientType> {
  const client: RedisClientType = createClient({ url: redis.url });
  client.on('error', () => {});
  return client.connect();
}

/** How many are connected, beside who asks. */
async function clientsOf(redis: TestRedis): Promise<number> {
  return (
    String(await redis.run('CLIENT', 'LIST', 'TYPE', 'normal'))
      .trim()
      .split('\n').length - 1
  );
}

/** What Redis carried out meanwhile, by name; our own questions to it and the clients' pings left out. */
async function commandsDuring(
  redis: TestRedis,
  work: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const client = await redis.client();
  await client.configResetStat();
  await work();
  const stats = await client.info('commandstats');
  client.destroy();
  const calls = [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(
    ([, name, count]) => [name!, Number(count)] as const,
  );
  return Object.fromEntries(
    calls.filter(([name]) => !/^(config|client|info|ping|hello)/.test(name)),
  );
}
