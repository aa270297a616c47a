import { Logger } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { SessionService } from 'nestjs-wechat';
import { WechatHealthIndicator } from 'nestjs-wechat/health';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import type { TcpFault } from '../support/tcp-proxy.js';
import { optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { isFull, Lag, load, outcomeOf, trials } from './rows.js';
import { startMember } from './team.js';

/** The deadline of a guarded request, in milliseconds. */
const LATEST = 300;
/** Time for HTTP when 64 requests arrive at once, in milliseconds. */
const HTTP = 50;

interface AppResponse {
  status: number;
  openid?: string;
  ms: number;
}

const UNAVAILABLE = {
  code: 503,
  msg: 'the session store is unavailable; try again shortly',
  data: null,
  success: false,
  error: 'ERR_STORE_UNAVAILABLE',
};

describeRedis('an application, when', () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let store: RedisStore;
  let wechat: WechatSandbox;
  let app: TeamApp;
  let sessions: SessionService;
  let token: string;
  let openid: string;
  let sessionId: string;

  beforeAll(async () => {
    redis = await TestRedis.start();
    proxy = await TcpProxy.start(redis.port);
    store = await RedisStore.open({ url: proxy.url });
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat, { store }));
    sessions = app.get(SessionService);
    await until(async () => (await outcomeOf(login)).is !== 'unavailable'); // loads the scripts; a busy machine can miss the deadline of Redis
    await sessions.refresh(token);
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 64 }, () => me())); // warm-up, so that no deadline is measured while code is compiled
  });
  afterAll(async () => {
    await app.close();
    await store.close();
    await wechat.close();
    await proxy.close();
    await redis.end();
  });
  beforeEach(async () => {
    proxy.pass(); // ends a fault of the previous trial
    redis.thaw();
    await redis.start();
    await until(async () => (await me('srd_')).status !== 503 && (await me()).status !== 503);
    await until(async () => (await outcomeOf(login)).is !== 'unavailable'); // a busy machine can miss the deadline of Redis
  });

  const login = async (): Promise<void> => {
    const user = wechat.users.create();
    const { session_rd, session } = await sessions.login((await user.login()).code);
    [token, sessionId, openid] = [session_rd, session.id, user.openid()];
  };

  /** GET /me. Throws if the response is not one that the table of faults allows. */
  const me = async (sessionRd = token): Promise<AppResponse> => {
    const startedAt = performance.now();
    const response = await app.as(sessionRd, '/me');
    const ms = performance.now() - startedAt;
    const body = (await response.json()) as { openid?: string };
    expect([200, 401, 503]).toContain(response.status);
    if (response.status === 503)
      expect([response.headers.get('retry-after'), body]).toEqual(['1', UNAVAILABLE]);
    return { status: response.status, openid: body.openid, ms };
  };

  const expectOnly = (responses: AppResponse[], statuses: number[], latest = Infinity): void => {
    expect(
      [...new Set(responses.map(({ status }) => status))].filter(
        (status) => !statuses.includes(status),
      ),
    ).toEqual([]);
    expect(
      responses.filter((response) => response.status === 200 && response.openid !== openid),
    ).toEqual([]);
    expect(responses.reduce((slowest, { ms }) => Math.max(slowest, ms), 0)).toBeLessThan(latest);
  };

  it.each(trials(100, 3))(
    'R1 returns 200 or 503 in time when Redis is killed during 64 requests, never 401',
    async () => {
      const lag = new Lag();
      const requests = load(64, () => me());
      await sleep(30);
      await redis.kill();
      await sleep(30);
      const responses = await requests.stop();
      expectOnly(responses, [200, 503], LATEST + HTTP + lag.end());
      expect((await me()).status).toBe(503);
      expect((await me('srd_invented')).status).toBe(401); // decided without Redis
      expect((await app.fetch('/greeting')).status).toBe(200);
      await redis.start();
      const lagAfter = new Lag();
      const backAt = performance.now();
      await until(async () => (await me()).status !== 503);
      expect(performance.now() - backAt).toBeLessThan(1_000 + lagAfter.end());
      expect((await me()).status).toBe(401); // this Redis has no persistence, so the session is lost
      await login();
      expectOnly([await me()], [200]);
    },
  );

  it.each(trials(100, 1))(
    'R2 returns 503 in time while Redis is frozen, and 200 after it',
    async () => {
      const lag = new Lag();
      redis.freeze();
      const requests = load(16, () => me());
      await sleep(isFull ? 2_000 : 700);
      const responses = await requests.stop();
      const allowed = lag.end();
      expectOnly(responses, [503], LATEST + HTTP + allowed);
      const thawedAt = performance.now();
      redis.thaw();
      await until(async () => (await me()).status === 200);
      expect(performance.now() - thawedAt).toBeLessThan(100 + HTTP + allowed);
    },
  );

  it.each(trials(50, 1))('R3 returns 503 in time while Redis takes 2 s for a reply', async () => {
    proxy.always({ kind: 'delay', ms: 2_000 });
    const lag = new Lag();
    const responses = [];
    for (let i = 0; i < 20; i++) responses.push(await me());
    expectOnly(responses, [503], LATEST + HTTP + lag.end());
    proxy.pass();
    await until(async () => (await me()).status === 200);
  });

  const broken: TcpFault[] = [
    { kind: 'reset' },
    { kind: 'close' },
    { kind: 'slicer' },
    { kind: 'limitData', bytes: 100 },
    { kind: 'garbage' },
  ];
  describe.each(broken)('a guarded request, when the network breaks replies: $kind', (fault) => {
    it.each(trials(300, 3))('R5 never returns another user', async () => {
      const users = Array.from({ length: 10 }, () => wechat.users.create());
      const tokens = await Promise.all(
        users.map(async (user) => (await sessions.login((await user.login()).code)).session_rd),
      );
      if (fault.kind === 'slicer' || fault.kind === 'limitData') proxy.always(fault);
      else proxy.next(fault, 'GET');
      const lag = new Lag();
      const first = me(tokens[0]);
      await sleep(10); // the first reply is broken; no request may get the reply to another one
      const responses = await Promise.all([first, ...tokens.slice(1).map((each) => me(each))]);
      const allowed = lag.end();
      responses.forEach(({ status, openid: owner, ms }, i) => {
        expect([status, owner]).toEqual(
          status === 200 ? [200, users[i]!.openid()] : [503, undefined],
        );
        expect(ms).toBeLessThan(LATEST + HTTP + allowed);
      });
      proxy.pass();
      await until(async () => (await me()).status === 200);
    });
  });

  const losing = async (command: string, call: () => Promise<unknown>): Promise<void> => {
    proxy.next({ kind: 'dropReply' }, command);
    await expect(call()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    await until(async () => (await me()).status !== 503);
  };

  it.each(trials(200))(
    'R6 creates one session by the next login when the reply to a login is lost',
    async () => {
      const user = wechat.users.create();
      const { code } = await user.login();
      await losing('SET', () => sessions.login(code));
      const { session } = await sessions.login((await user.login()).code);
      expect(await sessions.list(session)).toHaveLength(1);
    },
  );

  it.each(trials(200))(
    'R6 returns the same successor to a retry when the reply to a refresh is lost',
    async () => {
      await losing('EVALSHA', () => sessions.refresh(token));
      const again = await sessions.refresh(token);
      expect((await sessions.refresh(token)).session_rd).toBe(again.session_rd);
      expect((await me(again.session_rd)).status).toBe(200);
    },
  );

  it.each(trials(200))(
    'R6 fails when the reply to a logout is lost, succeeds at the retry, and the session has ended',
    async () => {
      await losing('DEL', () => sessions.revoke(token));
      await sessions.revoke(token);
      expect((await me()).status).toBe(401);
    },
  );

  const appId = (): string => wechat.apps[0]!.appId;
  const stored = (): string => `wx:at:${appId()}`;
  const lostReplies: [string, () => string][] = [
    ['lock', () => `wx:lock:at:${appId()}`],
    ['storing', () => `SET\r\n$${stored().length}\r\n${stored()}`],
  ];
  describe.each(lostReplies)('an access token, when the reply to its %s is lost', (_, request) => {
    it.each(trials(200))('R6 is the one that WeChat accepts', async () => {
      await redis.run('DEL', stored(), `wx:lock:at:${appId()}`);
      const [one, other] = await Promise.all(
        [1, 2].map(() => startMember(optionsFor(wechat, { store }))),
      );
      const before = wechat.requestsTo('/cgi-bin/stable_token').length;
      proxy.next({ kind: 'dropReply' }, request());
      const got = await one!.tokens.get();
      await until(async () => (await me()).status === 200);
      await redis.run('DEL', `wx:lock:at:${appId()}`); // its lease expires, if the lock still exists
      expect([got, await other!.tokens.get()]).toEqual(
        Array(2).fill(wechat.accessTokens.current(appId())),
      );
      expect(wechat.requestsTo('/cgi-bin/stable_token').length - before).toBeLessThanOrEqual(2);
      await Promise.all([one!.close(), other!.close()]);
    });
  });

  it.each(trials(20))(
    'R7 returns 401 for a record that the library did not write, and logs it once',
    async () => {
      const alarm = jest.spyOn(Logger.prototype, 'error');
      const key = `wx:s:${sessionId}`;
      const lines = async (): Promise<number> => {
        const before = alarm.mock.calls.length;
        for (let i = 0; i < 10; i++) expect((await me()).status).toBe(401);
        return alarm.mock.calls.length - before;
      };
      await redis.run('DEL', key);
      await redis.run('HSET', key, 'a', 'b');
      expect(await lines()).toBeLessThanOrEqual(1);
      await redis.run('SET', key, 'not a sealed record');
      expect(await lines()).toBeLessThanOrEqual(1);
      expect(alarm.mock.calls.flat().join()).not.toContain(token.slice(4));
      alarm.mockRestore();
    },
  );

  it.each(trials(50))(
    'R9 returns 401 after Redis has lost its data, until a new login',
    async () => {
      await redis.run('FLUSHALL');
      expect((await me()).status).toBe(401);
      await login();
      expect((await me()).status).toBe(200);
    },
  );

  it.each(trials(20, 1))(
    'R7 reports that it is not ready when Redis has no memory left, although reads work',
    async () => {
      const ownStore = await RedisStore.open({ url: redis.url });
      const health = { imports: [TerminusModule], providers: [WechatHealthIndicator] };
      const full = await startTeamApp(optionsFor(wechat, { store: ownStore }), health);
      const indicator = full.get(WechatHealthIndicator);
      const whoIs = async (): Promise<number> => (await full.as(token, '/me')).status;
      expect([await whoIs(), await indicator.store('store')]).toEqual([
        200,
        { store: { status: 'up' } },
      ]);
      await redis.run('CONFIG', 'SET', 'maxmemory', '1');
      expect([await whoIs(), await indicator.store('store')]).toEqual([
        200,
        { store: { status: 'down', error: 'ERR_STORE_UNAVAILABLE' } },
      ]);
      await redis.run('CONFIG', 'SET', 'maxmemory', '0');
      expect(await indicator.store('store')).toEqual({ store: { status: 'up' } });
      expect(await redis.run('KEYS', '*health*')).toEqual([]);
      await full.close();
      await ownStore.close();
    },
  );

  it.each(trials(20))(
    'R10 starts without Redis, returns 503, and works when Redis starts later',
    async () => {
      const later = await TestRedis.later();
      const ownStore = await RedisStore.open({ url: later.url });
      const health = { imports: [TerminusModule], providers: [WechatHealthIndicator] };
      const early = await startTeamApp(optionsFor(wechat, { store: ownStore }), health);
      const healthOf = async (): Promise<unknown> =>
        early.get(WechatHealthIndicator).store('store');
      const whoIs = async (): Promise<number> => (await early.as(token, '/me')).status;
      expect((await early.fetch('/greeting')).status).toBe(200);
      expect(await healthOf()).toMatchObject({ store: { status: 'down' } });
      expect(await whoIs()).toBe(503); // well-formed, so only Redis can decide
      const user = wechat.users.create();
      await expect(
        early.get(SessionService).login((await user.login()).code),
      ).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
      });
      await later.start();
      await until(async () => (await whoIs()) !== 503);
      expect([await whoIs(), await healthOf()]).toEqual([401, { store: { status: 'up' } }]);
      await early.get(SessionService).login((await user.login()).code);
      await early.close();
      await ownStore.close();
      await later.end();
    },
  );
});
