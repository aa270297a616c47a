import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { Canaries, recordSecrets } from '../security/canaries.js';
import { buildApp, runApp } from '../support/built-app.js';
import type { AppProcess } from '../support/built-app.js';
import { PHONE, SHOP } from '../support/central.js';
import { startCollector } from '../support/collector.js';
import type { Collector } from '../support/collector.js';
import { copyEmbeddedTo, createAppDatabase, databaseEnvironment } from '../support/databases.js';
import type { AppDatabase } from '../support/databases.js';
import { freePort } from '../support/free-port.js';
import { clientOf } from '../support/http.js';
import type { AppResponse } from '../support/http.js';
import { environmentFor } from '../support/start.js';

const MINI = `/wx/mini/v1/${SHOP.appId}/${SHOP.secret}`;
const MOBILE = `/wx/v1/${PHONE.appId}`;
/** The embedded database goes with it: the app closes it after SIGTERM, and meanwhile the instrumentation exports its last spans. */
const NAIVE = { NODE_OPTIONS: `--import=${join(__dirname, '../support/naive-telemetry.mjs')}` };
const TELLS_WHAT_IS_LOADED = {
  NODE_OPTIONS: `--import=${join(__dirname, '../support/loaded.mjs')}`,
};
const SDK = /@opentelemetry\/sdk-/;

/** Runs the compiled app with a collector, to check the data that leaves the process. */
describe('the telemetry of the compiled app', () => {
  let cwd: string;
  let wechat: WechatSandbox;
  let collector: Collector;
  let canaries: Canaries;
  let app: AppProcess | undefined;
  let database: AppDatabase;
  beforeAll(async () => {
    await buildApp();
    database = await createAppDatabase();
  }, 300_000);
  afterAll(() => database.remove());
  beforeEach(async () => {
    cwd = mkdtempSync(join(tmpdir(), 'nestjs-wechat-app-'));
    collector = await startCollector();
    wechat = await startWechatSandbox({ apps: [SHOP, PHONE] });
    canaries = new Canaries();
    recordSecrets(wechat, canaries);
  });
  afterEach(async () => {
    await app?.stop('SIGKILL');
    app = undefined;
    await wechat.close();
    await collector.close();
    rmSync(cwd, { recursive: true });
  });

  /** Starts the app, calls each route that uses WeChat or the store, and stops the app, so that all data is exported. */
  async function live(env: Record<string, string>, use = useEverything): Promise<void> {
    if (!('DATABASE_URL' in env)) await copyEmbeddedTo(join(cwd, 'var/db'));
    const PORT = String(await freePort());
    app = runApp('main', {
      cwd,
      env: { ...environmentFor(wechat), PORT, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', ...env },
    });
    await app.says('Listening');
    await use(clientOf(`http://127.0.0.1:${PORT}`));
    expect(await app.stop()).toBe(0);
  }

  async function useEverything(call: ReturnType<typeof clientOf>): Promise<void> {
    const ok = async (response: Promise<AppResponse>): Promise<any> => {
      const { status, body } = await response;
      if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
      return body.data;
    };
    const user = wechat.users.create({ phoneNumber: '13580001234' });
    canaries.add('phone', '13580001234');
    for (const { appId } of [SHOP, PHONE]) canaries.add('openid', user.openid(appId));
    const { session_rd: first } = await ok(call('POST /auth/login', { body: await user.login() }));
    const { session_rd: token } = await ok(call('POST /auth/refresh', { token: first }));
    canaries.add('session_rd', first, token);
    await ok(call('GET /auth/session', { token }));
    await ok(call('PUT /me/profile', { token, body: await user.getUserInfo() }));
    await ok(call('PUT /me/phone', { token, body: { code: (await user.getPhoneNumber()).code } }));
    await ok(
      call('POST /auth/phone-login', { token, body: { code: (await user.getPhoneNumber()).code } }),
    );
    expect((await call('POST /qrcodes', { token, body: { scene: 'a=1' } })).status).toBe(200);
    const { code } = await user.login(SHOP.appId);
    const session: string = await ok(call(`GET ${MINI}/code2Session?code=${code}`));
    canaries.add('session_rd', session);
    await ok(call(`GET ${MINI}/access_token`));
    const login = await user.authorize(PHONE.appId);
    const mobileToken: string = await ok(
      call(`GET ${MOBILE}/${PHONE.secret}/oauth2?code=${login.code}`),
    );
    canaries.add('mobileToken', mobileToken);
    for (const refresh of ['true', 'false'])
      await ok(call(`GET ${MOBILE}/${mobileToken}/userInfo?refresh=${refresh}`));
    wechat.next('/sns/jscode2session', { errcode: 40226 });
    expect((await call('POST /auth/login', { body: await user.login() })).status).toBe(403);
    expect((await call(`GET ${MINI}x/access_token`)).status).toBe(400);
    expect(
      (
        await call(`GET /nothing/${SHOP.secret}?session_rd=${token}`, {
          headers: { 'user-agent': token },
        })
      ).status,
    ).toBe(404);
    await ok(call('POST /auth/logout', { token }));
  }

  const leaks = (): string[] =>
    [...new Set(collector.received.flatMap((body) => canaries.in(body)))].toSorted();

  it('P10 contains every step, without a secret', async () => {
    await live({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_SERVICE_NAME: 'shop',
      ...databaseEnvironment(database),
      ...TELLS_WHAT_IS_LOADED,
    });
    expect(app?.output()).toMatch(SDK);
    expect(collector.spans()).toEqual(
      expect.arrayContaining([
        'POST /auth/login',
        'GET /auth/session',
        'GET unmatched',
        'wechat login',
        'wechat refresh',
        'wechat access token',
        'wechat store add',
        'wechat /sns/jscode2session',
        'wechat /sns/oauth2/access_token',
        'wechat /wxa/business/getuserphonenumber',
        'wechat /wxa/getwxacodeunlimit',
      ]),
    );
    expect(collector.metrics()).toEqual(
      expect.arrayContaining([
        'wechat.call.duration',
        'wechat.access_token.fetches',
        'wechat.session.operations',
        'wechat.store.duration',
      ]),
    );
    expect(collector.received.join('')).toContain('"shop"');
    expect(canaries.kinds).toEqual(
      new Set([
        'appSecret',
        'sessionKey',
        'accessToken',
        'session_rd',
        'oauthToken',
        'mobileToken',
        'phone',
        'openid',
      ]),
    );
    expect(leaks()).toEqual([]);
  }, 120_000);

  it('control: the usual instrumentation of HTTP exports secrets, and the search finds them', async () => {
    await live({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`, ...NAIVE });
    expect(collector.spans()).toEqual(expect.arrayContaining(['wechat login', 'GET']));
    expect(leaks()).toEqual([
      'accessToken',
      'appSecret',
      'mobileToken',
      'oauthToken',
      'openid',
      'session_rd',
    ]);
  }, 120_000);

  it('control: even without the calls to WeChat, the paths of the central service contain secrets', async () => {
    await live({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
      LEFT_OUT: new URL(wechat.url).hostname,
      ...NAIVE,
    });
    expect(leaks()).toEqual(['appSecret', 'mobileToken', 'session_rd']);
  }, 120_000);

  it('is off by default, and then loads no package of OpenTelemetry', async () => {
    const env = { ...databaseEnvironment(database), ...TELLS_WHAT_IS_LOADED };
    await live(env, async (call) => void (await call('GET /health/ready')));
    expect(app?.output()).toContain('loaded: @opentelemetry/api\n');
    expect(collector.received).toEqual([]);
  }, 120_000);
});
