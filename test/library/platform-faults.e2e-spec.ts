import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { AccessTokenService, PhoneService, SessionService, WechatStore } from 'nestjs-wechat';
import type { WechatError } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const LOGIN = '/sns/jscode2session';
const TOKEN = '/cgi-bin/stable_token';
const TIMEOUT = 600;

describe('when WeChat fails', () => {
  let wechat: WechatSandbox;
  let app: TeamApp;
  let sessions: SessionService;
  const secret = () => wechat.apps[0]!.secret;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat, { api: { baseUrl: wechat.url, timeout: TIMEOUT } }));
    sessions = app.get(SessionService);
  });
  afterEach(() => wechat.clear());
  afterAll(async () => {
    await closeTeamApps();
    await wechat.close();
  });

  /** One login under these faults: how it ended, how often WeChat was asked, how long it took. */
  const login = async (...faults: Fault[]) => {
    const { code } = await wechat.users.create().login();
    for (const fault of faults) wechat.next(LOGIN, fault);
    const [asked, started] = [wechat.requestsTo(LOGIN).length, performance.now()];
    const outcome = await sessions.login(code).then(
      () => 'ok',
      (error: WechatError) => {
        const everything = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + error.stack;
        for (const leak of [secret(), code, wechat.url]) expect(everything).not.toContain(leak);
        expect(error.endpoint).toBe(LOGIN);
        return error.code;
      },
    );
    return { outcome, calls: wechat.requestsTo(LOGIN).length - asked, ms: performance.now() - started };
  };

  it.each<[string, Fault[], string, number]>([
    ['a busy answer once', [{ errcode: -1 }], 'ok', 2],
    ['a busy answer again and again', [{ errcode: -1 }, { errcode: -1 }, { errcode: -1 }], 'ERR_WECHAT_UNAVAILABLE', 2],
    ['500 once', [{ status: 500 }], 'ok', 2],
    ['502 with errcode -1, twice', [{ status: 502, body: { errcode: -1 } }, { status: 503 }], 'ERR_WECHAT_UNAVAILABLE', 2],
    ['a minute quota', [{ errcode: 45011 }], 'ERR_WECHAT_RATE_LIMIT', 1],
    ['a day quota', [{ errcode: 45009 }], 'ERR_WECHAT_RATE_LIMIT', 1],
    ['an invalid code', [{ errcode: 40029 }], 'ERR_WECHAT_CODE', 1],
    ['a used code', [{ errcode: 40163 }], 'ERR_WECHAT_CODE', 1],
    ['a blocked user', [{ errcode: 40226 }], 'ERR_WECHAT_BLOCKED', 1],
    ['a wrong AppID', [{ errcode: 40013 }], 'ERR_WECHAT_CONFIG', 1],
    ['a wrong AppSecret', [{ errcode: 40125 }], 'ERR_WECHAT_CONFIG', 1],
    ['an IP address that is not listed', [{ errcode: 40164 }], 'ERR_WECHAT_CONFIG', 1],
    ['an errcode that nobody knows', [{ errcode: 99999 }], 'ERR_WECHAT_RESPONSE', 1],
    ['an errcode as text', [{ body: '{"errcode":"40029"}' }], 'ERR_WECHAT_CODE', 1],
    ['a redirect', [{ redirect: 'http://127.0.0.1:1/steal' }], 'ERR_WECHAT_RESPONSE', 1],
    ['404', [{ status: 404 }], 'ERR_WECHAT_RESPONSE', 1],
    ['silence', [{ hang: true }], 'ERR_WECHAT_UNAVAILABLE', 1],
    ['silence after the work', [{ hang: 'after-work' }], 'ERR_WECHAT_UNAVAILABLE', 1],
    ['a dripping head', [{ drip: '40ms', dripFrom: 'headers' }], 'ERR_WECHAT_UNAVAILABLE', 1],
    ['a dripping body', [{ drip: '40ms' }], 'ERR_WECHAT_UNAVAILABLE', 1],
    ['a reset', [{ reset: true }], 'ERR_WECHAT_UNAVAILABLE', 1],
    ['a reset after the work', [{ reset: 'after-work' }], 'ERR_WECHAT_UNAVAILABLE', 1],
    ['a reset half-way', [{ reset: 'mid-answer' }], 'ERR_WECHAT_UNAVAILABLE', 1],
    ['nothing', [{ body: '' }], 'ERR_WECHAT_RESPONSE', 1],
    ['HTML', [{ body: '<html>maintenance</html>', contentType: 'text/html' }], 'ERR_WECHAT_RESPONSE', 1],
    ['cut JSON', [{ body: '{"openid":"o' }], 'ERR_WECHAT_RESPONSE', 1],
    ['null', [{ body: 'null' }], 'ERR_WECHAT_RESPONSE', 1],
    ['an array', [{ body: '[]' }], 'ERR_WECHAT_RESPONSE', 1],
    ['a text', [{ body: '"x"' }], 'ERR_WECHAT_RESPONSE', 1],
    ['half a megabyte of JSON', [{ body: JSON.stringify({ x: 'x'.repeat(500_000) }) }], 'ERR_WECHAT_RESPONSE', 1],
    ['a gzip bomb', [{ body: gzipSync(Buffer.alloc(20_000_000)), headers: { 'content-encoding': 'gzip' } }], 'ERR_WECHAT_RESPONSE', 1],
    ['broken gzip', [{ body: 'not gzip', headers: { 'content-encoding': 'gzip' } }], 'ERR_WECHAT_RESPONSE', 1],
    ['a byte order mark', [{ body: '\ufeff{"openid":"o"}' }], 'ERR_WECHAT_RESPONSE', 1],
    ['no openid', [{ transform: ({ session_key }) => ({ session_key }) }], 'ERR_WECHAT_RESPONSE', 1],
    ['an openid of another type', [{ transform: (json) => ({ ...json, openid: 1 }) }], 'ERR_WECHAT_RESPONSE', 1],
    ['an endless openid', [{ transform: (json) => ({ ...json, openid: 'o'.repeat(300) }) }], 'ERR_WECHAT_RESPONSE', 1],
    ['a short session_key', [{ transform: (json) => ({ ...json, session_key: 'AAAA' }) }], 'ERR_WECHAT_RESPONSE', 1],
    ['a success with errcode 0', [{ transform: (json) => ({ errcode: 0, errmsg: 'ok', ...json }) }], 'ok', 1],
    ['JSON that calls itself HTML', [{ transform: (json) => json, contentType: 'text/html' }], 'ok', 1],
  ])('answers %s as it should, and asks no more often than it may', async (_, faults, outcome, calls) => {
    const get = jest.spyOn(app.get(WechatStore), 'add');
    const result = await login(...faults);
    expect([result.outcome, result.calls]).toEqual([outcome, calls]);
    expect(result.ms).toBeLessThan(TIMEOUT * 2);
    if (outcome !== 'ok') expect(get).not.toHaveBeenCalled();
    get.mockRestore();
  });

  it('never follows a redirect with the secret', async () => {
    const elsewhere = await startWechatSandbox();
    expect(await login({ redirect: `${elsewhere.url}${LOGIN}` })).toMatchObject({ outcome: 'ERR_WECHAT_RESPONSE' });
    expect(elsewhere.requests).toHaveLength(0);
    await elsewhere.close();
  });

  it('answers 503 where nobody listens', async () => {
    const away = await startTeamApp({ ...optionsFor(wechat), api: { baseUrl: 'http://127.0.0.1:1', timeout: TIMEOUT } });
    await expect(away.get(SessionService).login('a')).rejects.toMatchObject({ code: 'ERR_WECHAT_UNAVAILABLE', attempt: 2 });
  });

  it('gives up on a timer longer than Node can wait only when asked to', async () => {
    const patient = await startTeamApp({ ...optionsFor(wechat), api: { baseUrl: wechat.url, timeout: '100d' } });
    const { code } = await wechat.users.create().login();
    expect(await patient.get(SessionService).login(code)).toHaveProperty('session_rd');
  });

  it('survives any JSON at all', async () => {
    const store = jest.spyOn(app.get(WechatStore), 'add');
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (json) => {
        const { outcome } = await login({ body: JSON.stringify(json) });
        expect(['ERR_WECHAT_RESPONSE', 'ERR_WECHAT_CONFIG', 'ERR_WECHAT_UNAVAILABLE']).toContain(outcome);
      }),
      { numRuns: 100 },
    );
    expect(store).not.toHaveBeenCalled();
    store.mockRestore();
  });

  it('repeats what is safe to repeat: a token after a lost answer, never a phone code', async () => {
    wechat.next(TOKEN, { reset: true });
    expect(await app.get(AccessTokenService).get()).toBe(wechat.accessTokens.current(wechat.apps[0]!.appId));
    expect(wechat.requestsTo(TOKEN)).toHaveLength(2);
    wechat.next('/wxa/business/getuserphonenumber', { reset: 'after-work' });
    const { code } = await wechat.users.create({ phoneNumber: '13580006666' }).getPhoneNumber();
    await expect(app.get(PhoneService).byCode(code)).rejects.toMatchObject({ code: 'ERR_WECHAT_UNAVAILABLE' });
    expect(wechat.requestsTo('/wxa/business/getuserphonenumber')).toHaveLength(1);
  });

  it('keeps what WeChat says on one line, and short', async () => {
    wechat.next(LOGIN, { errcode: 12345, errmsg: `evil\r\n2026 INFO forged \u2028 \u001b[31m${'x'.repeat(500)}` });
    const { code } = await wechat.users.create().login();
    const error: WechatError = await sessions.login(code).catch((e: WechatError) => e) as WechatError; // prettier-ignore
    expect(error.message).not.toMatch(/[\p{Cc}\u2028]/u);
    expect(error.message.length).toBeLessThan(300);
  });
});
