import { startWechatSandbox } from './index.js';
import type { WechatSandbox } from './index.js';
import { nextMinute, WechatClient } from './wechat-client.for-spec.js';

const HOUR = 3600_000;
const DAY = 24 * HOUR;
const ANY_API = '/cgi-bin/getcallbackip';

let wechat: WechatSandbox;
let client: WechatClient;

beforeEach(async () => {
  wechat = await startWechatSandbox();
  client = new WechatClient(wechat);
});
afterEach(() => wechat.close());

/** Returns 0 for an accepted token, or the errcode of the refusal. */
async function verdict(access_token: string): Promise<number> {
  return (await client.get(ANY_API, { access_token })).errcode ?? 0;
}

describe('cgi-bin/token', () => {
  it('issues a new token at each call, and the previous one stays valid for 5 minutes', async () => {
    const { access_token: first, expires_in } = await client.legacyToken();
    expect(first).toMatch(/^\d\d_[\w-]{130,509}$/);
    expect(expires_in).toBe(7200);
    const { access_token: second } = await client.legacyToken();
    expect(second).not.toBe(first);
    wechat.clock.advance('4m');
    expect([await verdict(first), await verdict(second)]).toEqual([0, 0]);
    wechat.clock.advance('1m');
    expect([await verdict(first), await verdict(second)]).toEqual([40001, 0]);
    wechat.clock.advance('2h');
    expect(await verdict(second)).toBe(42001);
  });

  it('refuses wrong credentials, verbs and apps without such tokens', async () => {
    const cases = [
      [{ appid: '' }, 41002],
      [{ appid: 'wx0' }, 40013],
      [{ secret: '' }, 41004],
      [{ secret: 'wrong' }, 40125],
      [{ grant_type: 'authorization_code' }, 40002],
      [{ appid: client.mobile.appId, secret: client.mobile.secret }, 40013],
    ] as const;
    for (const [changed, errcode] of cases)
      expect(await client.legacyToken(changed)).toMatchObject({ errcode });
    expect(await client.post('/cgi-bin/token', {}, {})).toMatchObject({ errcode: 43001 });
  });
});

describe('cgi-bin/stable_token', () => {
  it('returns the same token to all callers, and a new one 5 minutes before it expires', async () => {
    const { access_token: first, expires_in } = await client.stableToken();
    expect(expires_in).toBe(7200);
    wechat.clock.advance('1h');
    const again = await client.stableToken();
    expect(again.access_token).toBe(first);
    expect(again.expires_in).toBeGreaterThan(3590);
    expect(again.expires_in).toBeLessThanOrEqual(3600);
    wechat.clock.advance('56m');
    const { access_token: second, expires_in: whole } = await client.stableToken();
    expect(second).not.toBe(first);
    expect(whole).toBe(7200);
    expect([await verdict(first), await verdict(second)]).toEqual([0, 0]);
    wechat.clock.advance('4m');
    expect([await verdict(first), await verdict(second)]).toEqual([42001, 0]);
  });

  it('revokes the previous token on force_refresh, at most every 30 seconds and 20 times a day', async () => {
    wechat.clock.advance(DAY - ((wechat.clock.now() + 8 * HOUR) % DAY)); // to midnight in Beijing, where a day's count begins
    const { access_token: first } = await client.stableToken();
    const { access_token: second } = await client.stableToken({ force_refresh: true });
    expect([await verdict(first), await verdict(second)]).toEqual([40001, 0]);
    expect(await client.stableToken({ force_refresh: true })).toHaveProperty(
      'access_token',
      second,
    );
    const forced = new Set([second]);
    for (let i = 0; i < 25; i++) {
      wechat.clock.advance('30s');
      forced.add((await client.stableToken({ force_refresh: true })).access_token);
    }
    expect(forced.size).toBe(20);
    wechat.clock.advance('1d');
    expect(forced).not.toContain((await client.stableToken({ force_refresh: true })).access_token);
  });

  it('is independent of the tokens of cgi-bin/token', async () => {
    const { access_token: stable } = await client.stableToken();
    const { access_token: legacy } = await client.legacyToken();
    await client.stableToken({ force_refresh: true });
    expect([await verdict(stable), await verdict(legacy)]).toEqual([40001, 0]);
    await client.legacyToken();
    wechat.clock.advance('5m');
    expect([
      await verdict(legacy),
      await verdict((await client.stableToken()).access_token),
    ]).toEqual([40001, 0]);
  });

  it('accepts only JSON in a POST', async () => {
    expect(await client.get('/cgi-bin/stable_token')).toMatchObject({ errcode: 43002 });
    expect(
      await client.post('/cgi-bin/stable_token', {}, 'grant_type=client_credential'),
    ).toMatchObject({ errcode: 47001 });
    expect(await client.stableToken({ force_refresh: 'true' })).toMatchObject({ errcode: 47001 });
    expect(await client.stableToken({ secret: 'wrong' })).toMatchObject({ errcode: 40125 });
    expect(await client.stableToken({ appid: undefined })).toMatchObject({ errcode: 41002 });
  });
});

describe('an API that takes a token', () => {
  it('refuses missing, malformed, unknown, revoked and expired tokens with different codes', async () => {
    const { access_token: token } = await client.stableToken();
    expect(await verdict(token)).toBe(0);
    expect(await client.get(ANY_API)).toMatchObject({
      errcode: 41001,
      errmsg: expect.stringMatching(/^access_token missing rid: /),
    });
    expect(await verdict('garbage')).toBe(40014);
    expect(await verdict(`99_${'x'.repeat(160)}`)).toBe(40001);
    expect(await client.post(ANY_API, {}, { access_token: token })).toMatchObject({
      errcode: 43001,
    });
    wechat.invalidateAccessToken(client.mini.appId);
    expect(await verdict(token)).toBe(40001);
  });

  it('can be checked by a test', async () => {
    const { accessTokens } = wechat;
    expect(accessTokens.current(client.mini.appId)).toBeUndefined();
    const { access_token: stable } = await client.stableToken();
    const { access_token: legacy } = await client.legacyToken();
    expect(accessTokens.current(client.mini.appId, 'stable')).toBe(stable);
    expect(accessTokens.current(client.mini.appId)).toBe(legacy);
    expect(accessTokens.isValid(stable)).toBe(true);
    accessTokens.invalidate();
    expect([stable, legacy, 'nonsense'].map((token) => accessTokens.isValid(token))).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe('limits', () => {
  it('give tokens of an app with a whitelist only to its addresses', async () => {
    const guarded = await startWechatSandbox({
      apps: [{ appId: 'wx1', secret: 's', ipWhitelist: ['10.0.0.1'] }],
    });
    const outsider = new WechatClient(guarded);
    const refusal = {
      errcode: 40164,
      errmsg: expect.stringMatching(
        /^invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: /,
      ),
    };
    expect(await outsider.stableToken()).toEqual(refusal);
    expect(await outsider.legacyToken()).toEqual(refusal);
    await guarded.close();
    const open = await startWechatSandbox({
      apps: [{ appId: 'wx1', secret: 's', ipWhitelist: ['127.0.0.1'] }],
    });
    expect(await new WechatClient(open).stableToken()).toHaveProperty('access_token');
    await open.close();
  });

  it('count per day with 45009 and per minute with 45011, until they are cleared', async () => {
    const quotas = {
      '/cgi-bin/token': { perDay: 2 },
      '/cgi-bin/stable_token': { perMinute: 1 },
      [ANY_API]: { perDay: 3 },
    };
    const tight = await startWechatSandbox({ quotas });
    nextMinute(tight);
    const eager = new WechatClient(tight);
    const { appId: appid, secret: appsecret } = eager.mini;
    await eager.legacyToken();
    const { access_token } = await eager.legacyToken();
    expect(await eager.legacyToken()).toMatchObject({ errcode: 45009 });
    await eager.stableToken();
    expect(await eager.stableToken()).toMatchObject({ errcode: 45011 });
    tight.clock.advance('1m');
    expect(await eager.stableToken()).toHaveProperty('access_token');

    await eager.get(ANY_API, { access_token });
    const report = await eager.post(
      '/cgi-bin/openapi/quota/get',
      { access_token },
      { cgi_path: ANY_API },
    );
    expect(report).toMatchObject({ errcode: 0, quota: { daily_limit: 3, used: 1, remain: 2 } });
    expect(
      await eager.post('/cgi-bin/openapi/quota/get', { access_token }, { cgi_path: 'x' }),
    ).toMatchObject({ errcode: 76021 });
    const sns = { cgi_path: '/sns/jscode2session' };
    expect(await eager.post('/cgi-bin/openapi/quota/get', { access_token }, sns)).toMatchObject({
      errcode: 76022,
    });

    expect(
      await eager.post('/cgi-bin/clear_quota', { access_token }, { appid: 'wx0' }),
    ).toMatchObject({ errcode: 40013 });
    expect(await eager.post('/cgi-bin/clear_quota', { access_token }, { appid })).toEqual({
      errcode: 0,
      errmsg: 'ok',
    });
    expect(await eager.legacyToken()).toHaveProperty('access_token');
    for (let i = 0; i < 8; i++)
      await eager.post('/cgi-bin/clear_quota/v2', { appid, appsecret }, '');
    expect(await eager.post('/cgi-bin/clear_quota/v2', {}, { appid, appsecret })).toMatchObject({
      errcode: 0,
    });
    expect(await eager.post('/cgi-bin/clear_quota/v2', {}, { appid, appsecret })).toMatchObject({
      errcode: 48006,
    });
    expect(
      await eager.post('/cgi-bin/clear_quota/v2', {}, { appid, appsecret: 'x' }),
    ).toMatchObject({ errcode: 40125 });
    tight.clock.advance('32d');
    expect(await eager.post('/cgi-bin/clear_quota/v2', {}, { appid, appsecret })).toMatchObject({
      errcode: 0,
    });
    await tight.close();
  });
});

it('explains a refused call by its rid for 7 days', async () => {
  const { errmsg } = await client.exchange('x');
  const rid = errmsg.slice(-26);
  const ask = async (body: object) =>
    client.post('/cgi-bin/openapi/rid/get', await client.withToken(), body);
  const { request } = await ask({ rid });
  expect(request).toMatchObject({
    invoke_time: parseInt(rid.slice(0, 8), 16),
    client_ip: '127.0.0.1',
    response_body: expect.stringContaining(rid),
  });
  expect(await ask({ rid: 'nonsense' })).toMatchObject({ errcode: 76002 });
  expect(await ask({ rid: '00000000-00000000-00000000' })).toMatchObject({ errcode: 76001 });
  wechat.clock.advance('8d');
  expect(await ask({ rid })).toMatchObject({ errcode: 76004 });
});
