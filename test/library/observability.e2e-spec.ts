import { trace } from '@opentelemetry/api';
import {
  CryptoService,
  MobileOAuthService,
  PhoneService,
  SessionService,
  StoreUnavailableError,
  WechatEvents,
  WechatStore,
} from 'nestjs-wechat';
import type { WechatEventMap } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import {
  accessTokenChannel,
  callChannel,
  retryChannel,
  sessionChannel,
  storeChannel,
} from '../../libs/wechat/src/diagnostics.js';
import type { Tracing } from '../../libs/wechat/src/diagnostics.js';
import { MapStore } from '../faults/bare.js';
import { observe } from '../support/observed.js';
import type { Observed } from '../support/observed.js';
import { describeRedis, TestRedis } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const CHANNELS = [accessTokenChannel, callChannel, retryChannel, sessionChannel, storeChannel];

const MINI_PROGRAM = { appId: 'wx5a4db0c1e2f37608', secret: 'a'.repeat(32) };
const WEBSITE = { appId: 'wx7d1e5c90a2b3f468', secret: 'c'.repeat(32), kind: 'website' as const };

let observed: Observed;
let wechat: WechatSandbox;
let app: TeamApp;

beforeEach(async () => {
  observed = observe();
  wechat = await startWechatSandbox({ apps: [MINI_PROGRAM, WEBSITE] });
  app = await startTeamApp(optionsFor(wechat));
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
  await observed.stop();
});

describe('what an operator sees', () => {
  const seen = () =>
    observed.spans().map(({ name, attributes, events }) => ({
      name,
      ...attributes,
      events: events.map((event) => ({ name: event.name, ...event.attributes })),
    }));
  const RID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]+-[0-9a-f]+$/);

  it('is the story of a login: what was retried and why, and how much of it was the store', async () => {
    wechat.next('/sns/jscode2session', { errcode: -1 });
    await app.get(SessionService).login((await wechat.users.create().login()).code);
    const retry = {
      name: 'retry',
      'error.type': 'ERR_WECHAT_UNAVAILABLE',
      'wechat.errcode': -1,
      'wechat.rid': RID,
      'wechat.attempt': 1,
    };
    expect(seen()).toEqual([
      {
        name: 'wechat /sns/jscode2session',
        'wechat.endpoint': '/sns/jscode2session',
        events: [retry],
      },
      { name: 'wechat store add', events: [] },
      { name: 'wechat store add', events: [] },
      { name: 'wechat login', events: [] },
    ]);
  });

  it("carries WeChat's rid also where the answer is an error of HTTP", async () => {
    wechat.always('/sns/jscode2session', {
      status: 502,
      body: { errcode: -1, errmsg: 'system error rid: 6913f2a1-0c5e8d72-51f0a9b3' },
    });
    const rid = '6913f2a1-0c5e8d72-51f0a9b3';
    const { code } = await wechat.users.create().login();
    await expect(app.get(SessionService).login(code)).rejects.toMatchObject({ rid, attempt: 2 });
    const failed = { 'error.type': 'ERR_WECHAT_UNAVAILABLE', 'wechat.rid': rid };
    expect(seen()).toEqual([
      expect.objectContaining({
        ...failed,
        events: [expect.objectContaining({ name: 'retry', ...failed })],
      }),
      expect.objectContaining({ name: 'wechat login', ...failed }),
    ]);
  });

  it("carries WeChat's rid and errcode of a failure", async () => {
    const { code } = await wechat.users.create().login();
    wechat.next('/sns/jscode2session', { errcode: 40226 });
    await expect(app.get(SessionService).login(code)).rejects.toThrow();
    const failed = {
      'error.type': 'ERR_WECHAT_BLOCKED',
      'wechat.errcode': 40226,
      'wechat.rid': RID,
    };
    expect(seen()).toEqual([
      expect.objectContaining({ name: 'wechat /sns/jscode2session', ...failed }),
      expect.objectContaining({ name: 'wechat login', ...failed }),
    ]);
  });

  it('never is a secret: not in a span, not in a metric', async () => {
    const user = wechat.users.create({ phoneNumber: '13580006666' });
    const sessions = app.get(SessionService);
    const { session_rd } = await sessions.login((await user.login()).code);
    await sessions.refresh(session_rd);
    await sessions.find(session_rd);
    await app.get(PhoneService).getByCode((await user.getPhoneNumber()).code);
    wechat.invalidateAccessToken();
    await app.get(PhoneService).getByCode((await user.getPhoneNumber()).code);
    const told = JSON.stringify([
      observed
        .spans()
        .map(({ name, attributes, events, status }) => [name, attributes, events, status]),
      await observed.metrics(),
    ]);
    expect(told).toContain('wechat.call.duration');
    expect(told).toContain('wechat.access_token.fetches');
    expect(told).toContain('"operation":"find","outcome":"ok"');
    const { appId, secret } = wechat.apps[0]!;
    const codes = wechat.requests
      .flatMap(({ query, body }) => [...Object.values(query), ...Object.values(body ?? {})])
      .filter((value) => String(value).length >= 16);
    const secrets = [
      secret,
      session_rd,
      user.openid(),
      user.unionid(),
      user.sessionKey(),
      wechat.accessTokens.current(appId),
      '13580006666',
      ...codes,
    ];
    for (const canary of secrets.filter(
      (value) => value !== 'authorization_code' && value !== 'client_credential',
    ))
      expect(told).not.toContain(String(canary));
  });
});

describe('the store', () => {
  const login = async (team: TeamApp) =>
    team.get(SessionService).login((await wechat.users.create().login()).code);
  /** How often each verb ended how. */
  const verbs = async (): Promise<Record<string, number>> => {
    const points = await observed.points('wechat.store.duration');
    return Object.fromEntries(
      points.map(({ attributes, value }) => [
        [attributes['verb'], attributes['outcome']].join(' '),
        value.count,
      ]),
    );
  };

  /** A store of a team: with a private field, a method of its own, and a hook. */
  class TeamStore extends MapStore {
    readonly #opened = ['yes'];
    works = true;
    closed = false;
    protected override async do<T>(verb: string, key: string, work: () => T): Promise<T> {
      if (!this.works) throw new StoreUnavailableError('The team is asleep.');
      return super.do(verb, key, work);
    }
    isOpen(): boolean {
      return this.#opened.length === 1;
    }
    onApplicationShutdown(): void {
      this.closed = this.isOpen();
    }
  }

  it('is timed, each verb of it', async () => {
    const user = wechat.users.create();
    const sessions = app.get(SessionService);
    const { session_rd, session } = await sessions.login((await user.login()).code);
    await sessions.refresh(session_rd);
    await app.get(CryptoService).decryptOpenData(session, await user.getWeRunData());
    const oauth = app.get(MobileOAuthService);
    const device = 'cookie';
    const redirectUri = 'https://shop.example/back';
    const { state } = await oauth.createAuthorizationUrl({ redirectUri, device });
    const { code } = await user.authorize(WEBSITE.appId);
    await oauth.handleCallback({ code, state, device });
    await sessions.revokeAll(session);
    expect(Object.keys(await verbs()).toSorted()).toEqual([
      'add ok',
      'count ok',
      'get ok',
      'remove ok',
      'replace ok',
      'take ok',
    ]);
  });

  it('is read once for a guarded request, which is timed and no span', async () => {
    const { session_rd } = await login(app);
    const before = await verbs();
    observed.forget();
    expect((await app.as(session_rd, '/session')).status).toBe(200);
    expect(await verbs()).toEqual({ ...before, 'get ok': before['get ok']! + 1 });
    expect(observed.spans()).toEqual([]);
  });

  it('shows in traces and in metrics when it cannot answer', async () => {
    const store = new TeamStore();
    const team = await startTeamApp(optionsFor(wechat, { store, clock: undefined }));
    const { session_rd } = await login(team);
    store.works = false;
    observed.forget();
    expect((await team.as(session_rd, '/session')).status).toBe(503);
    await expect(login(team)).rejects.toThrow(StoreUnavailableError);
    expect(await verbs()).toMatchObject({
      'get ERR_STORE_UNAVAILABLE': 1,
      'add ERR_STORE_UNAVAILABLE': 1,
    });
    const told = observed.spans().map(({ name, attributes }) => [name, attributes['error.type']]);
    expect(told).toContainEqual(['wechat store add', 'ERR_STORE_UNAVAILABLE']);
  });

  it('is injected as the same object, whether an SDK is there or not', async () => {
    const store = new TeamStore();
    const team = await startTeamApp(optionsFor(wechat, { store, clock: undefined }));
    expect(team.get(WechatStore)).toBe(store);
    expect([store instanceof TeamStore, store.isOpen()]).toEqual([true, true]);
    await team.close();
    expect(store.closed).toBe(true);
  });

  it('is not measured without an SDK', async () => {
    await closeTeamApps();
    await observed.stop();
    await login(
      await startTeamApp(optionsFor(wechat, { store: new TeamStore(), clock: undefined })),
    );
    for (const channel of CHANNELS) expect(channel.hasSubscribers).toBe(false);
  });

  it('is counted once where two applications of one process are observed, and until both are closed', async () => {
    const [second, third] = await Promise.all([
      startTeamApp(optionsFor(wechat)),
      startTeamApp(optionsFor(wechat)),
    ]);
    await second.close();
    const { session_rd } = await login(third);
    const before = await verbs();
    await third.as(session_rd, '/session');
    expect(await verbs()).toEqual({ ...before, 'get ok': before['get ok']! + 1 });
    await closeTeamApps();
    for (const channel of CHANNELS) expect(channel.hasSubscribers).toBe(false);
  });

  it('runs within its span, so that spans of other instrumentations become its children', async () => {
    const active: unknown[] = [];
    class TracedStore extends TeamStore {
      protected override async do<T>(verb: string, key: string, work: () => T): Promise<T> {
        active.push((trace.getActiveSpan() as { name?: string } | undefined)?.name);
        return super.do(verb, key, work);
      }
    }
    await login(
      await startTeamApp(optionsFor(wechat, { store: new TracedStore(), clock: undefined })),
    );
    expect(active).toEqual(['wechat store add', 'wechat login', 'wechat store add']);
  });

  it('is in the traces of who has traces alone', async () => {
    await observed.stop();
    observed = observe({ withMetrics: false });
    await login(await startTeamApp(optionsFor(wechat)));
    expect(observed.spans().map(({ name }) => name)).toContain('wechat store add');
  });

  describeRedis('in Redis', () => {
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await TestRedis.start();
    });
    afterAll(() => redis.end());

    it('is timed in the same way', async () => {
      await login(
        await startTeamApp(optionsFor(wechat, { redis: { url: redis.url }, clock: undefined })),
      );
      expect(await verbs()).toEqual({ 'add ok': 2, 'get ok': expect.any(Number) });
      const [point] = await observed.points('wechat.store.duration');
      expect(
        point?.value.buckets.boundaries.filter((bound: number) => bound < 5).length,
      ).toBeGreaterThan(3); // where Redis answers
    });
  });
});

describe('the diagnostics channels', () => {
  /** All that a subscriber of a channel receives while `work` runs, as text. */
  async function received(channel: Tracing<object>, work: () => Promise<unknown>): Promise<string> {
    const messages: unknown[] = [];
    const subscriber = (message: unknown): void => void messages.push(message);
    channel.asyncEnd.subscribe(subscriber);
    await work().finally(() => channel.asyncEnd.unsubscribe(subscriber));
    return JSON.stringify(messages);
  }

  it("never carry a result, which can be a session_key; Node's own tracePromise does", async () => {
    const user = wechat.users.create();
    const { code } = await user.login();
    const published = await received(callChannel, () => app.get(SessionService).login(code));
    expect(published).toContain('/sns/jscode2session');
    expect(published).not.toContain(user.sessionKey());

    const reply = async () => ({ session_key: user.sessionKey() });
    const control = await received(callChannel, () =>
      callChannel.tracePromise(reply, { endpoint: '/sns/jscode2session' }),
    );
    expect(control).toContain(user.sessionKey());
  });
});

describe('what the code of a team hears', () => {
  it('is each thing that happens to a login', async () => {
    const heard: string[] = [];
    const events = app.get(WechatEvents);
    for (const name of [
      'login',
      'refresh',
      'reuse',
      'end',
      'sessionKeyStale',
    ] satisfies (keyof WechatEventMap)[]) {
      events.on(name, (event) =>
        heard.push(
          name === 'login' ? `login first=${(event as WechatEventMap['login']).first}` : name,
        ),
      );
    }
    const sessions = app.get(SessionService);
    const user = wechat.users.create();
    const one = await sessions.login((await user.login()).code);
    const two = await sessions.refresh(one.session_rd);
    await sessions.refresh(two.session_rd);
    await sessions.refresh(one.session_rd).catch(() => undefined);
    const three = await sessions.login((await user.login()).code);
    user.rotateSessionKey();
    await sessions.checkSessionKey(three.session);
    await sessions.revokeAll(three.session);
    expect(heard).toEqual([
      'login first=true',
      'refresh',
      'refresh',
      'reuse',
      'end',
      'login first=false',
      'sessionKeyStale',
      'end',
    ]);
  });

  it('cannot break a request, slow it down, or go on after it was stopped', async () => {
    const events = app.get(WechatEvents);
    const calls: string[] = [];
    events.on('login', () => {
      throw new Error('a bug in a listener');
    });
    events.on('login', () => new Promise(() => undefined));
    const stop = events.on('login', () => calls.push('heard'));
    const login = async () =>
      app.get(SessionService).login((await wechat.users.create().login()).code);
    await login();
    stop();
    await login();
    expect(calls).toEqual(['heard']);
  });
});
