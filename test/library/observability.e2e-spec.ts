import { metrics, trace } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { PhoneService, SessionService, WechatEvents } from 'nestjs-wechat';
import type { WechatEventMap } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const spans = new InMemorySpanExporter();
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
const meters = new MeterProvider({ readers: [reader] });

let wechat: WechatSandbox;
let app: TeamApp;

beforeAll(() => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
  metrics.setGlobalMeterProvider(meters);
});
beforeEach(async () => {
  wechat = await startWechatSandbox();
  app = await startTeamApp(optionsFor(wechat));
  spans.reset();
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
});
afterAll(async () => {
  await meters.shutdown();
  trace.disable();
  metrics.disable();
});

describe('what an operator sees', () => {
  const seen = () =>
    spans.getFinishedSpans().map(({ name, attributes, events }) => ({ name, ...attributes, events: events.map((event) => event.name) }));

  it('is the story of a login, its retry included', async () => {
    wechat.next('/sns/jscode2session', { errcode: -1 });
    await app.get(SessionService).login((await wechat.users.create().login()).code);
    expect(seen()).toEqual([
      { name: 'wechat /sns/jscode2session', 'wechat.endpoint': '/sns/jscode2session', events: ['retry'] },
      { name: 'wechat login', events: [] },
    ]);
  });

  it("carries WeChat's rid and errcode of a failure", async () => {
    const { code } = await wechat.users.create().login();
    wechat.next('/sns/jscode2session', { errcode: 40226 });
    await expect(app.get(SessionService).login(code)).rejects.toThrow();
    const failed = { 'error.type': 'ERR_WECHAT_BLOCKED', 'wechat.errcode': 40226, 'wechat.rid': expect.stringMatching(/^[0-9a-f]{8}-/) };
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
    await app.get(PhoneService).byCode((await user.getPhoneNumber()).code);
    wechat.invalidateAccessToken();
    await app.get(PhoneService).byCode((await user.getPhoneNumber()).code);
    await reader.forceFlush();
    const told = JSON.stringify([
      spans.getFinishedSpans().map(({ name, attributes, events, status }) => [name, attributes, events, status]),
      exporter.getMetrics(),
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
    for (const canary of secrets.filter((value) => value !== 'authorization_code' && value !== 'client_credential'))
      expect(told).not.toContain(String(canary));
  });
});

describe('what the code of a team hears', () => {
  it('is each thing that happens to a login', async () => {
    const heard: string[] = [];
    const events = app.get(WechatEvents);
    for (const name of ['login', 'refresh', 'reuse', 'end', 'sessionKeyStale'] satisfies (keyof WechatEventMap)[]) {
      events.on(name, (event) => heard.push(name === 'login' ? `login first=${(event as WechatEventMap['login']).first}` : name));
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
    await sessions.endAll(three.session);
    expect(heard).toEqual(['login first=true', 'refresh', 'refresh', 'reuse', 'end', 'login first=false', 'sessionKeyStale', 'end']);
  });

  it('cannot break a request, slow it down, or go on after it was stopped', async () => {
    const events = app.get(WechatEvents);
    const calls: string[] = [];
    events.on('login', () => {
      throw new Error('a bug in a listener');
    });
    events.on('login', () => new Promise(() => undefined));
    const stop = events.on('login', () => calls.push('heard'));
    const login = async () => app.get(SessionService).login((await wechat.users.create().login()).code);
    await login();
    stop();
    await login();
    expect(calls).toEqual(['heard']);
  });
});
