import { Controller, Get, Logger, Post, Query, UseGuards } from '@nestjs/common';
import { CurrentSession, SessionGuard, SessionRd, SessionService } from 'nestjs-wechat';
import type { IssuedSession, WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { optionsFor, startTeamApp, TeamController } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { outcomeOf, trials } from './rows.js';

const LONG = 60_000;
/** How long a removal waits for replicas, in milliseconds. */
const REPLICA_WAIT_MS = 150;

@Controller()
class LoginController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  login(@Query('code') code: string): Promise<IssuedSession> {
    return this.sessions.login(code);
  }

  /** Not guarded, because a client that got 503 may have no session any more and retries. */
  @Post('logout')
  logout(@SessionRd() sessionRd = ''): Promise<void> {
    return this.sessions.revoke(sessionRd);
  }

  @Post('logout-all')
  @UseGuards(SessionGuard)
  logoutAll(@CurrentSession() session: WechatSession): Promise<number> {
    return this.sessions.revokeAll(session);
  }

  @Get('logout-one')
  @UseGuards(SessionGuard)
  logoutOne(@CurrentSession() session: WechatSession, @Query('id') id: string): Promise<void> {
    return this.sessions.revokeById(session, id);
  }
}

/** A primary and the replica that replaces it. Tests can stop the replication link. */
class Pair {
  private constructor(
    public primary: TestRedis,
    private replica: TestRedis,
    private link: TcpProxy,
    readonly door: TcpProxy,
  ) {}

  static async start(): Promise<Pair> {
    const primary = await TestRedis.start('--repl-diskless-sync-delay', '0');
    const [replica, link] = await replicaOf(primary);
    return new Pair(primary, replica, link, await TcpProxy.start(primary.port));
  }

  /** Waits until the replica has all writes so far. */
  async inStep(): Promise<void> {
    const offset = async (redis: TestRedis): Promise<string | undefined> =>
      /(?:master|slave)_repl_offset:\d+/
        .exec(String(await redis.run('INFO', 'replication')))?.[0]
        .split(':')[1];
    await until(async () => (await offset(this.primary)) === (await offset(this.replica)));
  }

  /** Stops replication: later writes exist on the primary only. */
  holdUpLink(): void {
    this.link.always({ kind: 'blackhole' });
  }

  restoreLink(): void {
    this.link.pass();
  }

  /** Kills the primary, promotes the replica, and redirects the clients to it. */
  async failOver(): Promise<void> {
    await this.primary.kill();
    await this.link.close();
    await this.replica.run('REPLICAOF', 'NO', 'ONE');
    await this.primary.end();
    this.primary = this.replica;
    this.door.leadTo(this.primary.port);
  }

  async attachReplica(): Promise<void> {
    [this.replica, this.link] = await replicaOf(this.primary);
  }

  async end(): Promise<void> {
    await Promise.all([
      this.door.close(),
      this.link.close().catch(() => {}),
      this.primary.end(),
      this.replica.end(),
    ]);
  }
}

async function replicaOf(primary: TestRedis): Promise<[TestRedis, TcpProxy]> {
  const link = await TcpProxy.start(primary.port);
  const replica = await TestRedis.start(
    '--replicaof',
    '127.0.0.1',
    new URL(link.url).port,
    '--repl-diskless-sync-delay',
    '0',
  );
  await until(async () =>
    String(await replica.run('INFO', 'replication')).includes('master_link_status:up'),
  );
  await until(() => isFollowed(primary));
  return [replica, link];
}

/** A new replica receives nothing before its first acknowledgement, which may take a second. */
async function isFollowed(primary: TestRedis): Promise<boolean> {
  const client = await primary.client();
  await client.set('followed', 'yes');
  const replicas = await client.wait(1, 100);
  client.destroy();
  return replicas === 1;
}

beforeAll(() => Logger.overrideLogger(false));

describeRedis('a failover', () => {
  let pair: Pair;
  let wechat: WechatSandbox;
  let store: RedisStore;
  let app: TeamApp;
  let user: SandboxUser;
  beforeAll(async () => {
    wechat = await startWechatSandbox();
  });
  afterAll(() => wechat.close());
  afterEach(async () => {
    await app.close();
    await store.close();
    await pair.end();
  });

  const start = async (waitReplicas: number): Promise<void> => {
    pair = await Pair.start();
    store = await RedisStore.open({ url: pair.door.url, waitReplicas });
    app = await startTeamApp(optionsFor(wechat, { store }), {
      controllers: [TeamController, LoginController],
    });
    user = wechat.users.create();
  };
  const post = (path: string, sessionRd = ''): Promise<Response> =>
    app.fetch(path, { method: 'POST', headers: { authorization: `Bearer ${sessionRd}` } });
  const login = async (): Promise<IssuedSession> => {
    const response = await post(`/login?code=${(await user.login()).code}`);
    expect(response.status).toBe(201);
    return (await response.json()) as IssuedSession;
  };
  const me = async (sessionRd: string): Promise<number> => (await app.as(sessionRd, '/me')).status;
  const logout = async (sessionRd: string): Promise<number> =>
    (await post('/logout', sessionRd)).status;
  const failOver = async (): Promise<void> => {
    await pair.failOver();
    await until(async () => (await outcomeOf(() => store.get('wx:s:any'))).is === 'absent');
    await until(
      async () => (await outcomeOf(() => store.remove('wx:s:any'))).ms < 2 * REPLICA_WAIT_MS,
    ); // its second connection is open, too
  };

  it.each(trials(50))(
    'R8 loses a login: its session is 401, and the next login works',
    async () => {
      await start(0);
      await pair.inStep();
      pair.holdUpLink();
      const { session_rd } = await login();
      expect(await me(session_rd)).toBe(200);
      await failOver();
      expect(await me(session_rd)).toBe(401);
      expect(await me((await login()).session_rd)).toBe(200);
    },
  );

  it.each(trials(50))(
    'R8 loses a logout: the session works again until the next logout or its expiry',
    async () => {
      await start(0);
      const { session_rd } = await login();
      await pair.inStep();
      pair.holdUpLink();
      expect(await logout(session_rd)).toBe(201);
      expect(await me(session_rd)).toBe(401);
      await failOver();
      expect(await me(session_rd)).toBe(200); // a limit that SECURITY.md describes
      expect(await logout(session_rd)).toBe(201);
      expect(await me(session_rd)).toBe(401);
    },
  );

  it.each(trials(50))('R8 with waitReplicas loses no logout that was confirmed', async () => {
    await start(1);
    const { session_rd } = await login();
    expect(await logout(session_rd)).toBe(201);
    await failOver();
    expect(await me(session_rd)).toBe(401);
  });

  it.each(trials(50))(
    'R8 with waitReplicas returns 503 for a logout at every attempt until a replica has it',
    async () => {
      await start(1);
      const { session_rd } = await login();
      await pair.inStep();
      pair.holdUpLink();
      const refused = await post('/logout', session_rd);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(((await refused.json()) as { error: string }).error).toBe('ERR_STORE_UNAVAILABLE');
      expect(await logout(session_rd)).toBe(503); // removed on the primary, but not on the replica
      await failOver();
      expect(await me(session_rd)).toBe(200); // no client got a confirmation
      expect(await logout(session_rd)).toBe(503); // the new primary has no replica
      await pair.attachReplica();
      expect(await logout(session_rd)).toBe(201);
      await failOver();
      expect(await me(session_rd)).toBe(401);
    },
  );

  it('R8 with waitReplicas confirms a retry at another instance when the replica is back', async () => {
    await start(1);
    const other = await RedisStore.open({ url: pair.door.url, waitReplicas: 1 });
    await store.add('wx:s:one', Buffer.from('a'), LONG);
    await pair.inStep();
    pair.holdUpLink();
    expect((await outcomeOf(() => store.remove('wx:s:one'))).is).toBe('unavailable');
    expect((await outcomeOf(() => other.remove('wx:s:one'))).is).toBe('unavailable');
    pair.restoreLink();
    expect(await other.remove('wx:s:one')).toBe(false);
    await other.close();
  });

  it('R8 with waitReplicas lets the same session retry a logout of all devices or of another device', async () => {
    await start(1);
    const [phone, tablet, laptop] = [await login(), await login(), await login()];
    await pair.inStep();
    pair.holdUpLink();
    expect((await app.as(laptop.session_rd, `/logout-one?id=${phone.session.id}`)).status).toBe(
      503,
    );
    expect((await app.as(laptop.session_rd, `/logout-one?id=${phone.session.id}`)).status).toBe(
      503,
    );
    expect((await post('/logout-all', laptop.session_rd)).status).toBe(503);
    expect(await me(laptop.session_rd)).toBe(200);
    pair.restoreLink();
    await until(async () => (await post('/logout-all', laptop.session_rd)).status === 201);
    expect(
      await Promise.all([phone, tablet, laptop].map(({ session_rd }) => me(session_rd))),
    ).toEqual([401, 401, 401]);
    await failOver();
    expect(
      await Promise.all([phone, tablet, laptop].map(({ session_rd }) => me(session_rd))),
    ).toEqual([401, 401, 401]);
  });

  it('R8 with waitReplicas serves logins and guarded requests while a logout waits', async () => {
    await start(1);
    const [one, two] = [await login(), await login()];
    await pair.inStep();
    pair.holdUpLink();
    const servedWhileWaiting = async (): Promise<number> => {
      const startedAt = performance.now();
      const waiting = logout(one.session_rd).then(
        (status) => [status, performance.now() - startedAt] as const,
      );
      let responses = 0;
      while (
        performance.now() - startedAt < REPLICA_WAIT_MS - 50 &&
        (await me(two.session_rd)) === 200
      )
        responses++;
      const [status, ms] = await waiting;
      expect([status, ms >= REPLICA_WAIT_MS]).toEqual([503, true]);
      return responses;
    };
    await until(async () => (await servedWhileWaiting()) > 3); // a busy machine has fewer in some of these 100 ms
  });

  it('control: on one connection all commands wait behind a WAIT', async () => {
    await start(0);
    pair.holdUpLink();
    const client = await pair.primary.client();
    await client.set('a', 'b');
    const startedAt = performance.now();
    await Promise.all([
      client.sendCommand(['WAIT', '1', String(REPLICA_WAIT_MS)]),
      client.get('a'),
    ]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(REPLICA_WAIT_MS - 5);
    client.destroy();
  });
});
