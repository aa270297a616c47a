import { Logger } from '@nestjs/common';
import { SessionService, WechatStore } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { createClient } from 'redis';
import type { RedisClientType } from 'redis';
import { describeRedis, TestCluster, TestRedis, until } from './support/redis.js';
import { TcpProxy } from './support/tcp-proxy.js';
import { optionsFor, startTeamApp } from './support/team-app.js';
import { RedisConnection } from '../libs/wechat/src/store/redis/redis.connection.js';
import { RedisStore } from '../libs/wechat/src/store/redis/redis.store.js';

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

  describe('uses the time of Redis', () => {
    it.each([HOUR, -HOUR, 10_000, -10_000])(
      'if the clock of the machine is %i ms off',
      async (skew) => {
        const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
        const real = Date.now.bind(Date);
        jest.spyOn(Date, 'now').mockImplementation(() => real() + skew);
        const store = await RedisStore.open({ url: redis.url });
        expect(Math.abs(store.clock.now() - real())).toBeLessThan(100);
        expect(warned).toHaveBeenCalledTimes(1);
        expect(warned.mock.calls[0]![0]).toContain(
          `${Math.abs(skew) / 1000} s ${skew > 0 ? 'ahead of' : 'behind'} Redis's`,
        );
        await store.close();
      },
    );

    it.each([HOUR, -HOUR])('if the clock of the machine is set by %i ms later', async (jump) => {
      const store = await RedisStore.open({ url: redis.url });
      const real = Date.now.bind(Date);
      jest.spyOn(Date, 'now').mockImplementation(() => real() + jump);
      expect(Math.abs(store.clock.now() - real())).toBeLessThan(100);
      await store.close();
    });

    it('and the clock of the machine until Redis has replied', async () => {
      const later = await TestRedis.later();
      const store = await RedisStore.open({ url: later.url });
      expect(Math.abs(store.clock.now() - Date.now())).toBeLessThan(100);
      await store.close();
      await later.end();
    });

    it('and reads it again after a minute', async () => {
      const store = await RedisStore.open({ url: redis.url });
      const timeCommand = jest.spyOn(RedisConnection.prototype, 'time');
      const elapsed = performance.now.bind(performance);
      store.clock.now();
      jest.spyOn(performance, 'now').mockImplementation(() => elapsed() + 59_000);
      store.clock.now();
      expect(timeCommand).not.toHaveBeenCalled();
      jest.spyOn(performance, 'now').mockImplementation(() => elapsed() + 61_000);
      store.clock.now();
      store.clock.now();
      expect(timeCommand).toHaveBeenCalledTimes(1);
      await timeCommand.mock.results[0]!.value;
      await store.close();
    });
  });

  describe('sends', () => {
    it('one GET to find a session, and no command for a forged token', async () => {
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

    it('no more bytes for a session than the README states', async () => {
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

  describe('close', () => {
    it('D1 closes its own connection once, after all replies', async () => {
      const store = await RedisStore.open({ url: redis.url });
      const values = Promise.all(
        Array.from({ length: 100 }, (_, i) => store.add(`wx:end:${i}`, Buffer.from('a'), LONG)),
      );
      await Promise.all([store.close(), store.close()]);
      expect((await values).every(Boolean)).toBe(true);
      await store.close();
      await expect(store.get('wx:end:1')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      await until(async () => (await clientsOf(redis)) === 0);
    });

    it('closes a connection that is established after the call of close', async () => {
      const proxy = await TcpProxy.start(redis.port);
      proxy.always({ kind: 'blackhole' });
      const store = await RedisStore.open({ url: proxy.url });
      await store.close();
      proxy.pass();
      await until(() => proxy.connections === 0);
      await proxy.close();
    });

    it('D1 leaves the client of the application open', async () => {
      const client = await theirClient(redis);
      const store = await RedisStore.open({ client });
      expect(await store.add('wx:theirs', Buffer.from('a'), LONG)).toBe(true);
      await store.close();
      expect(await client.get('wx:theirs')).toBe('a');
      expect([client.listenerCount('error'), client.listenerCount('ready')]).toEqual([1, 0]);
      client.destroy();
    });

    it('runs when the application shuts down', async () => {
      const connection = await RedisConnection.open({ url: redis.url });
      await connection.onApplicationShutdown();
      await connection.onApplicationShutdown();
      await expect(RedisStore.on(connection).then((store) => store.get('a'))).rejects.toMatchObject(
        { code: 'ERR_STORE_UNAVAILABLE' },
      );
    });
  });

  describe('logs the cause of a failure without secrets', () => {
    it('a wrong password', async () => {
      await redis.run('ACL', 'SETUSER', 'wechat', 'on', '>CANARY_right', '~*', '+@all');
      const store = await RedisStore.open({
        url: redis.url.replace('//', '//wechat:CANARY_wrong@'),
      });
      await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      expect(textOf()).toContain('WRONGPASS');
      await redis.run('ACL', 'SETUSER', 'wechat', '>CANARY_wrong'); // the operator corrects the password
      await until(() => isUp(store));
      expect(textOf()).not.toContain('CANARY');
      await store.close();
    });

    it('a user without permissions, and the permissions that it needs', async () => {
      await redis.run('ACL', 'SETUSER', 'reader', 'on', '>p', '~wx:*', '+get', '+ping', '+client');
      const store = await RedisStore.open({ url: redis.url.replace('//', '//reader:p@') });
      expect(await store.get('wx:s:a')).toBeUndefined();
      await expect(store.add('wx:s:a', Buffer.from('a'), LONG)).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
      });
      expect(textOf()).toContain(
        'NOPERM. The user of the URL needs ~wx:* (or your key prefix) and',
      );
      await store.close();
    });

    it('and works with these permissions', async () => {
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

    it('one node of a cluster instead of several', async () => {
      const node = await TestRedis.startClusterNode();
      const store = await RedisStore.open({ url: node.url });
      await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      expect(textOf()).toContain('CLUSTERDOWN');
      await store.close();
      await node.end();
    });

    it('several servers without cluster support, which stop the start', async () => {
      const urls = [redis.url, redis.url.replace('127.0.0.1', 'localhost')];
      await expect(RedisStore.open({ url: urls })).rejects.toThrow(
        /redis\.url \(REDIS_URL\) names several servers.*cluster support is disabled/,
      );
      await until(async () => (await clientsOf(redis)) === 0);
    });

    it('a client of the application that is not connected', async () => {
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
});

describeRedis('The key prefix', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.end());
  beforeEach(() => redis.run('FLUSHALL'));

  /** Writes the library's own keys and one of the application, as each verb does. Returns the names in Redis. */
  const namesAfterUse = async (keyPrefix?: string): Promise<string[]> => {
    const wechat = await startWechatSandbox();
    const app = await startTeamApp(optionsFor(wechat, { redis: { url: redis.url, keyPrefix } }));
    await app.get(SessionService).login((await wechat.users.create().login()).code);
    await app.get(WechatStore).add('app:ticket', Buffer.from('1'), LONG);
    await app.close();
    await wechat.close();
    return ((await redis.run('KEYS', '*')) as string[]).map((name) =>
      name.replace(/[\w-]{16,}$/, ''),
    );
  };

  it('is wx: by default, for keys of the library and of the application', async () => {
    expect((await namesAfterUse()).toSorted()).toEqual(['wx:app:ticket', 'wx:s:', 'wx:u:']);
  });

  it('is what the option says', async () => {
    expect((await namesAfterUse('shop/')).toSorted()).toEqual([
      'shop/app:ticket',
      'shop/s:',
      'shop/u:',
    ]);
  });

  it('separates two applications on one Redis', async () => {
    const wechat = await startWechatSandbox();
    const start = (keyPrefix: string) =>
      startTeamApp(optionsFor(wechat, { redis: { url: redis.url, keyPrefix } }));
    const [shop, other] = [await start('shop:'), await start('other:')];
    const { session_rd } = await shop
      .get(SessionService)
      .login((await wechat.users.create().login()).code);
    expect((await shop.as(session_rd, '/me')).status).toBe(200);
    expect((await other.as(session_rd, '/me')).status).toBe(401);
    await Promise.all([shop.close(), other.close(), wechat.close()]);
  });

  it('lets every verb work for an ACL user with ~wx:*, for keys of the application too', async () => {
    const rights = '+get +set +getdel +del +incrby +pttl +pexpire +eval +evalsha +time +ping'.split(
      ' ',
    );
    await redis.run('ACL', 'SETUSER', 'limited', 'on', '>p', '~wx:*', ...rights);
    const store = await RedisStore.open({ url: redis.url.replace('//', '//limited:p@') });
    const [a, b] = [Buffer.from('a'), Buffer.from('b')];
    for (const key of ['wx:s:one', 'app:registration:one', 'x']) {
      expect(await store.add(key, a, LONG)).toBe(true);
      expect(await store.get(key)).toEqual(a);
      expect(await store.replace(key, a, b, LONG)).toBe(true);
      expect(await store.remove(key, b)).toBe(true);
      expect(await store.take(key)).toBeUndefined();
      expect((await store.count(key, 1, LONG)).count).toBe(1);
      expect(await store.remove(key)).toBe(true);
    }
    await store.close();
  });

  it('control: Redis refuses a key without the prefix to this user', async () => {
    await redis.run('ACL', 'SETUSER', 'limited', 'on', '>p', '~wx:*', '+set');
    const client = createClient({ url: redis.url.replace('//', '//limited:p@') });
    client.on('error', () => {});
    await client.connect();
    await expect(client.set('app:registration:one', '1')).rejects.toThrow('NOPERM');
    client.destroy();
  });
});

describeRedis('RedisStore on a cluster', () => {
  it('closes the connections to all nodes', async () => {
    const cluster = await TestCluster.start();
    const connection = await RedisConnection.open({ url: cluster.urls });
    const store = await RedisStore.on(connection);
    for (let i = 0; i < 20; i++) {
      expect(await store.add(`wx:s:${i}`, Buffer.from('a'), LONG)).toBe(true);
    }
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

/** The number of connections besides this one. */
async function clientsOf(redis: TestRedis): Promise<number> {
  return (
    String(await redis.run('CLIENT', 'LIST', 'TYPE', 'normal'))
      .trim()
      .split('\n').length - 1
  );
}

/** The number of commands by name. Commands of the test itself and pings are left out. */
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
