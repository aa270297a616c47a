import { AccessTokenService, WechatApiClient } from 'nestjs-wechat';
import type { WechatModuleOptions } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';

const STABLE = '/cgi-bin/stable_token';
const LEGACY = '/cgi-bin/token';
const API = '/cgi-bin/getcallbackip';

describe('the access token', () => {
  let wechat: WechatSandbox;

  beforeEach(async () => {
    wechat = await startWechatSandbox();
  });
  afterEach(async () => {
    await closeTeamApps();
    await wechat.close();
  });

  const start = async (more: Partial<WechatModuleOptions> = {}) => {
    const app = await startTeamApp(
      optionsFor(wechat, { ...more, api: { baseUrl: wechat.url, ...more.api } }),
    );
    const tokens = app.get(AccessTokenService);
    const api = app.get(WechatApiClient);
    return {
      tokens,
      call: () => api.call<{ ip_list: string[] }>({ method: 'GET', path: API }),
      api,
    };
  };
  const times = (path: string) => wechat.requestsTo(path).length;
  const current = () => wechat.accessTokens.current(wechat.apps[0]!.appId);
  /** Waits until a background refresh has finished. */
  const until = async (isDone: () => boolean | Promise<boolean>) => {
    while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  it('is fetched once for a hundred parallel callers, and then returned from memory', async () => {
    const { tokens } = await start();
    const got = await Promise.all(Array.from({ length: 100 }, () => tokens.get()));
    expect(new Set(got)).toEqual(new Set([current()]));
    wechat.clock.advance('1h');
    expect(await tokens.get()).toBe(got[0]);
    expect(times(STABLE)).toBe(1);
    expect(wechat.requestsTo(STABLE)[0]).toMatchObject({
      method: 'POST',
      body: expect.objectContaining({ force_refresh: false }),
    });
  });

  it('is refreshed in the background while the old one is still valid', async () => {
    const { tokens } = await start();
    const old = await tokens.get();
    wechat.clock.advance('116m'); // four minutes are left
    const got = await Promise.all(Array.from({ length: 50 }, () => tokens.get()));
    expect(new Set(got)).toEqual(new Set([old]));
    await until(async () => (await tokens.get()) !== old);
    expect(await tokens.get()).toBe(current());
    expect(times(STABLE)).toBe(2);
  });

  it('is refreshed in time if WeChat returns a token that expires in a few minutes', async () => {
    const { tokens: other } = await start();
    await other.get();
    wechat.clock.advance('114m'); // of 120, so the next instance gets a token that expires in six minutes
    const { tokens } = await start();
    const old = await tokens.get();
    wechat.clock.advance('5m');
    await tokens.get();
    await until(() => current() !== old);
    expect(wechat.accessTokens.isValid(await tokens.get())).toBe(true);
  });

  it('is returned until it expires while refreshes fail, and is fetched again after the outage', async () => {
    const { tokens } = await start();
    const old = await tokens.get();
    wechat.always(STABLE, { errcode: -1 });
    for (const step of ['112m', '2m', '2m', '2m', '80s'] as const) {
      wechat.clock.advance(step);
      expect(await tokens.get()).toBe(old);
    }
    wechat.clock.advance('20s'); // it expires in less than 30 seconds
    await expect(tokens.get()).rejects.toMatchObject({ code: 'ERR_WECHAT_UNAVAILABLE' });
    wechat.clear();
    await until(() => tokens.get().then(() => true, () => false)); // prettier-ignore
    expect(wechat.accessTokens.isValid(await tokens.get())).toBe(true);
  });

  it('is renewed once when WeChat refuses it, and each call is repeated once at most', async () => {
    const { call } = await start({ api: { timeout: '60s' } }); // 100 calls at once take long on a busy machine
    await call();
    wechat.invalidateAccessToken();
    const responses = await Promise.all(Array.from({ length: 100 }, call));
    expect(responses.every(({ ip_list }) => Array.isArray(ip_list))).toBe(true);
    expect(times(STABLE)).toBe(2);
    expect(times(API)).toBeLessThanOrEqual(1 + 200);
  });

  it.each([40001, 40014, 42001])('is renewed after errcode %i', async (errcode) => {
    const { call } = await start();
    await call();
    wechat.next(API, { errcode });
    expect(await call()).toHaveProperty('ip_list');
  });

  it('is fetched by a forced refresh only if WeChat returns the refused one again, 10 times a day at most', async () => {
    const { call } = await start();
    await call();
    wechat.always(API, { errcode: 40001 });
    const forced = () =>
      wechat
        .requestsTo(STABLE)
        .filter(({ body }) => (body as { force_refresh: boolean }).force_refresh).length;
    await expect(call()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE', errcode: 40001 });
    expect(forced()).toBe(1);
    for (let i = 0; i < 5; i++)
      await expect(call()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
    expect(forced()).toBe(1); // no second one within 30 seconds
    for (let i = 0; i < 20; i++) {
      wechat.clock.advance('31s');
      await expect(call()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
    }
    expect(forced()).toBe(10); // WeChat allows 20 a day
    wechat.clear();
    expect(await call()).toHaveProperty('ip_list');
  });

  it('is fetched from cgi-bin/token in legacy mode, and renewed after another client has invalidated it', async () => {
    const { tokens, call } = await start({ api: { accessTokenMode: 'legacy' } });
    const own = await tokens.get();
    const { appId, secret } = wechat.apps[0]!;
    await fetch(
      `${wechat.url}${LEGACY}?grant_type=client_credential&appid=${appId}&secret=${secret}`,
    );
    wechat.clock.advance('6m');
    expect(wechat.accessTokens.isValid(own)).toBe(false);
    expect(await call()).toHaveProperty('ip_list');
    expect([times(LEGACY), times(STABLE)]).toEqual([3, 0]);
  });

  it.each<[string, object]>([
    ['no token', { expires_in: 7200 }],
    ['a token of 1,025 characters', { access_token: 'x'.repeat(1025), expires_in: 7200 }],
    ['a token with a line break', { access_token: 'a\nb', expires_in: 7200 }],
    ['expires_in 0', { access_token: 'a', expires_in: 0 }],
    ['a negative expires_in', { access_token: 'a', expires_in: -1 }],
    ['expires_in as text', { access_token: 'a', expires_in: '7200' }],
    ['expires_in 1e12', { access_token: 'a', expires_in: 1e12 }],
  ])('is not accepted from a response with %s', async (_, body) => {
    const { tokens } = await start();
    wechat.next(STABLE, { body });
    await expect(tokens.get()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
    expect(await tokens.get()).toBe(current());
  });

  it('has an error that names the IP whitelist if WeChat does not allow the IP address of the server', async () => {
    wechat.next(STABLE, { errcode: 40164 });
    const { tokens } = await start();
    await expect(tokens.get()).rejects.toMatchObject({
      code: 'ERR_WECHAT_CONFIG',
      message: expect.stringContaining('IP whitelist'),
    });
  });

  it('is sent to APIs of WeChat only, never to another address', async () => {
    const { api, call } = await start();
    expect((await call()).ip_list.length).toBeGreaterThan(0);
    const before = wechat.requests.length;
    for (const path of [
      '',
      'wxa',
      '//evil.example.com',
      'https://evil.example.com/',
      '/a?b',
      '/a#b',
      '/../a',
      '/a/../../b',
      '/a b',
    ]) {
      await expect(api.call({ method: 'GET', path })).rejects.toMatchObject({
        code: 'ERR_BAD_REQUEST',
      });
    }
    await expect(
      api.call({ method: 'GET', path: API, appId: 'wx0000000000000000' }),
    ).rejects.toMatchObject({ code: 'ERR_WECHAT_APP' });
    expect(wechat.requests.length).toBe(before);
  });
});
