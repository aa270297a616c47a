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

describe('spans and metrics', () => {
  const recordedSpans = () =>
    observed.spans().map(({ name, attributes, events }) => ({
      name,
      ...attributes,
      events: events.map((event) => ({ name: event.name, ...event.attributes })),
    }));
  const RID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]+-[0-9a-f]+$/);

  it('show each call of a login to WeChat and to the store, and each retry with its reason', async () => {
    wechat.next('/sns/jscode2session', { errcode: -1 });
    await app.get(SessionService).login((await wechat.users.create().login()).code);
    const retry = {
      name: 'retry',
      'error.type': 'ERR_WECHAT_UNAVAILABLE',
      'wechat.errcode': -1,
      'wechat.rid': RID,
      'wechat.attempt': 1,
    };
    expect(recordedSpans()).toEqual([
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

  it("contain WeChat's rid, also if the response is an HTTP error", async () => {
    wechat.always('/sns/jscode2session', {
      status: 502,
      body: { errcode: -1, errmsg: 'system error rid: 6913f2a1-0c5e8d72-51f0a9b3' },
    });
    const rid = '6913f2a1-0c5e8d72-51f0a9b3';
    const { code } = await wechat.users.create().login();
    await expect(app.get(SessionService).login(code)).rejects.toMatchObject({ rid, attempt: 2 });
    const failed = { 'error.type': 'ERR_WECHAT_UNAVAILABLE', 'wechat.rid': rid };
    expect(recordedSpans()).toEqual([
      expect.objectContaining({
        ...failed,
        events: [expect.objectContaining({ name: 'retry', ...failed })],
      }),
      expect.objectContaining({ name: 'wechat login', ...failed }),
    ]);
  });

  it("contain WeChat's rid and errcode if a call fails", async () => {
    const { code } = await wechat.users.create().login();
    wechat.next('/sns/jscode2session', { errcode: 40226 });
    await expect(app.get(SessionService).login(code)).rejects.toThrow();
    const failed = {
      'error.type': 'ERR_WECHAT_BLOCKED',
      'wechat.errcode': 40226,
      'wechat.rid': RID,
    };
    expect(recordedSpans()).toEqual([
      expect.objectContaining({ name: 'wechat /sns/jscode2session', ...failed }),
      expect.objectContaining({ name: 'wechat login', ...failed }),
    ]);
  });

  it('contain no secret, neither in spans nor in metrics', async () => {
    const user = wechat.users.create({ phoneNumber: '13580006666' });
    const sessions = app.get(SessionService);
    const { session_rd } = await sessions.login((await user.login()).code);
    await sessions.refresh(session_rd);
    await sessions.find(session_rd);
    await app.get(PhoneService).getByCode((await user.getPhoneNumber()).code);
    wechat.invalidateAccessToken();
    await app.get(PhoneService).getByCode((await user.getPhoneNumber()).code);
    const output = JSON.stringify([
      observed
        .spans()
        .map(({ name, attributes, events, status }) => [name, attributes, events, status]),
      await observed.metrics(),
    ]);
    expect(output).toContain('wechat.call.duration');
    expect(output).toContain('wechat.access_token.fetches');
    expect(output).toContain('"operation":"find","outcome":"ok"');
    const { appId, secret } = wechat.apps[0]!;
    const sent = wechat.requests
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
      ...sent,
    ];
    for (const canary of secrets.filter(
      (value) => value !== 'authorization_code' && value !== 'client_credential',
    ))
      expect(output).not.toContain(String(canary));
  });
});

describe('a store', () => {
  const login = async (instance: TeamApp) =>
    instance.get(SessionService).login((await wechat.users.create().login()).code);
  /** Returns the number of operations by verb and outcome. */
  const operations = async (): Promise<Record<string, number>> => {
    const points = await observed.points('wechat.store.duration');
    return Object.fromEntries(
      points.map(({ attributes, value }) => [
        [attributes['verb'], attributes['outcome']].join(' '),
        value.count,
      ]),
    );
  };

  /** A custom store with a private field, an additional method and a lifecycle hook. */
  class CustomStore extends MapStore {
    readonly #opened = ['yes'];
    isAvailable = true;
    isClosed = false;
    protected override async do<T>(verb: string, key: string, work: () => T): Promise<T> {
      if (!this.isAvailable) throw new StoreUnavailableError('The store is down.');
      return super.do(verb, key, work);
    }
    isOpen(): boolean {
      return this.#opened.length === 1;
    }
    onApplicationShutdown(): void {
      this.isClosed = this.isOpen();
    }
  }

  it('has a duration in the metrics for each verb', async () => {
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
    expect(Object.keys(await operations()).toSorted()).toEqual([
      'add ok',
      'count ok',
      'get ok',
      'remove ok',
      'replace ok',
      'take ok',
    ]);
  });

  it('is read once by a guarded request, which is measured without a span', async () => {
    const { session_rd } = await login(app);
    const before = await operations();
    observed.forget();
    expect((await app.as(session_rd, '/session')).status).toBe(200);
    expect(await operations()).toEqual({ ...before, 'get ok': before['get ok']! + 1 });
    expect(observed.spans()).toEqual([]);
  });

  it('has spans and metrics with the error code while it is unavailable', async () => {
    const store = new CustomStore();
    const instance = await startTeamApp(optionsFor(wechat, { store, clock: undefined }));
    const { session_rd } = await login(instance);
    store.isAvailable = false;
    observed.forget();
    expect((await instance.as(session_rd, '/session')).status).toBe(503);
    await expect(login(instance)).rejects.toThrow(StoreUnavailableError);
    expect(await operations()).toMatchObject({
      'get ERR_STORE_UNAVAILABLE': 2, // of the guard, and of the login, which reads the user while it writes the session
      'add ERR_STORE_UNAVAILABLE': 1,
    });
    const recorded = observed
      .spans()
      .map(({ name, attributes }) => [name, attributes['error.type']]);
    expect(recorded).toContainEqual(['wechat store add', 'ERR_STORE_UNAVAILABLE']);
  });

  it('is injected as the object that the application passed, with an SDK', async () => {
    const store = new CustomStore();
    const instance = await startTeamApp(optionsFor(wechat, { store, clock: undefined }));
    expect(instance.get(WechatStore)).toBe(store);
    expect([store instanceof CustomStore, store.isOpen()]).toEqual([true, true]);
    await instance.close();
    expect(store.isClosed).toBe(true);
  });

  it('is not measured without an SDK', async () => {
    await closeTeamApps();
    await observed.stop();
    await login(
      await startTeamApp(optionsFor(wechat, { store: new CustomStore(), clock: undefined })),
    );
    for (const channel of CHANNELS) expect(channel.hasSubscribers).toBe(false);
  });

  it('is measured once per operation with several applications in a process, until the last one is closed', async () => {
    const [second, third] = await Promise.all([
      startTeamApp(optionsFor(wechat)),
      startTeamApp(optionsFor(wechat)),
    ]);
    await second.close();
    const { session_rd } = await login(third);
    const before = await operations();
    await third.as(session_rd, '/session');
    expect(await operations()).toEqual({ ...before, 'get ok': before['get ok']! + 1 });
    await closeTeamApps();
    for (const channel of CHANNELS) expect(channel.hasSubscribers).toBe(false);
  });

  it('runs in the context of its span, so that spans of other instrumentations become children', async () => {
    const active: unknown[] = [];
    class TracedStore extends CustomStore {
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

  it('has spans also without metrics', async () => {
    await observed.stop();
    observed = observe({ withMetrics: false });
    await login(await startTeamApp(optionsFor(wechat)));
    expect(observed.spans().map(({ name }) => name)).toContain('wechat store add');
  });

  describeRedis('on Redis', () => {
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await TestRedis.start();
    });
    afterAll(() => redis.end());

    it('has the same metrics', async () => {
      await login(
        await startTeamApp(optionsFor(wechat, { redis: { url: redis.url }, clock: undefined })),
      );
      expect(await operations()).toEqual({ 'add ok': 2, 'get ok': expect.any(Number) });
      const [point] = await observed.points('wechat.store.duration');
      expect(
        point?.value.buckets.boundaries.filter((bound: number) => bound < 5).length,
      ).toBeGreaterThan(3); // the usual durations of Redis
    });
  });
});

describe('the diagnostics channels', () => {
  /** Returns the messages that a subscriber of a channel receives while `work` runs, as text. */
  async function received(channel: Tracing<object>, work: () => Promise<unknown>): Promise<string> {
    const messages: unknown[] = [];
    const subscriber = (message: unknown): void => void messages.push(message);
    channel.asyncEnd.subscribe(subscriber);
    await work().finally(() => channel.asyncEnd.unsubscribe(subscriber));
    return JSON.stringify(messages);
  }

  it('never publish a result, which can be a session_key; control: tracePromise of Node does', async () => {
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

describe('WechatEvents', () => {
  it('emits an event for each change of a session', async () => {
    const emitted: string[] = [];
    const events = app.get(WechatEvents);
    for (const name of [
      'login',
      'refresh',
      'reuse',
      'end',
      'sessionKeyStale',
    ] satisfies (keyof WechatEventMap)[]) {
      events.on(name, (event) =>
        emitted.push(
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
    expect(emitted).toEqual([
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

  it('does not let a listener fail or delay a request, and calls no removed listener', async () => {
    const events = app.get(WechatEvents);
    const calls: string[] = [];
    events.on('login', () => {
      throw new Error('a bug in a listener');
    });
    events.on('login', () => new Promise(() => undefined));
    const removeListener = events.on('login', () => calls.push('called'));
    const login = async () =>
      app.get(SessionService).login((await wechat.users.create().login()).code);
    await login();
    removeListener();
    await login();
    expect(calls).toEqual(['called']);
  });
});
