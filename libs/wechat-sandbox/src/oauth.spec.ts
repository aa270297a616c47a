import { startWechatSandbox } from './index.js';
import type { SandboxUser, WechatSandbox } from './index.js';
import { WechatClient } from './wechat-client.for-spec.js';

const MINI = { appId: 'wx00000000000000aa', secret: 'a'.repeat(32) };
const SHOP = {
  appId: 'wx00000000000000bb',
  secret: 'b'.repeat(32),
  kind: 'mobile' as const,
  name: 'Shop <b>&"',
};
const CLUB = {
  appId: 'wx00000000000000cc',
  secret: 'c'.repeat(32),
  kind: 'mobile' as const,
  redirectDomains: ['club.example'],
  openPlatform: false,
};

let wechat: WechatSandbox;
let client: WechatClient;
let user: SandboxUser;

beforeEach(async () => {
  wechat = await startWechatSandbox({ apps: [MINI, SHOP, CLUB] });
  client = new WechatClient(wechat);
  user = wechat.users.create({
    id: 'alice',
    nickName: '爱丽丝 🌸<script>',
    avatarUrl: 'https://thirdwx.qlogo.cn/a/132',
  });
});
afterEach(() => wechat.close());

const exchange = (code: string, changed = {}) =>
  client.get('/sns/oauth2/access_token', {
    appid: SHOP.appId,
    secret: SHOP.secret,
    code,
    grant_type: 'authorization_code',
    ...changed,
  });
const refresh = (refresh_token: string, changed = {}) =>
  client.get('/sns/oauth2/refresh_token', {
    appid: SHOP.appId,
    grant_type: 'refresh_token',
    refresh_token,
    ...changed,
  });
const userInfo = (access_token: string, changed = {}) =>
  client.get('/sns/userinfo', { access_token, openid: user.openid(SHOP.appId), ...changed });

describe('sns/oauth2', () => {
  it('exchanges a code once within 10 minutes', async () => {
    const { code } = await user.authorize();
    const response = await client.send('/sns/oauth2/access_token', {
      appid: SHOP.appId,
      secret: SHOP.secret,
      code,
      grant_type: 'authorization_code',
    });
    expect(response.headers.get('content-type')).toBe('text/plain');
    const text = expect.stringMatching(/^\d\d_[\w-]{160}$/);
    const ids = { openid: user.openid(SHOP.appId), unionid: user.unionid(SHOP.appId) };
    expect(await response.json()).toEqual({
      access_token: text,
      expires_in: 7200,
      refresh_token: text,
      scope: 'snsapi_userinfo',
      ...ids,
    });
    expect(await exchange(code)).toMatchObject({ errcode: 40163 });
    const { code: slow } = await user.authorize();
    wechat.clock.advance('10m');
    expect(await exchange(slow)).toMatchObject({ errcode: 40029 });
  });

  it.each([
    [{ appid: '' }, 41002],
    [{ appid: 'wx0' }, 40013],
    [{ secret: '' }, 41004],
    [{ secret: 'x' }, 40125],
    [{ code: '' }, 41008],
    [{ grant_type: 'x' }, 40002],
    [{ appid: CLUB.appId, secret: CLUB.secret }, 40029],
  ])('refuses %j with %i', async (changed, errcode) => {
    expect(await exchange((await user.authorize()).code, changed)).toMatchObject({ errcode });
  });

  it('extends a valid access token and replaces an expired one, within the lifetime of the refresh token', async () => {
    const first = await exchange((await user.authorize()).code);
    wechat.clock.advance('1h');
    const same = await refresh(first.refresh_token);
    expect(same).toEqual({ ...first, unionid: undefined, expires_in: 7200 });
    expect(same).not.toHaveProperty('unionid');
    wechat.clock.advance('2h');
    expect(await userInfo(first.access_token)).toMatchObject({ errcode: 42001 });
    const next = await refresh(first.refresh_token);
    expect(next.access_token).not.toBe(first.access_token);
    expect(next.refresh_token).toBe(first.refresh_token);
    expect(await userInfo(next.access_token)).toHaveProperty('openid');
    expect(await userInfo(first.access_token)).toMatchObject({ errcode: 42001 });
    wechat.clock.advance('30d');
    expect(await refresh(first.refresh_token)).toMatchObject({ errcode: 42002 });
  });

  it('accepts only refresh tokens of the same app', async () => {
    const { refresh_token } = await exchange((await user.authorize()).code);
    expect(await refresh('unknown')).toMatchObject({ errcode: 40030 });
    expect(await refresh(refresh_token, { appid: CLUB.appId })).toMatchObject({ errcode: 40030 });
    expect(await refresh('')).toMatchObject({ errcode: 41003 });
    expect(await refresh(refresh_token, { grant_type: 'x' })).toMatchObject({ errcode: 40002 });
    expect(await refresh(refresh_token, { appid: '' })).toMatchObject({ errcode: 41002 });
    expect(await refresh(refresh_token, { appid: 'wx0' })).toMatchObject({ errcode: 40013 });
  });
});

describe('sns/userinfo and sns/auth', () => {
  it('returns the current data of the user', async () => {
    const { access_token } = await exchange((await user.authorize()).code);
    const shown = {
      nickname: '爱丽丝 🌸<script>',
      sex: 0,
      province: '',
      city: '',
      country: '',
      headimgurl: user.avatarUrl,
      privilege: [],
    };
    const ids = { openid: user.openid(SHOP.appId), unionid: user.unionid(SHOP.appId) };
    expect(await userInfo(access_token)).toEqual({ ...ids, ...shown, language: 'zh_CN' });
    user.nickName = 'Alice';
    expect(await userInfo(access_token, { lang: 'en' })).toMatchObject({
      nickname: 'Alice',
      language: 'en',
    });
    expect(await client.get('/sns/auth', { access_token, openid: ids.openid })).toEqual({
      errcode: 0,
      errmsg: 'ok',
    });
    expect(await client.get('/sns/auth', { access_token, openid: 'oOther' })).toMatchObject({
      errcode: 40003,
    });
  });

  it('need a token of this user and a scope that allows it', async () => {
    const { access_token } = await exchange((await user.authorize()).code);
    const { access_token: appToken } = await client.stableToken();
    expect(await userInfo('')).toMatchObject({ errcode: 41001 });
    expect(await userInfo(access_token, { openid: '' })).toMatchObject({ errcode: 41009 });
    expect(await userInfo('garbage')).toMatchObject({ errcode: 40014 });
    expect(await userInfo(appToken)).toMatchObject({ errcode: 40001 });
    expect(await userInfo(access_token, { openid: user.openid() })).toMatchObject({
      errcode: 40003,
    });
    expect(await client.get('/cgi-bin/getcallbackip', { access_token })).toMatchObject({
      errcode: 40001,
    });
    const silent = await exchange(
      (await user.authorize(SHOP.appId, { scope: 'snsapi_base' })).code,
    );
    expect(silent).not.toHaveProperty('unionid');
    expect(await userInfo(silent.access_token)).toMatchObject({ errcode: 48001 });
  });

  it('have no unionid if the app has no open-platform account', async () => {
    const grant = await exchange((await user.authorize(CLUB.appId)).code, {
      appid: CLUB.appId,
      secret: CLUB.secret,
    });
    expect(grant).toHaveProperty('openid', user.openid(CLUB.appId));
    expect(grant).not.toHaveProperty('unionid');
  });
});

describe('the consent page', () => {
  const query = {
    appid: SHOP.appId,
    redirect_uri: 'https://shop.example/back?a=1',
    response_type: 'code',
    scope: 'snsapi_login',
    state: 's&1',
  };
  const open = (changed = {}, path = '/connect/qrconnect') =>
    client.send(path, { ...query, ...changed });
  const decide = (form: Record<string, string>, changed = {}) =>
    client.send(
      '/connect/qrconnect',
      { ...query, ...changed },
      { method: 'POST', body: new URLSearchParams(form) },
    );

  it('shows a choice of users with escaped names', async () => {
    const response = await open();
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const html = await response.text();
    expect(html).toContain('Shop &lt;b&gt;&amp;&quot;');
    expect(html).toContain('爱丽丝 🌸&lt;script&gt; (alice)');
    expect(html).not.toContain('<script>');
  });

  it('redirects with a code and the state after consent', async () => {
    const response = await decide({ user: 'alice', decision: 'allow' });
    expect(response.status).toBe(302);
    const back = new URL(response.headers.get('location')!);
    expect(back.origin + back.pathname).toBe('https://shop.example/back');
    expect([...back.searchParams.keys()]).toEqual(['a', 'code', 'state']);
    expect(back.searchParams.get('state')).toBe('s&1');
    expect(await exchange(back.searchParams.get('code')!)).toMatchObject({
      scope: 'snsapi_login',
      openid: user.openid(SHOP.appId),
    });
  });

  it('does not redirect after a refusal', async () => {
    const response = await decide({ user: 'alice', decision: 'cancel' });
    expect([response.status, response.headers.get('location')]).toEqual([200, null]);
    expect(await response.text()).toContain('已拒绝');
    expect((await decide({ user: 'nobody', decision: 'allow' })).status).toBe(400);
  });

  it.each([
    [{ appid: MINI.appId }, 'AppID'],
    [{ scope: 'snsapi_userinfo' }, '10005'],
    [{ response_type: 'token' }, 'response_type'],
    [{ redirect_uri: 'not a URL' }, '10003'],
    [{ redirect_uri: 'javascript:alert(1)' }, '10003'],
    [{ appid: CLUB.appId }, '10003'],
  ])('shows the problem of %j to the user, not to the app', async (changed, problem) => {
    const response = await open(changed);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(problem);
  });

  it('checks allowed domains, has the page for 公众号, and works without users', async () => {
    expect((await open({ appid: CLUB.appId, redirect_uri: 'https://club.example/x' })).status).toBe(
      200,
    );
    expect((await open({ scope: 'snsapi_base' }, '/connect/oauth2/authorize')).status).toBe(200);
    const empty = await startWechatSandbox({ apps: [MINI, SHOP] });
    expect(
      await (await new WechatClient(empty).send('/connect/qrconnect', query)).text(),
    ).toContain('No users yet');
    await empty.close();
  });
});
