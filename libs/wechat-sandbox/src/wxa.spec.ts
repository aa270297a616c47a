import { signWithSessionKey, startWechatSandbox } from './index.js';
import type { WechatSandbox } from './index.js';
import { decrypt, WechatClient } from './wechat-client.for-spec.js';

const MINI = { appId: 'wx4f4bc4dec97d474b', secret: '0123456789abcdef0123456789abcdef' };
const OTHER = { appId: 'wx00000000000000aa', secret: 'a'.repeat(32) };

let wechat: WechatSandbox;
let client: WechatClient;

beforeEach(async () => {
  wechat = await startWechatSandbox({ apps: [MINI, OTHER] });
  client = new WechatClient(wechat);
});
afterEach(() => wechat.close());

describe('the session_key', () => {
  it('is replaced by every login, so decryption with the previous one fails', async () => {
    const user = wechat.users.create();
    const { session_key: former } = await client.exchange((await user.login()).code);
    expect(JSON.parse(decrypt(await user.getUserInfo(), former))).toHaveProperty(
      'openId',
      user.openid(),
    );
    const { code } = await user.login();
    const data = await user.getUserInfo();
    expect(() => JSON.parse(decrypt(data, former))).toThrow(/decrypt|JSON|Unexpected/);
    const { session_key: current } = await client.exchange(code);
    expect(JSON.parse(decrypt(data, current))).toHaveProperty('openId');
  });

  it('is kept by a login within sessionKeyMinInterval', async () => {
    const slow = await startWechatSandbox({ sessionKeyMinInterval: '10m' });
    const user = slow.users.create();
    await user.login();
    const key = user.sessionKey();
    slow.clock.advance('9m');
    await user.login();
    expect(user.sessionKey()).toBe(key);
    slow.clock.advance('1m');
    await user.login();
    expect(user.sessionKey()).not.toBe(key);
    await slow.close();
  });

  it('is checked with the HMAC of its text', async () => {
    const user = wechat.users.create();
    const openid = user.openid();
    const former = user.sessionKey();
    const check = async (key: string, changed = {}) =>
      client.get('/wxa/checksession', {
        ...(await client.withToken()),
        openid,
        signature: signWithSessionKey(key),
        sig_method: 'hmac_sha256',
        ...changed,
      });
    expect(await check(former)).toEqual({ errcode: 0, errmsg: 'ok' });
    user.rotateSessionKey();
    expect(await check(former)).toMatchObject({ errcode: 87009 });
    expect(await check(user.sessionKey(), { openid: 'oNobody' })).toMatchObject({ errcode: 40003 });
    expect(await check(user.sessionKey(), { sig_method: 'md5' })).toMatchObject({ errcode: 87008 });
    expect(await check(user.sessionKey(), { signature: '' })).toMatchObject({ errcode: 40097 });
    expect(await check(user.sessionKey(), { access_token: '' })).toMatchObject({ errcode: 41001 });
    expect(await client.post('/wxa/checksession', await client.withToken(), {})).toMatchObject({
      errcode: 43001,
    });
  });

  it('is replaced by wxa/resetusersessionkey', async () => {
    const user = wechat.users.create();
    const signature = signWithSessionKey(user.sessionKey());
    const query = {
      ...(await client.withToken()),
      openid: user.openid(),
      signature,
      sig_method: 'hmac_sha256',
    };
    const response = await client.get('/wxa/resetusersessionkey', query);
    expect(response).toEqual({
      errcode: 0,
      errmsg: 'ok',
      openid: user.openid(),
      session_key: user.sessionKey(),
    });
    expect(await client.get('/wxa/resetusersessionkey', query)).toMatchObject({ errcode: 87009 });
  });
});

describe('wxa/business/getuserphonenumber', () => {
  const PATH = '/wxa/business/getuserphonenumber';

  it('returns the number for the code of the phone button, once', async () => {
    const { code, errMsg } = await wechat.users
      .create({ phoneNumber: '13580006666' })
      .getPhoneNumber();
    const tapped = Math.floor(wechat.clock.now() / 1000);
    expect(errMsg).toBe('getPhoneNumber:ok');
    expect(code).toMatch(/^[0-9a-f]{64}$/);
    wechat.clock.advance('2m');
    const response = await client.send(PATH, await client.withToken(), {
      method: 'POST',
      body: JSON.stringify({ code }),
    });
    expect(response.headers.get('content-type')).toBe('application/json; encoding=utf-8');
    const watermark = { appid: client.mini.appId, timestamp: expect.closeTo(tapped, -1) };
    const numbers = {
      phoneNumber: '13580006666',
      purePhoneNumber: '13580006666',
      countryCode: '86',
    };
    expect(await response.json()).toEqual({
      errcode: 0,
      errmsg: 'ok',
      phone_info: { ...numbers, watermark },
    });
    expect(await client.post(PATH, await client.withToken(), { code })).toMatchObject({
      errcode: 40029,
    });
  });

  it('refuses a code that is not fresh or belongs to another app or user', async () => {
    const user = wechat.users.create();
    const query = await client.withToken();
    const { code } = await user.getPhoneNumber();
    expect(await client.post(PATH, query, { code: (await user.login()).code })).toMatchObject({
      errcode: 40029,
    });
    expect(
      await client.post(PATH, query, { code, openid: wechat.users.create().openid() }),
    ).toMatchObject({ errcode: 40003 });
    const foreign = await client.withToken(OTHER);
    expect(await client.post(PATH, foreign, { code })).toMatchObject({ errcode: 40013 });
    expect(await client.post(PATH, query, `code=${code}`)).toMatchObject({ errcode: 47001 });
    expect(await client.post(PATH, query, '[]')).toMatchObject({ errcode: 47001 });
    expect(await client.post(PATH, query, {})).toMatchObject({ errcode: 47001 });
    expect(await client.post(PATH, query, '')).toMatchObject({ errcode: 44002 });
    expect(await client.get(PATH, query)).toMatchObject({ errcode: 43002 });
    expect(await client.post(PATH, query, { code, openid: user.openid() })).toMatchObject({
      errcode: 0,
    });
    const { code: old } = await user.getPhoneNumber();
    wechat.clock.advance('5m');
    expect(await client.post(PATH, query, { code: old })).toMatchObject({ errcode: 40029 });
  });

  it('reads JSON with any content type, and can return countryCode as a number', async () => {
    const numeric = await startWechatSandbox({ countryCodeAs: 'number' });
    const other = new WechatClient(numeric);
    const { code } = await numeric.users
      .create({ phoneNumber: '61234567', countryCode: '852' })
      .getPhoneNumber();
    const init = { headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const { phone_info: phone } = await other.post(PATH, await other.withToken(), { code }, init);
    expect(phone).toMatchObject({
      phoneNumber: '85261234567',
      purePhoneNumber: '61234567',
      countryCode: 852,
    });
    await numeric.close();
  });
});
