import jsqr from 'jsqr';
import { decode as decodeJpeg } from 'jpeg-js';
import { PNG } from 'pngjs';
import { MobileOAuthService, PhoneService, QrCodeService, SessionService } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

let wechat: WechatSandbox;
let app: TeamApp;

beforeEach(async () => {
  wechat = await startWechatSandbox();
  app = await startTeamApp(optionsFor(wechat, { api: { baseUrl: wechat.url, timeout: '1m' } })); // to draw an image takes long on a busy machine
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
});

describe('a phone number', () => {
  const PATH = '/wxa/business/getuserphonenumber';
  const phoneNumber = {
    phoneNumber: '13580006666',
    purePhoneNumber: '13580006666',
    countryCode: '86',
  };
  const someone = () => wechat.users.create({ phoneNumber: '13580006666' });

  it('comes for a code, once, within five minutes', async () => {
    const phones = app.get(PhoneService);
    const user = someone();
    const { code } = await user.getPhoneNumber();
    expect(await phones.getByCode(code, { openid: user.openid() })).toEqual(phoneNumber);
    await expect(phones.getByCode(code)).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
    const late = await user.getPhoneNumber();
    wechat.clock.advance('5m');
    await expect(phones.getByCode(late.code)).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
  });

  it("is not given for somebody else's code, and a login code is none", async () => {
    const phones = app.get(PhoneService);
    const [user, other] = [someone(), someone()];
    await expect(
      phones.getByCode((await user.getPhoneNumber()).code, { openid: other.openid() }),
    ).rejects.toMatchObject({
      code: 'ERR_WECHAT_CODE',
      errcode: 40003,
    });
    await expect(phones.getByCode((await user.login()).code)).rejects.toMatchObject({
      code: 'ERR_WECHAT_CODE',
    });
    wechat.next(PATH, { errcode: 40013 });
    await expect(phones.getByCode('abc')).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
  });

  it('has a country code as text, whatever WeChat makes of it', async () => {
    wechat.next(PATH, {
      transform: (json) => ({
        ...json,
        phone_info: { ...(json['phone_info'] as object), countryCode: 86 },
      }),
    });
    expect(await app.get(PhoneService).getByCode((await someone().getPhoneNumber()).code)).toEqual(
      phoneNumber,
    );
  });

  it('is decrypted where a client still sends it encrypted, and nothing else is taken for one', async () => {
    const user = someone();
    const { session } = await app.get(SessionService).login((await user.login()).code);
    expect(await app.get(PhoneService).decrypt(session, await user.getPhoneNumber())).toEqual(
      phoneNumber,
    );
    await expect(
      app.get(PhoneService).decrypt(session, await user.getUserInfo()),
    ).rejects.toMatchObject({
      code: 'ERR_WECHAT_DECRYPT',
    });
  });

  it('is not taken from an answer that is none', async () => {
    const { code } = await someone().getPhoneNumber();
    const broken: Fault[] = [
      { body: { errcode: 0 } },
      { body: { phone_info: [] } },
      {
        body: { phone_info: { phoneNumber: '<script>', purePhoneNumber: '1', countryCode: '86' } },
      },
    ];
    for (const fault of broken) {
      wechat.next(PATH, fault);
      await expect(app.get(PhoneService).getByCode(code)).rejects.toMatchObject({
        code: 'ERR_WECHAT_RESPONSE',
      });
    }
    for (const shape of ['', ' ', 'a b', 'a'.repeat(129), 1, undefined]) {
      await expect(app.get(PhoneService).getByCode(shape as string)).rejects.toMatchObject({
        code: 'ERR_BAD_REQUEST',
      });
    }
  });
});

describe('a mini-program code', () => {
  const UNLIMITED = '/wxa/getwxacodeunlimit';
  const codes = () => app.get(QrCodeService);
  const scan = (data: Uint8Array, width: number, height: number) =>
    jsqr.default(new Uint8ClampedArray(data), width, height)?.data;

  it('carries its scene', async () => {
    const { data: image, contentType } = await codes().getUnlimited({
      scene: 'id=42',
      page: 'pages/index/index',
      width: 300,
    });
    expect(contentType).toBe('image/jpeg');
    const { data, width, height } = decodeJpeg(image);
    expect([width, scan(data, width, height)]).toEqual([300, expect.stringContaining('id=42')]);
  });

  it('is transparent on demand', async () => {
    const { data: image, contentType } = await codes().getUnlimited({
      scene: 'a',
      isHyaline: true,
      lineColor: { r: '200', g: 0, b: 0 },
      envVersion: 'trial',
    });
    expect(contentType).toBe('image/png');
    expect(PNG.sync.read(image).width).toBe(430);
  });

  it('is made once for equal requests', async () => {
    const [one, two] = [
      await codes().getUnlimited({ scene: 'a' }),
      await codes().getUnlimited({ scene: 'a' }),
    ];
    await codes().getUnlimited({ scene: 'b' });
    expect(two).toEqual(one);
    expect(wechat.requestsTo(UNLIMITED)).toHaveLength(2);
  });

  it('comes for a path too, round and square', async () => {
    expect((await codes().get({ path: 'pages/index/index?a=1' })).contentType).toBe('image/jpeg');
    expect(
      (await codes().create({ path: 'pages/index/index?a=1', width: 280 })).contentType,
    ).toMatch(/^image\//);
  });

  it.each<[string, object, string]>([
    ['no scene', { scene: '' }, 'ERR_WECHAT_SCENE'],
    ['a long scene', { scene: 'a'.repeat(33) }, 'ERR_WECHAT_SCENE'],
    ...[' ', '%', '"', '\\', '中', 'a\nb', 1, ['a'], {}, undefined].map(
      (scene): [string, object, string] => [
        `the scene ${JSON.stringify(scene)}`,
        { scene },
        'ERR_WECHAT_SCENE',
      ],
    ),
    ...['/pages/a', 'pages/a?b=1', 'pages/a#b', '../a', 'https://a', '', 1].map(
      (page): [string, object, string] => [`the page ${page}`, { page }, 'ERR_BAD_REQUEST'],
    ),
    ...[279, 1281, NaN, '430', 300.5].map((width): [string, object, string] => [
      `the width ${width}`,
      { width },
      'ERR_BAD_REQUEST',
    ]),
    ['a nested colour', { lineColor: { r: { x: 1 }, g: 0, b: 0 } }, 'ERR_BAD_REQUEST'],
    ['a colour of two parts', { lineColor: { r: 1, g: 0 } }, 'ERR_BAD_REQUEST'],
    ['a bright colour', { lineColor: { r: 256, g: 0, b: 0 } }, 'ERR_BAD_REQUEST'],
    ['a flag as text', { autoColor: 'true' }, 'ERR_BAD_REQUEST'],
    ['an unknown version', { envVersion: 'beta' }, 'ERR_BAD_REQUEST'],
  ])('B-scene is not asked for with %s', async (_, options, code) => {
    const asked = wechat.requests.length;
    await expect(codes().getUnlimited({ scene: 'a', ...options } as never)).rejects.toMatchObject({
      code,
    });
    expect(wechat.requests.length).toBe(asked);
  });

  it('needs a page that WeChat knows', async () => {
    await expect(codes().getUnlimited({ scene: 'a', page: 'pages/secret' })).rejects.toMatchObject({
      code: 'ERR_WECHAT_PAGE',
      errcode: 41030,
    });
    expect(
      (await codes().getUnlimited({ scene: 'a', page: 'pages/secret', checkPath: false }))
        .contentType,
    ).toBe('image/jpeg');
  });

  it('B-image is an image or an error, never something between', async () => {
    const whole = (await codes().getUnlimited({ scene: 'whole', isHyaline: true })).data;
    const notImages: Fault[] = [
      { body: whole.subarray(0, -20), contentType: 'image/png' },
      { body: whole, contentType: 'application/json' },
      { body: '<svg/>', contentType: 'image/svg+xml' },
      { body: { errcode: 41030, errmsg: 'x' }, contentType: 'image/jpeg' },
      { body: { any: 'thing' } },
      { body: Buffer.alloc(10_000_000, whole), contentType: 'image/png' },
    ];
    for (const fault of notImages) {
      wechat.next(UNLIMITED, { ...fault, times: 2 }); // what is broken is asked for once more
      await expect(codes().getUnlimited({ scene: 'broken' })).rejects.toMatchObject({
        code: 'ERR_WECHAT_RESPONSE',
      });
      wechat.clear();
    }
    expect((await codes().getUnlimited({ scene: 'broken' })).contentType).toBe('image/jpeg');
  });
});

describe('a mobile login', () => {
  const TOKEN = '/sns/oauth2/access_token';
  const REFRESH = '/sns/oauth2/refresh_token';
  const INFO = '/sns/userinfo';
  const oauth = () => app.get(MobileOAuthService);

  it("gives a token of ours, behind which WeChat's stay, and the user's name and picture", async () => {
    const user = wechat.users.create({
      nickName: '小红',
      avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/x/132',
    });
    const { token, expiresIn } = await oauth().login((await user.authorize()).code);
    const mobile = wechat.apps.find(({ kind }) => kind === 'mobile')!;
    expect(token).toMatch(/^mot_[\w-]{43}$/);
    expect(expiresIn).toBe(7 * 24 * 3600);
    expect(await oauth().find(token)).toEqual({
      appId: mobile.appId,
      openid: user.openid(mobile.appId),
      unionid: user.unionid(mobile.appId),
    });
    const info = await oauth().userInfo(token, { avatarSize: 0 });
    expect(info).toMatchObject({
      openId: user.openid(mobile.appId),
      nickname: '小红',
      avatar: 'https://thirdwx.qlogo.cn/mmopen/x/0',
      unionId: user.unionid(mobile.appId),
    });
    expect(Object.keys(info)).toEqual([
      'openId',
      'nickname',
      'sex',
      'province',
      'city',
      'country',
      'avatar',
      'unionId',
    ]);
  });

  it('meets the mini program by unionid', async () => {
    const user = wechat.users.create();
    const { session } = await app.get(SessionService).login((await user.login()).code);
    const { token } = await oauth().login((await user.authorize()).code);
    const mobile = await oauth().find(token);
    expect(mobile.openid).not.toBe(session.openid);
    expect(mobile.unionid).toBe(session.unionid);
  });

  it('asks WeChat the first time and on demand, and refreshes an access token that has run out', async () => {
    const { token } = await oauth().login((await wechat.users.create().authorize()).code);
    const asked = () => [wechat.requestsTo(INFO).length, wechat.requestsTo(REFRESH).length];
    await oauth().userInfo(token);
    await oauth().userInfo(token);
    expect(asked()).toEqual([1, 0]);
    await oauth().userInfo(token, { refresh: true });
    expect(asked()).toEqual([2, 0]);
    wechat.clock.advance('3h');
    await Promise.all(Array.from({ length: 10 }, () => oauth().userInfo(token, { refresh: true })));
    expect(asked()).toEqual([12, 1]);
    wechat.next(INFO, { errcode: 42001 });
    await oauth().userInfo(token, { refresh: true });
    expect(asked()).toEqual([14, 2]);
    expect(await oauth().isAuthorized(token)).toBe(true);
  });

  it('is over when WeChat ends the authorisation', async () => {
    const { token } = await oauth().login((await wechat.users.create().authorize()).code);
    wechat.clock.advance('3h');
    wechat.next(REFRESH, { errcode: 42007 });
    await expect(oauth().userInfo(token)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
    await expect(oauth().find(token)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
  });

  it('ends by logout, by time, and is never a session of a mini program', async () => {
    const login = async () =>
      (await oauth().login((await wechat.users.create().authorize()).code)).token;
    const [one, two] = [await login(), await login()];
    expect((await app.as(one, '/me')).status).toBe(401);
    expect((await app.as(one.replace('mot_', 'srd_'), '/me')).status).toBe(401);
    await oauth().logout(one);
    await oauth().logout(one);
    await expect(oauth().userInfo(one)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
    wechat.clock.advance('7d');
    await expect(oauth().find(two)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
  });

  it('exchanges a code once, and a broken answer for nothing', async () => {
    const { code } = await wechat.users.create().authorize();
    await oauth().login(code);
    await expect(oauth().login(code)).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
    wechat.next(TOKEN, { transform: (json) => ({ ...json, openid: 5 }) });
    await expect(
      oauth().login((await wechat.users.create().authorize()).code),
    ).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
  });

  it('B-state of a website starts with a state that comes back once, in time, to the same browser', async () => {
    const start = () =>
      oauth().authorizationUrl({
        redirectUri: 'https://shop.example.com/callback',
        device: 'cookie-1',
      });
    const { url, state } = await start();
    expect(new URL(url)).toMatchObject({
      origin: wechat.url,
      pathname: '/connect/qrconnect',
      hash: '#wechat_redirect',
    });
    expect(new URL(url).searchParams.get('state')).toBe(state);
    const { code } = await wechat.users.create().authorize();
    const asked = wechat.requestsTo(TOKEN).length;
    const late = await start();
    await expect(oauth().login(code, { state, device: 'cookie-2' })).rejects.toMatchObject({
      code: 'ERR_BAD_REQUEST',
    });
    await expect(oauth().login(code, { state, device: 'cookie-1' })).rejects.toMatchObject({
      code: 'ERR_BAD_REQUEST',
    }); // spent
    for (const wrong of ['', 'x', 'a'.repeat(10_000), ['a'], {}]) {
      await expect(oauth().login(code, { state: wrong as string })).rejects.toMatchObject({
        code: 'ERR_BAD_REQUEST',
      });
    }
    wechat.clock.advance('9m');
    const fresh = await start();
    wechat.clock.advance('1m');
    await expect(
      oauth().login(code, { state: late.state, device: 'cookie-1' }),
    ).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
    expect(wechat.requestsTo(TOKEN).length).toBe(asked);
    const { code: second } = await wechat.users.create().authorize();
    expect(await oauth().login(second, { state: fresh.state, device: 'cookie-1' })).toHaveProperty(
      'token',
    );
    await expect(
      oauth().authorizationUrl({ redirectUri: 'javascript:alert(1)' }),
    ).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
  });
});
