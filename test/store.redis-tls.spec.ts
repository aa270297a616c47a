import { Logger } from '@nestjs/common';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { createClient } from 'redis';
import type { RedisClientType } from 'redis';
import { RedisConnection } from '../libs/wechat/src/store/redis/redis.connection.js';
import { RedisStore } from '../libs/wechat/src/store/redis/redis.store.js';
import { Instance, killInstances } from './faults/instance.js';
import { describeWechatStore } from 'nestjs-wechat/testing';
import { Certificates, describeOpenssl } from './support/certificates.js';
import { freePort } from './support/free-port.js';
import { TestCluster, TestRedis, until } from './support/redis.js';

const LONG = 60_000;
const PASSWORD = 'CANARY p@ss/word:';
/** The client sends PING once a second. */
const LONG_ENOUGH = 1_200;

describeOpenssl('Redis with TLS, for a user with the permissions that the log names', () => {
  let certificates: Certificates;
  let redis: TestRedis;
  let url: string;
  let rights: string[];
  let logged: jest.SpyInstance;
  const textOf = (): string => JSON.stringify(logged.mock.calls);
  const allow = (...commands: string[]): Promise<unknown> =>
    redis.run(
      'ACL',
      'SETUSER',
      'wechat',
      'reset',
      'on',
      `>${PASSWORD}`,
      '~wx:*',
      ...commands.map((command) => `+${command}`),
    );

  beforeAll(async () => {
    certificates = new Certificates();
    const port = await freePort();
    redis = await TestRedis.start(...certificates.redisArgs(port));
    url = `rediss://wechat:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;
  });
  afterAll(async () => {
    await redis.end();
    certificates.remove();
  });
  beforeEach(() => {
    logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
  });
  afterEach(() => jest.restoreAllMocks());

  /** Trusts the authority of the test, as NODE_EXTRA_CA_CERTS does for a process. */
  const trust = (): void => {
    const connect = tls.connect.bind(tls) as (options: object) => tls.TLSSocket;
    jest
      .spyOn(tls, 'connect')
      .mockImplementation(((options: object) =>
        connect({ ...options, ca: certificates.caText })) as never);
  };

  it('logs the permissions that are needed if some are missing', async () => {
    trust();
    await allow('get', 'ping');
    const store = await RedisStore.open({ url });
    await expect(store.add('wx:s:a', Buffer.from('a'), LONG)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    });
    await store.close();
    const [, commands, more] =
      /NOPERM\. The user of the URL needs ~wx:\* \(or your key prefix\) and ([a-z, ]+); .*waitReplicas also (wait)\./.exec(
        textOf(),
      )!;
    rights = [...commands!.split(', '), more!];
    expect(rights).toHaveLength(12);
  });

  describe('by its URL', () => {
    beforeAll(async () => {
      trust();
      await allow(...rights);
      await redis.run('SCRIPT', 'FLUSH');
    });

    describeWechatStore('the store fulfils its contract', async () => {
      const store = await RedisStore.open({ url });
      return { store, close: () => store.close() };
    });
  });

  it('works on a cluster whose nodes use TLS', async () => {
    trust();
    const cluster = await TestCluster.start((port) => certificates.redisArgs(port));
    const nodes = [...cluster.masters, cluster.replica];
    const permit = [...rights, 'cluster|slots'].map((command) => `+${command}`);
    for (const node of nodes)
      await node.run('ACL', 'SETUSER', 'wechat', 'reset', 'on', `>${PASSWORD}`, '~wx:*', ...permit);
    const [first, ...others] = cluster.masters.map(
      ({ tlsPort }) => `rediss://127.0.0.1:${tlsPort}`,
    );
    const store = await RedisStore.open({
      url: [first!.replace('//', `//wechat:${encodeURIComponent(PASSWORD)}@`), ...others],
    });
    for (let i = 0; i < 20; i++)
      expect(await store.add(`wx:s:${i}`, Buffer.from('a'), LONG)).toBe(true);
    expect(await store.replace('wx:s:1', Buffer.from('a'), Buffer.from('b'), LONG)).toBe(true);
    expect(textOf()).toBe('[]');
    await store.close();
    await cluster.end();
  });

  /** Sends every command that the library uses. */
  const everything = async (howLong = 0): Promise<void> => {
    const connection = await RedisConnection.open({ url, waitReplicas: 1 });
    const store = await RedisStore.on(connection);
    const [a, b] = [Buffer.from('a'), Buffer.from('b')];
    const calls: (() => Promise<unknown>)[] = [
      () => store.add('wx:one', a, LONG),
      () => store.get('wx:one'),
      () => store.replace('wx:one', a, b, LONG),
      () => store.remove('wx:one', b),
      () => store.take('wx:one'),
      () => store.remove('wx:one'),
      () => store.count('wx:one', 1, LONG),
    ];
    for (const call of calls) await call().catch(() => {});
    await sleep(howLong);
    await connection.close();
  };
  /** Scripts have another text for a refused command. */
  const REFUSAL = /NOPERM|refused a command/;
  const forget = async (): Promise<void> => {
    await redis.run('FLUSHALL');
    await redis.run('SCRIPT', 'FLUSH');
    logged.mockClear();
  };

  it('allows every command of the library with these permissions', async () => {
    trust();
    await allow(...rights);
    await forget();
    await everything(LONG_ENOUGH);
    expect(textOf()).not.toMatch(REFUSAL);
    expect(textOf()).not.toContain('CANARY');
  });

  it('needs each of these permissions', async () => {
    trust();
    const unneeded = [];
    for (const right of rights) {
      await allow(...rights.filter((other) => other !== right));
      await forget();
      await everything(right === 'ping' ? LONG_ENOUGH : 0);
      if (!REFUSAL.test(textOf())) unneeded.push(right);
    }
    expect(unneeded).toEqual([]);
    await allow(...rights);
  });

  it('works with a client of the application that trusts its own authority', async () => {
    const client: RedisClientType = createClient({
      url,
      socket: { tls: true, ca: certificates.caText },
    });
    await client.connect();
    const store = await RedisStore.open({ client });
    expect(await store.add('wx:own', Buffer.from('a'), LONG)).toBe(true);
    await store.close();
    client.destroy();
  });

  describe('an application', () => {
    let wechat: WechatSandbox;
    let otherAuthority: Certificates;
    beforeAll(async () => {
      wechat = await startWechatSandbox();
      otherAuthority = new Certificates();
      await allow(...rights);
    });
    afterAll(async () => {
      killInstances();
      await wechat.close();
      otherAuthority.remove();
    });
    const startTrusting = ({ ca }: Certificates): Promise<Instance> =>
      Instance.start(wechat, { url }, {}, { NODE_EXTRA_CA_CERTS: ca });
    const login = async (at: Instance): Promise<Response> =>
      at.login((await wechat.users.create().login()).code);
    const tokenOf = async (response: Response): Promise<string> =>
      ((await response.json()) as { session_rd: string }).session_rd;

    it('works with the authority in NODE_EXTRA_CA_CERTS; with another authority it starts, returns 503 and logs the reason without the password', async () => {
      const [trusting, wrong] = await Promise.all([
        startTrusting(certificates),
        startTrusting(otherAuthority),
      ]);
      const sessionRd = await tokenOf(await login(trusting));
      expect(await trusting.me(sessionRd)).toBe(200);
      expect(await wrong.me(sessionRd)).toBe(503);
      expect((await login(wrong)).status).toBe(503);
      expect(await wrong.me('srd_invented')).toBe(401);
      await until(() => wrong.log.includes('certificate'));
      expect(wrong.log).toMatch(/WechatStore.* Redis: .*certificate/);
      expect(wrong.log + trusting.log).not.toContain('CANARY');
      const next = await tokenOf(await trusting.post('/refresh', sessionRd));
      expect(await trusting.me(next)).toBe(200);
      expect((await trusting.post('/logout', next)).status).toBe(201);
      expect(await trusting.me(next)).toBe(401);
      expect(trusting.log).toBe('');
    });
  });
});
