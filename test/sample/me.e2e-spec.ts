import { DataSource } from 'typeorm';
import { describeOnEachDatabase } from '../support/databases.js';
import { signedProfile, signedText } from '../support/profiles.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const SIGNATURE_MISMATCH = {
  code: 1005,
  msg: 'error: signature mismatch',
  data: null,
  success: false,
  error: 'ERR_WECHAT_SIGNATURE',
};
const DECODE_FAILED = {
  code: 1004,
  msg: 'error: decode failed',
  data: null,
  success: false,
  error: 'ERR_WECHAT_DECRYPT',
};

describeOnEachDatabase('me', (database) => {
  let s: Started;
  beforeAll(async () => {
    s = await start({ database: database() });
  });
  afterAll(() => s.close());

  it('is the user of the session', async () => {
    const { session_rd, user } = await s.login();
    const { status, body } = await s.call('GET /me', { token: session_rd });
    expect({ status, body }).toEqual({
      status: 200,
      body: { code: 200, msg: 'ok', data: user, success: true },
    });
  });

  it('is 401 after the account is deleted', async () => {
    const { session_rd, user } = await s.login();
    await s.app.get(DataSource).query('DELETE FROM users WHERE id = $1', [user.id]);
    expect((await s.call('GET /me', { token: session_rd })).status).toBe(401);
  });

  it('gets a unionid when the app is bound to an open-platform account later', async () => {
    const wechat = s.wechat.users.create();
    s.wechat.next('/sns/jscode2session', {
      transform: (json) => ({ ...json, unionid: undefined }),
    });
    const before = await s.login(wechat);
    const after = await s.login(wechat);
    expect([before['user'].unionid, after['user'].unionid, after['user'].id]).toEqual([
      null,
      wechat.unionid(),
      before['user'].id,
    ]);
  });

  describe('with a profile that WeChat signed and encrypted', () => {
    it('saves name, picture and region', async () => {
      const wechat = s.wechat.users.create({
        nickName: '王 Band 🎸',
        avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/vi_32/band/132',
      });
      const { session_rd, user } = await s.login(wechat);
      const { status, body } = await s.call('PUT /me/profile', {
        token: session_rd,
        body: await wechat.getUserInfo(),
      });
      expect([status, body.data]).toEqual([
        200,
        {
          ...user,
          nickName: '王 Band 🎸',
          avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/vi_32/band/132',
          gender: 0,
          country: '',
          province: '',
          city: '',
          language: 'zh_CN',
          updatedAt: expect.any(String),
        },
      ]);
      expect((await s.call('GET /me', { token: session_rd })).body.data).toEqual(body.data);
    });

    it('accepts the data that WeChat returns today: 微信用户, without an id', async () => {
      const wechat = s.wechat.users.create();
      const { session_rd } = await s.login(wechat);
      const { body } = await s.call('PUT /me/profile', {
        token: session_rd,
        body: await wechat.getUserProfile(),
      });
      expect(body.data).toMatchObject({ nickName: '微信用户', unionid: wechat.unionid() });
    });

    it('still accepts it after another wx.login has renewed the session_key', async () => {
      const wechat = s.wechat.users.create({ nickName: 'Slow' });
      const { session_rd } = await s.login(wechat);
      const profile = await wechat.getUserInfo();
      await s.login(wechat);
      expect(
        (await s.call('PUT /me/profile', { token: session_rd, body: profile })).body.data,
      ).toMatchObject({ nickName: 'Slow' });
    });

    it('removes values that are not text, too long, or contain control characters', async () => {
      const wechat = s.wechat.users.create();
      const { session_rd } = await s.login(wechat);
      const odd = {
        nickName: 'a\u0000b\n\u0007c',
        avatarUrl: 'x'.repeat(5000),
        gender: 'male',
        city: { a: 1 },
      };
      const { body } = await s.call('PUT /me/profile', {
        token: session_rd,
        body: signedProfile(wechat, odd),
      });
      expect(body.data).toMatchObject({ nickName: 'abc', gender: null, city: null });
      expect(body.data.avatarUrl).toHaveLength(1024);
    });

    it('does not change its identity to that of the decrypted data', async () => {
      const [wechat, other] = [s.wechat.users.create(), s.wechat.users.create()];
      const { session_rd, user } = await s.login(wechat);
      const profile = await wechat.getUserInfo();
      const foreign = wechat.encrypt({
        openId: wechat.openid(),
        unionId: other.unionid(),
        nickName: 'me',
        avatarUrl: '',
      });
      expect(
        (await s.call('PUT /me/profile', { token: session_rd, body: { ...profile, ...foreign } }))
          .body.data,
      ).toMatchObject({
        id: user.id,
        unionid: wechat.unionid(),
      });
      const anothers = wechat.encrypt({ openId: other.openid(), nickName: 'other', avatarUrl: '' });
      expect(
        (await s.call('PUT /me/profile', { token: session_rd, body: { ...profile, ...anothers } }))
          .body,
      ).toEqual(DECODE_FAILED);
    });

    it('B-rawData refuses a changed rawData, also with valid encrypted data', async () => {
      const wechat = s.wechat.users.create();
      const { session_rd } = await s.login(wechat);
      const profile = await wechat.getUserInfo();
      const touched = {
        rawData: `${profile.rawData} `,
        reordered: JSON.stringify(
          Object.fromEntries(Object.entries(JSON.parse(profile.rawData)).toReversed()),
        ),
      };
      for (const body of [
        { ...profile, rawData: touched.rawData },
        { ...profile, rawData: touched.reordered },
        { ...profile, signature: profile.signature.toUpperCase() },
        { ...profile, signature: profile.signature.slice(1) },
        { ...profile, rawData: '\u0000' },
      ]) {
        const response = await s.call('PUT /me/profile', { token: session_rd, body });
        expect([response.status, response.body]).toEqual([400, SIGNATURE_MISMATCH]);
      }
      const { status } = await s.call('PUT /me/profile', {
        token: session_rd,
        body: { ...profile, ...signedText(wechat, 'no JSON') },
      });
      expect(status).toBe(400);
      expect((await s.call('GET /me', { token: session_rd })).body.data.nickName).toBeNull();
    });

    it('B-encryptedData refuses data that does not decrypt to a profile, always with the same text', async () => {
      const wechat = s.wechat.users.create();
      const { session_rd } = await s.login(wechat);
      const profile = await wechat.getUserInfo();
      for (const encrypted of [
        { encryptedData: 'not base64' },
        { encryptedData: profile.encryptedData.slice(0, -24) },
        { iv: 'AAAA' },
        await wechat.getPhoneNumber(),
        await wechat.getWeRunData(),
        wechat.encrypt('["nickName"]'),
        s.wechat.users.create().encrypt({ nickName: 'x', avatarUrl: '' }),
        wechat.encrypt({ nickName: 'x', avatarUrl: '' }, undefined, {
          watermark: { appid: 'wxother', timestamp: 1 },
        }),
      ]) {
        const response = await s.call('PUT /me/profile', {
          token: session_rd,
          body: { ...profile, ...encrypted },
        });
        expect([response.status, response.body]).toEqual([400, DECODE_FAILED]);
      }
    });

    it('names each field that is missing', async () => {
      const { session_rd } = await s.login();
      const { status, body } = await s.call('PUT /me/profile', {
        token: session_rd,
        body: { rawData: null, signature: 7, iv: ['x'] },
      });
      expect([status, body.error]).toEqual([400, 'ERR_BAD_REQUEST']);
      for (const field of ['rawData', 'signature', 'encryptedData', 'iv'])
        expect(body.msg).toContain(field);
    });

    it('refuses further attempts after ten failures in ten minutes', async () => {
      const wechat = s.wechat.users.create();
      const { session_rd } = await s.login(wechat);
      const profile = await wechat.getUserInfo();
      const forged = { ...profile, signature: '0'.repeat(40) };
      const put = (body: object) => s.call('PUT /me/profile', { token: session_rd, body });
      for (let i = 0; i < 10; i++) expect((await put(forged)).status).toBe(400);
      const eleventh = await put(profile);
      expect([eleventh.status, eleventh.body.error]).toEqual([429, 'ERR_WECHAT_RATE_LIMIT']);
      expect(Number(eleventh.headers.get('retry-after'))).toBeGreaterThan(0);
      s.wechat.clock.advance('10m');
      expect((await put(await wechat.getUserInfo())).status).toBe(200);
    });
  });
});
