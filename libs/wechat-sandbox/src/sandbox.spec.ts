import { startWechatSandbox } from './index.js';
import type { WechatSandbox } from './index.js';
import { decrypt, nextMinute, WechatClient } from './wechat-client.for-spec.js';

const OTHER = {
  appId: 'wx00000000000000aa',
  secret: 'a'.repeat(32),
  openPlatform: 'another company',
};
const UNBOUND = { appId: 'wx00000000000000bb', secret: 'b'.repeat(32), openPlatform: false };
const SISTER = { appId: 'wx00000000000000cc', secret: 'c'.repeat(32) };
const MINI = { appId: 'wx4f4bc4dec97d474b', secret: '0123456789abcdef0123456789abcdef' };
const MOBILE = { appId: 'wx4f4bc4dec97d4700', secret: 'd'.repeat(32), kind: 'mobile' as const };

let wechat: WechatSandbox;
let client: WechatClient;

beforeEach(async () => {
  wechat = await startWechatSandbox({ apps: [MINI, MOBILE, OTHER, UNBOUND, SISTER] });
  client = new WechatClient(wechat);
});
afterEach(() => wechat.close());

describe('sns/jscode2session', () => {
  it('returns openid, session_key and unionid for a fresh code, as text/plain', async () => {
    const user = wechat.users.create();
    const { errMsg, code } = await user.login();
    expect(errMsg).toBe('login:ok');
    expect(code).toMatch(/^[0-9A-Za-z]{32}$/);

    const query = {
      appid: MINI.appId,
      secret: MINI.secret,
      js_code: code,
      grant_type: 'authorization_code',
    };
    const response = await client.send('/sns/jscode2session', query);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain');
    const session: any = await response.json();
    expect(session).toEqual({
      openid: user.openid(),
      session_key: user.sessionKey(),
      unionid: user.unionid(),
    });
    expect(session.openid).toMatch(/^o[\w-]{27}$/);
    expect(session.unionid).toMatch(/^o[\w-]{27}$/);
    expect(session.session_key).toMatch(/^[\w+/]{22}==$/);
  });

  it('accepts a code once: 40163 the second time, with a rid that begins with the time', async () => {
    const { code } = await wechat.users.create().login();
    await client.exchange(code);
    wechat.clock.advance('1m');
    const { errcode, errmsg } = await client.exchange(code);
    expect(errcode).toBe(40163);
    const [, hex] = /^code been used, rid: ([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{8}$/.exec(errmsg)!;
    expect(parseInt(hex!, 16)).toBeCloseTo(wechat.clock.now() / 1000, -1);
  });

  it('accepts a code for 5 minutes', async () => {
    const user = wechat.users.create();
    const { code: early } = await user.login();
    const { code: late } = await user.login();
    wechat.clock.advance('4m');
    expect(await client.exchange(early)).toHaveProperty('openid');
    wechat.clock.advance('1m');
    expect(await client.exchange(late)).toMatchObject({ errcode: 40029 });
    await user.login();
    expect(await client.exchange(early)).toMatchObject({ errcode: 40029 });
  });

  it('accepts only codes of wx.login of the same app', async () => {
    const user = wechat.users.create();
    const { code } = await user.login(OTHER.appId);
    expect(await client.exchange(code)).toMatchObject({ errcode: 40029 });
    expect(await client.exchange((await user.getPhoneNumber()).code)).toMatchObject({
      errcode: 40029,
    });
    expect(await client.exchange((await user.authorize()).code)).toMatchObject({ errcode: 40029 });
    expect(await client.exchange('never issued')).toMatchObject({ errcode: 40029 });
    expect(
      await client.exchange(code, { appid: OTHER.appId, secret: OTHER.secret }),
    ).toHaveProperty('openid');
  });

  it.each([
    [{ appid: '' }, 41002, 'appid missing'],
    [{ appid: 'wx0' }, 40013, 'invalid appid'],
    [{ secret: '' }, 41004, 'appsecret missing'],
    [{ secret: 'wrong' }, 40125, 'invalid appsecret'],
    [{ js_code: '' }, 41008, 'missing code'],
    [{ grant_type: 'client_credential' }, 40002, 'invalid grant_type'],
  ])('refuses %j with %i', async (changed, errcode, errmsg) => {
    const { code } = await wechat.users.create().login();
    expect(await client.exchange(code, changed)).toEqual({
      errcode,
      errmsg: expect.stringMatching(`^${errmsg}, rid: `),
    });
  });

  it('ignores the body of a POST', async () => {
    const body = {
      appid: MINI.appId,
      secret: MINI.secret,
      js_code: 'x',
      grant_type: 'authorization_code',
    };
    expect(await client.post('/sns/jscode2session', {}, body)).toMatchObject({ errcode: 41002 });
  });

  it('keeps the openid, and the unionid across the apps of one account', async () => {
    const user = wechat.users.create();
    const login = async (app: { appId: string; secret: string }) =>
      client.exchange((await user.login(app.appId)).code, { appid: app.appId, secret: app.secret });
    const first = await login(MINI);
    expect((await login(MINI)).openid).toBe(first.openid);
    const sister = await login(SISTER);
    expect(sister.openid).not.toBe(first.openid);
    expect(sister.unionid).toBe(first.unionid);
    expect((await login(OTHER)).unionid).not.toBe(first.unionid);
    expect(await login(UNBOUND)).not.toHaveProperty('unionid');
    expect(user.unionid(MOBILE.appId)).toBe(first.unionid);
  });

  it('blocks a high-risk user with 40226', async () => {
    const { code } = await wechat.users.create({ highRisk: true }).login();
    expect(await client.exchange(code)).toMatchObject({
      errcode: 40226,
      errmsg: expect.stringMatching(/^code blocked/),
    });
  });

  it('accepts 100 logins of a user per minute', async () => {
    const user = wechat.users.create();
    nextMinute(wechat);
    for (let i = 0; i < 100; i++)
      expect(await client.exchange((await user.login()).code)).toHaveProperty('openid');
    const { code } = await user.login();
    expect(await client.exchange(code)).toMatchObject({ errcode: 45011 });
    expect(await client.exchange((await wechat.users.create().login()).code)).toHaveProperty(
      'openid',
    );
    wechat.clock.advance('1m');
    expect(await client.exchange(code)).toHaveProperty('openid');
  });
});

describe('open data', () => {
  it('has the format of the wx APIs', async () => {
    const user = wechat.users.create({
      nickName: 'Band',
      avatarUrl: 'https://thirdwx.qlogo.cn/a/132',
      phoneNumber: '13580006666',
    });
    const open = (data: { encryptedData: string; iv: string }) =>
      JSON.parse(decrypt(data, user.sessionKey()));
    const watermark = {
      timestamp: expect.closeTo(wechat.clock.now() / 1000, -1),
      appid: MINI.appId,
    };

    const info = await user.getUserInfo();
    const shown = {
      nickName: 'Band',
      gender: 0,
      language: 'zh_CN',
      city: '',
      province: '',
      country: '',
      avatarUrl: user.avatarUrl,
    };
    expect(info).toMatchObject({
      errMsg: 'getUserInfo:ok',
      userInfo: shown,
      rawData: JSON.stringify(shown),
    });
    expect(open(info)).toEqual({
      openId: user.openid(),
      unionId: user.unionid(),
      ...shown,
      watermark,
    });

    const profile = await user.getUserProfile();
    expect(profile).toMatchObject({
      errMsg: 'getUserProfile:ok',
      userInfo: { nickName: '微信用户' },
    });
    expect(open(profile)).toEqual({ ...profile.userInfo, watermark });

    const numbers = {
      phoneNumber: '13580006666',
      purePhoneNumber: '13580006666',
      countryCode: '86',
    };
    expect(open(await user.getPhoneNumber())).toEqual({ ...numbers, watermark });
    const { stepInfoList } = open(await user.getWeRunData());
    expect(stepInfoList).toHaveLength(31);
    expect(stepInfoList[0]).toEqual({ timestamp: expect.any(Number), step: expect.any(Number) });
    expect(open(await user.getShareInfo())).toEqual({
      openGId: expect.stringMatching(/^t[\w-]{27}$/),
      watermark,
    });
    expect(open(await user.getGroupEnterInfo())).toMatchObject({
      opengid: expect.any(String),
      chat_type: 3,
      watermark,
    });
  });

  it('has no unionId if the app has no open-platform account', async () => {
    const user = wechat.users.create();
    const data = JSON.parse(
      decrypt(await user.getUserInfo(UNBOUND.appId), user.sessionKey(UNBOUND.appId)),
    );
    expect(data).not.toHaveProperty('unionId');
    expect(data.watermark.appid).toBe(UNBOUND.appId);
  });

  it('can be any payload for negative tests', () => {
    const user = wechat.users.create();
    const open = (data: { encryptedData: string; iv: string }) => decrypt(data, user.sessionKey());
    expect(open(user.encrypt('not JSON'))).toBe('not JSON');
    expect(open(user.encrypt(Buffer.from([0x7b, 0x7d])))).toBe('{}');
    expect(open(user.encrypt({ a: 1 }, undefined, { watermark: false }))).toBe('{"a":1}');
    const watermark = { appid: 'wx0', timestamp: 0 };
    expect(JSON.parse(open(user.encrypt({ a: 1 }, undefined, { watermark })))).toEqual({
      a: 1,
      watermark,
    });
  });
});

describe('users and apps', () => {
  it('keep their openids across runs if their ids are fixed', async () => {
    const again = await startWechatSandbox({ apps: [MINI, MOBILE], demoUsers: true });
    expect(again.users.get('alice')?.openid(MINI.appId)).toBe(
      wechat.users.create({ id: 'alice' }).openid(MINI.appId),
    );
    expect(again.users.all.map(({ id, highRisk }) => [id, highRisk])).toEqual([
      ['alice', false],
      ['bob', false],
      ['mallory', true],
    ]);
    await again.close();
  });

  it('may have fixed openids', async () => {
    const user = wechat.users.create({ openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE' });
    expect(await client.exchange((await user.login()).code)).toHaveProperty(
      'openid',
      'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
    );
    expect(wechat.users.create({ openid: { [OTHER.appId]: 'oHere' } }).openid(OTHER.appId)).toBe(
      'oHere',
    );
    expect(() => wechat.users.create({ openid: user.openid() })).toThrow('belongs to another user');
  });

  it('refuse invalid input, and say what to do', async () => {
    wechat.users.create({ id: 'alice' });
    expect(() => wechat.users.create({ id: 'alice' })).toThrow('Choose another id');
    expect(() => wechat.users.create({ id: 'a/b' })).toThrow('is not valid in a URL');
    await expect(wechat.users.create().login('wx0')).rejects.toThrow(
      'Add it to startWechatSandbox({ apps })',
    );
    await expect(wechat.users.create().login(MOBILE.appId)).rejects.toThrow('no mini-program app');
    expect(() => wechat.users.create().openid('wx0')).toThrow('This sandbox has no app wx0');
    expect(() => wechat.clock.advance('5 parsecs')).toThrow('is not a duration');
    expect(() => wechat.clock.advance(-1)).toThrow('is not a duration');
    await expect(startWechatSandbox({ apps: [MINI, MINI] })).rejects.toThrow(
      'Two apps have the appId',
    );
    await expect(startWechatSandbox({ apps: [{ appId: 'wx0', secret: '' }] })).rejects.toThrow(
      'needs an appId and a secret',
    );
    await expect(startWechatSandbox({ port: Number(new URL(wechat.url).port) })).rejects.toThrow(
      'Choose another port',
    );
  });
});

it('returns 404 for unknown paths and verbs', async () => {
  expect((await client.send('/sns/nothing')).status).toBe(404);
  expect((await client.send('/sns/jscode2session', {}, { method: 'PUT', body: '{}' })).status).toBe(
    404,
  );
});

it('records every call with its secrets', async () => {
  await client.exchange('x');
  await client.stableToken();
  expect(wechat.requests).toHaveLength(2);
  expect(wechat.requestsTo('/sns/jscode2session')).toMatchObject([
    { method: 'GET', query: { secret: MINI.secret, js_code: 'x' }, body: undefined },
  ]);
  expect(wechat.requestsTo('/cgi-bin/stable_token')).toMatchObject([
    { method: 'POST', body: { secret: MINI.secret }, at: expect.any(Date) },
  ]);
});
