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
  /** Lets a refresh in the background finish. */
  const settled = async (done: () => boolean | Promise<boolean>) => {
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  it('is fetched once for a hundred cold callers, and then served from memory', async () => {
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

  it('is refreshed in the background while the old one still works', async () => {
    const { tokens } = await start();
    const old = await tokens.get();
    wechat.clock.advance('116m'); // four minutes are left
    const got = await Promise.all(Array.from({ length: 50 }, () => tokens.get()));
    expect(new Set(got)).toEqual(new Set([old]));
    await settled(async () => (await tokens.get()) !== old);
    expect(await tokens.get()).toBe(current());
    expect(times(STABLE)).toBe(2);
  });

  it('follows the life that WeChat says is left', async () => {
    const { tokens: elsewhere } = await start();
    await elsewhere.get();
    wechat.clock.advance('114m'); // of 120, so this instance learns of six minutes
    const { tokens } = await start();
    const old = await tokens.get();
    wechat.clock.advance('5m');
    await tokens.get();
    await settled(() => current() !== old);
    expect(wechat.accessTokens.isValid(await tokens.get())).toBe(true);
  });

  it('keeps serving while refreshes fail, until its very end, and comes back by itself', async () => {
    const { tokens } = await start();
    const old = await tokens.get();
    wechat.always(STABLE, { errcode: -1 });
    for (const step of ['112m', '2m', '2m', '2m', '80s'] as const) {
      wechat.clock.advance(step);
      expect(await tokens.get()).toBe(old);
    }
    wechat.clock.advance('20s'); // less than half a minute is left
    await expect(tokens.get()).rejects.toMatchObject({ code: 'ERR_WECHAT_UNAVAILABLE' });
    wechat.clear();
    await settled(() => tokens.get().then(() => true, () => false)); // prettier-ignore
    expect(wechat.accessTokens.isValid(await tokens.get())).toBe(true);
  });

  it('is renewed once when WeChat refuses it, and each call is replayed once', async () => {
    const { call } = await start();
    await call();
    wechat.invalidateAccessToken();
    const answers = await Promise.all(Array.from({ length: 100 }, call));
    expect(answers.every(({ ip_list }) => Array.isArray(ip_list))).toBe(true);
    expect(times(STABLE)).toBe(2);
    expect(times(API)).toBeLessThanOrEqual(1 + 200);
  });

  it.each([40001, 40014, 42001])('is renewed on %i', async (errcode) => {
    const { call } = await start();
    await call();
    wechat.next(API, { errcode });
    expect(await call()).toHaveProperty('ip_list');
  });

  it('is forced only if the same one comes back, within the budget', async () => {
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
    expect(forced()).toBe(1); // not within 30 seconds
    for (let i = 0; i < 20; i++) {
      wechat.clock.advance('31s');
      await expect(call()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
    }
    expect(forced()).toBe(10); // half of what WeChat allows for a day
    wechat.clear();
    expect(await call()).toHaveProperty('ip_list');
  });

  it('comes from cgi-bin/token in legacy mode, and a newer one of somebody else heals it', async () => {
    const { tokens, call } = await start({ api: { accessTokenMode: 'legacy' } });
    const mine = await tokens.get();
    const { appId, secret } = wechat.apps[0]!;
    await fetch(
      `${wechat.url}${LEGACY}?grant_type=client_credential&appid=${appId}&secret=${secret}`,
    );
    wechat.clock.advance('6m');
    expect(wechat.accessTokens.isValid(mine)).toBe(false);
    expect(await call()).toHaveProperty('ip_list');
    expect([times(LEGACY), times(STABLE)]).toEqual([3, 0]);
  });

  it.each<[string, object]>([
    ['no token', { expires_in: 7200 }],
    ['an endless token', { access_token: 'x'.repeat(1025), expires_in: 7200 }],
    ['a token with a line break', { access_token: 'a\nb', expires_in: 7200 }],
    ['a life of zero', { access_token: 'a', expires_in: 0 }],
    ['a life below zero', { access_token: 'a', expires_in: -1 }],
    ['a life as text', { access_token: 'a', expires_in: '7200' }],
    ['an endless life', { access_token: 'a', expires_in: 1e12 }],
  ])('is not taken from an answer with %s', async (_, body) => {
    const { tokens } = await start();
    wechat.next(STABLE, { body });
    await expect(tokens.get()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
    expect(await tokens.get()).toBe(current());
  });

  it('is refused with a word to the operator where the IP address is not listed', async () => {
    wechat.next(STABLE, { errcode: 40164 });
    const { tokens } = await start();
    await expect(tokens.get()).rejects.toMatchObject({
      code: 'ERR_WECHAT_CONFIG',
      message: expect.stringContaining('IP whitelist'),
    });
  });

  it('opens any of the APIs of WeChat, and no other address', async () => {
    const { api, call } = await start();
    expect((await call()).ip_list.length).toBeGreaterThan(0);
    const asked = wechat.requests.length;
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
    expect(wechat.requests.length).toBe(asked);
  });
});
