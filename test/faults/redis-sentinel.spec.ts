import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { SessionService } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { createSentinel } from 'redis';
import type { RedisSentinelType } from 'redis';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { describeRedis, TestSentinels, until } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { responds, trials } from './rows.js';

/** How a service finds the primary: by itself, or with the client of one of two libraries. */
const FORMS = ['redis+sentinel://', 'a Sentinel client of node-redis', 'a client of ioredis'];

describeRedis('a primary with sentinels', () => {
  let wechat: WechatSandbox;
  let sentinels: TestSentinels;
  let nodeRedis: RedisSentinelType;
  let ioRedis: Redis;
  let apps: TeamApp[];
  let stores: RedisStore[];
  let user: SandboxUser;
  let logged: jest.SpyInstance;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
  });
  afterAll(() => wechat.close());

  beforeEach(async () => {
    logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
    jest.spyOn(console, 'log').mockImplementation(); // the Sentinel client of node-redis writes there
    sentinels = await TestSentinels.start();
    const { password } = TestSentinels;
    nodeRedis = createSentinel({
      name: 'wechat',
      sentinelRootNodes: sentinels.addresses,
      nodeClientOptions: { password },
      sentinelClientOptions: { password },
    }) as unknown as RedisSentinelType;
    await nodeRedis.on('error', () => {}).connect();
    ioRedis = new Redis({
      name: 'wechat',
      sentinels: sentinels.addresses,
      password,
      sentinelPassword: password,
      maxRetriesPerRequest: null,
    }).on('error', () => {});
    const options = [{ url: sentinels.url }, { client: nodeRedis }, { client: ioRedis }];
    stores = await Promise.all(options.map((redis) => RedisStore.open(redis)));
    apps = await Promise.all(stores.map((store) => startTeamApp(optionsFor(wechat, { store }))));
    user = wechat.users.create();
  });

  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await Promise.all(stores.map((store) => store.close()));
    await nodeRedis.destroy();
    ioRedis.disconnect();
    await sentinels.end();
    jest.restoreAllMocks();
  });

  const login = async (app: TeamApp): Promise<string> =>
    (await app.get(SessionService).login((await user.login()).code)).session_rd;
  const me = async (app: TeamApp, sessionRd: string): Promise<number> =>
    (await app.as(sessionRd, '/me')).status;
  /** Calls all applications until each has returned 200 ten times in a row. Returns every other status. */
  const failuresUntilAllWork = async (sessionRd: string): Promise<Set<number>> => {
    const failures = new Set<number>();
    const inARow = apps.map(() => 0);
    await until(async () => {
      const statuses = await Promise.all(apps.map((app) => me(app, sessionRd)));
      statuses.forEach((status, i) => (inARow[i] = status === 200 ? inARow[i]! + 1 : 0));
      for (const status of statuses) if (status !== 200) failures.add(status);
      expect(statuses).not.toContain(401);
      return inARow.every((count) => count >= 10);
    });
    return failures;
  };
  /** While sentinels exchange the primary, the old one takes writes for a moment. */
  const useOnePrimary = async (): Promise<boolean> => {
    for (const store of stores) {
      const key = `wx:any:${randomUUID()}`;
      await store.add(key, Buffer.of(1), 60_000);
      const found = await Promise.all(stores.map((other) => other.get(key)));
      if (found.includes(undefined)) return false;
    }
    return true;
  };
  const expectAllWork = async (): Promise<void> => {
    await until(() => useOnePrimary().catch(() => false));
    for (const app of apps) {
      const sessionRd = await login(app);
      expect(await Promise.all(apps.map((other) => me(other, sessionRd)))).toEqual([200, 200, 200]);
      await app.get(SessionService).revoke(sessionRd);
      expect(await Promise.all(apps.map((other) => me(other, sessionRd)))).toEqual([401, 401, 401]);
    }
  };

  it.each(trials(20, 1))(
    `R11 is followed when the sentinels exchange it and when it dies, and used on while no sentinel runs, by ${FORMS.join(', ')}`,
    async () => {
      await expectAllWork();
      const sessionRd = await login(apps[0]!);
      await until(() => isReplicated(sentinels).catch(() => false)); // a new replica closes connections
      await sentinels.failOver();
      await failuresUntilAllWork(sessionRd);
      await expectAllWork();

      const before = await sentinels.primary();
      await until(() => isReplicated(sentinels).catch(() => false)); // a new replica closes connections
      await before.kill();
      expect([...(await failuresUntilAllWork(sessionRd))]).toEqual([503]);
      expect(await sentinels.primary()).not.toBe(before);
      await expectAllWork();

      sentinels.killSentinels();
      const [ofUrl] = apps;
      for (let i = 0; i < 20; i++) expect(await me(ofUrl!, sessionRd)).toBe(200);
      expect(JSON.stringify(logged.mock.calls)).not.toContain('CANARY');
    },
    120_000,
  );

  it.each(trials(20, 1))(
    'R11 is followed by a client of ioredis that is notified of the failover while it waits for a sentinel that does not respond',
    async () => {
      const slow = await TcpProxy.start(sentinels.ports[0]!);
      const { port } = new URL(slow.url);
      const client = ioRedis
        .duplicate({
          sentinels: [{ host: '127.0.0.1', port: Number(port) }, ...sentinels.addresses.slice(1)],
          updateSentinels: false,
        })
        .on('error', () => {});
      const store = await RedisStore.open({ client });
      slow.always({ kind: 'blackhole' });
      await (await sentinels.primary()).kill();
      await until(() => responds(store));
      slow.pass();
      client.disconnect();
      await store.close();
      await slow.close();
    },
    120_000,
  );
});

/** Whether the replica has all writes so far. */
async function isReplicated({ servers }: TestSentinels): Promise<boolean> {
  const offsets = await Promise.all(
    servers.map(
      async (server) =>
        /(?:master|slave)_repl_offset:(\d+)/.exec(
          String(await server.run('INFO', 'replication')),
        )?.[1],
    ),
  );
  return offsets[0] === offsets[1];
}
