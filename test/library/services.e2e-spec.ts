import { setTimeout as sleep } from 'node:timers/promises';
import { decode as decodeJpeg } from 'jpeg-js';
import jsqr from 'jsqr';
import { MobileOAuthService, PhoneService, QrCodeService, SessionService } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, WechatSandbox } from 'nestjs-wechat-sandbox';
import { PNG } from 'pngjs';
import { MapStore } from '../faults/bare.js';
import { until } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

let wechat: WechatSandbox;
let app: TeamApp;

beforeEach(async () => {
  wechat = await startWechatSandbox();
  app = await startTeamApp(optionsFor(wechat, { api: { baseUrl: wechat.url, timeout: '1m' } })); // drawing an image can take long on a busy machine
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
  const newUser = () => wechat.users.create({ phoneNumber: '13580006666' });

  it('is returned for a code, once and within five minutes', async () => {
    const phones = app.get(PhoneService);
    const user = newUser();
    const { code } = await user.getPhoneNumber();
    expect(await phones.getByCode(code, { openid: user.openid() })).toEqual(phoneNumber);
    await expect(phones.getByCode(code)).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
    const late = await user.getPhoneNumber();
    wechat.clock.advance('5m');
    await expect(phones.getByCode(late.code)).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
  });

  it("is not returned for another user's code or for a login code", async () => {
    const phones = app.get(PhoneService);
    const [user, other] = [newUser(), newUser()];
    await expect(
      phones.getByCode((await user.getPhoneNumber()).code, { openid: other.openid() }),
    ).rejects.toMatchObject({
      code: 'ERR_WECHAT_CODE',
      errcode: 40003,
    });
    await expect(phones.getByCode((await user.login()).code)).rejects.toMatchObject({
      code: 'ERR_WECHAT_CODE',
      message: expect.stringContaining(
        'not a code of the phone button, such as a code of wx.login',
      ),
    });
    const sessions = app.get(SessionService);
    await expect(sessions.login((await user.getPhoneNumber()).code)).rejects.toMatchObject({
      code: 'ERR_WECHAT_CODE',
      message: expect.stringContaining(
        'not a code of wx.login, such as a code of the phone button',
      ),
    });
    wechat.next(PATH, { errcode: 40013 });
    await expect(phones.getByCode('abc')).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
  });

  it('has a country code that is text, also if WeChat returns a number', async () => {
    wechat.next(PATH, {
      transform: (json) => ({
        ...json,
        phone_info: { ...(json['phone_info'] as object), countryCode: 86 },
      }),
    });
    expect(await app.get(PhoneService).getByCode((await newUser().getPhoneNumber()).code)).toEqual(
      phoneNumber,
    );
  });

  it('is decrypted from encrypted data; other encrypted data is refused', async () => {
    const user = newUser();
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

  it('is not read from an invalid response; an invalid code is refused', async () => {
    const { code } = await newUser().getPhoneNumber();
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

  it('contains its scene', async () => {
    const { data: image, contentType } = await codes().getUnlimited({
      scene: 'id=42',
      page: 'pages/index/index',
      width: 300,
    });
    expect(contentType).toBe('image/jpeg');
    const { data, width, height } = decodeJpeg(image);
    expect([width, scan(data, width, height)]).toEqual([300, expect.stringContaining('id=42')]);
  });

  it('is transparent with isHyaline', async () => {
    const { data: image, contentType } = await codes().getUnlimited({
      scene: 'a',
      isHyaline: true,
      lineColor: { r: '200', g: 0, b: 0 },
      envVersion: 'trial',
    });
    expect(contentType).toBe('image/png');
    expect(PNG.sync.read(image).width).toBe(430);
  });

  it('is fetched once for equal requests', async () => {
    const [one, two] = [
      await codes().getUnlimited({ scene: 'a' }),
      await codes().getUnlimited({ scene: 'a' }),
    ];
    await codes().getUnlimited({ scene: 'b' });
    expect(two).toEqual(one);
    expect(wechat.requestsTo(UNLIMITED)).toHaveLength(2);
  });

  it('is created for a path, round and square', async () => {
    expect((await codes().get({ path: 'pages/index/index?a=1' })).contentType).toBe('image/jpeg');
    expect(
      (await codes().create({ path: 'pages/index/index?a=1', width: 280 })).contentType,
    ).toMatch(/^image\//);
  });

  it.each<[string, object, string]>([
    ['no scene', { scene: '' }, 'ERR_WECHAT_SCENE'],
    ['a scene of 33 characters', { scene: 'a'.repeat(33) }, 'ERR_WECHAT_SCENE'],
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
    ['a colour with two components', { lineColor: { r: 1, g: 0 } }, 'ERR_BAD_REQUEST'],
    ['a colour component of 256', { lineColor: { r: 256, g: 0, b: 0 } }, 'ERR_BAD_REQUEST'],
    ['a flag as text', { autoColor: 'true' }, 'ERR_BAD_REQUEST'],
    ['an unknown version', { envVersion: 'beta' }, 'ERR_BAD_REQUEST'],
  ])('B-scene is refused without a call to WeChat for %s', async (_, options, code) => {
    const before = wechat.requests.length;
    await expect(codes().getUnlimited({ scene: 'a', ...options } as never)).rejects.toMatchObject({
      code,
    });
    expect(wechat.requests.length).toBe(before);
  });

  it('is refused for an unknown page, unless checkPath is false', async () => {
    await expect(codes().getUnlimited({ scene: 'a', page: 'pages/secret' })).rejects.toMatchObject({
      code: 'ERR_WECHAT_PAGE',
      errcode: 41030,
    });
    expect(
      (await codes().getUnlimited({ scene: 'a', page: 'pages/secret', checkPath: false }))
        .contentType,
    ).toBe('image/jpeg');
  });

  it('is an image by its bytes, also if a proxy labels it application/octet-stream', async () => {
    const { data } = await codes().getUnlimited({ scene: 'labelled' });
    await app.close();
    app = await startTeamApp(optionsFor(wechat));
    wechat.next(UNLIMITED, { body: data, contentType: 'application/octet-stream' });
    const labelled = await codes().getUnlimited({ scene: 'labelled' });
    expect([labelled.contentType, labelled.data.equals(data)]).toEqual(['image/jpeg', true]);
    wechat.next(UNLIMITED, { body: 'no image', contentType: 'application/octet-stream', times: 2 });
    await expect(codes().getUnlimited({ scene: 'other' })).rejects.toMatchObject({
      code: 'ERR_WECHAT_RESPONSE',
    });
  });

  it('B-image is a complete image or an error', async () => {
    const image = (await codes().getUnlimited({ scene: 'complete', isHyaline: true })).data;
    const notImages: Fault[] = [
      { body: image.subarray(0, -20), contentType: 'image/png' },
      { body: image, contentType: 'application/json' },
      { body: '<svg/>', contentType: 'image/svg+xml' },
      { body: { errcode: 41030, errmsg: 'x' }, contentType: 'image/jpeg' },
      { body: { any: 'thing' } },
      { body: Buffer.alloc(10_000_000, image), contentType: 'image/png' },
    ];
    for (const fault of notImages) {
      wechat.next(UNLIMITED, { ...fault, times: 2 }); // an invalid response is retried once
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
  const oauth = (at = app) => at.get(MobileOAuthService);
  const login = async () =>
    (await oauth().login((await wechat.users.create().authorize()).code)).token;
  const callCounts = () => [wechat.requestsTo(INFO).length, wechat.requestsTo(REFRESH).length];

  it("returns an opaque token, and the user's name and picture for it", async () => {
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
    expect(await oauth().getUserInfo(token, { avatarSize: 0 })).toEqual({
      openid: user.openid(mobile.appId),
      unionid: user.unionid(mobile.appId),
      nickName: '小红',
      avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/x/0',
      gender: 0,
      country: '',
      province: '',
      city: '',
    });
  });

  it('has no avatarUrl if WeChat returns none, and the unionid of the login', async () => {
    const token = await login();
    wechat.next(INFO, { transform: (json) => ({ ...json, unionid: undefined, headimgurl: '' }) });
    const info = await oauth().getUserInfo(token, { avatarSize: 46 });
    expect(info).not.toHaveProperty('avatarUrl');
    expect(info.unionid).toBe((await oauth().find(token)).unionid); // stored at the login
  });

  it('has the unionid that the user has in the mini program', async () => {
    const user = wechat.users.create();
    const { session } = await app.get(SessionService).login((await user.login()).code);
    const { token } = await oauth().login((await user.authorize()).code);
    const mobile = await oauth().find(token);
    expect(mobile.openid).not.toBe(session.openid);
    expect(mobile.unionid).toBe(session.unionid);
  });

  it('fetches the profile the first time and with refresh: true, and refreshes an expired access token', async () => {
    const token = await login();
    await oauth().getUserInfo(token);
    await oauth().getUserInfo(token);
    expect(callCounts()).toEqual([1, 0]);
    await oauth().getUserInfo(token, { refresh: true });
    expect(callCounts()).toEqual([2, 0]);
    wechat.clock.advance('3h');
    await Promise.all(
      Array.from({ length: 10 }, () => oauth().getUserInfo(token, { refresh: true })),
    );
    expect(callCounts()).toEqual([12, 1]);
    wechat.next(INFO, { errcode: 42001 });
    await oauth().getUserInfo(token, { refresh: true });
    expect(callCounts()).toEqual([14, 2]);
    expect(await oauth().isAuthorized(token)).toBe(true);
  });

  /** A store whose reads take different times. So a caller can read a record before a refresh and use it afterwards. */
  class SlowStore extends MapStore {
    private reads = 0;
    protected override async do<T>(verb: string, _key: string, work: () => T): Promise<T> {
      const result = work();
      if (verb === 'get') await sleep(15 * (this.reads++ % 4));
      return result;
    }
  }

  it('refreshes once for ten callers, also if some of them have read the expired access token earlier', async () => {
    const store = new SlowStore();
    const instance = await startTeamApp(
      optionsFor(wechat, { store, clock: () => store.clock.now() }),
    );
    const { code } = await wechat.users.create().authorize();
    const { token } = await oauth(instance).login(code);
    store.advance(3 * 3600_000);
    wechat.clock.advance('3h');
    await Promise.all(
      Array.from({ length: 10 }, () => oauth(instance).getUserInfo(token, { refresh: true })),
    );
    expect(callCounts()).toEqual([10, 1]);
  });

  it('refreshes once per instance at most, and keeps the refresh token that WeChat returned last', async () => {
    const store = new MapStore();
    const start = () => startTeamApp(optionsFor(wechat, { store, clock: () => store.clock.now() }));
    const [one, two] = [await start(), await start()];
    const { code } = await wechat.users.create().authorize();
    const { token } = await oauth(one).login(code);
    store.advance(3 * 3600_000);
    wechat.clock.advance('3h');
    // The first response is the older one and arrives last.
    let count = 0;
    const rotate = (json: object): object => ({ ...json, refresh_token: `refresh-${++count}` });
    wechat.next(REFRESH, { transform: rotate, delay: '300ms' });
    wechat.next(REFRESH, { transform: rotate });
    const first = oauth(one).getUserInfo(token, { refresh: true });
    await until(() => wechat.requestsTo(REFRESH).length === 1);
    store.advance(1);
    await Promise.all([
      first,
      ...Array.from({ length: 9 }, (_, i) =>
        oauth(i % 2 ? one : two).getUserInfo(token, { refresh: true }),
      ),
    ]);
    expect(wechat.requestsTo(REFRESH)).toHaveLength(2);
    store.advance(3 * 3600_000);
    wechat.clock.advance('3h');
    await oauth(one)
      .getUserInfo(token, { refresh: true })
      .catch(() => undefined);
    expect(wechat.requestsTo(REFRESH).at(-1)?.query).toMatchObject({ refresh_token: 'refresh-2' });
  });

  it('uses the grant of another instance if WeChat refuses the refresh token that it replaced', async () => {
    const store = new MapStore();
    const start = () => startTeamApp(optionsFor(wechat, { store, clock: () => store.clock.now() }));
    const [one, two] = [await start(), await start()];
    const { code } = await wechat.users.create().authorize();
    const { token } = await oauth(one).login(code);
    store.advance(3 * 3600_000);
    wechat.clock.advance('3h');
    wechat.next(REFRESH, { errcode: 40030, delay: '300ms' });
    const late = oauth(one).getUserInfo(token, { refresh: true });
    await until(() => wechat.requestsTo(REFRESH).length === 1);
    await oauth(two).getUserInfo(token, { refresh: true });
    expect(await late).toHaveProperty('openid');
    expect(await oauth(two).find(token)).toHaveProperty('openid');
  });

  it('is revoked when WeChat ends the authorisation', async () => {
    const token = await login();
    wechat.clock.advance('3h');
    wechat.next(REFRESH, { errcode: 42007 });
    await expect(oauth().getUserInfo(token)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
    await expect(oauth().find(token)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
  });

  it('ends when it is revoked or expires, and is not accepted as a session', async () => {
    const [one, two] = [await login(), await login()];
    expect((await app.as(one, '/me')).status).toBe(401);
    expect((await app.as(one.replace('mot_', 'srd_'), '/me')).status).toBe(401);
    await oauth().revoke(one);
    await oauth().revoke(one);
    await expect(oauth().getUserInfo(one)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
    wechat.clock.advance('7d');
    await expect(oauth().find(two)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
  });

  it('is not restored by a refresh that races with its revocation', async () => {
    const token = await login();
    wechat.clock.advance('3h');
    wechat.next(REFRESH, { delay: '200ms' });
    const refreshing = oauth().getUserInfo(token, { refresh: true });
    await until(() => wechat.requestsTo(REFRESH).length === 1);
    await oauth().revoke(token);
    await expect(refreshing).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
    await expect(oauth().find(token)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
  });

  it('exchanges a code once, and refuses an invalid response', async () => {
    const { code } = await wechat.users.create().authorize();
    await oauth().login(code);
    await expect(oauth().login(code)).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
    wechat.next(TOKEN, { transform: (json) => ({ ...json, openid: 5 }) });
    await expect(
      oauth().login((await wechat.users.create().authorize()).code),
    ).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
  });
});

describe('a website login', () => {
  const TOKEN = '/sns/oauth2/access_token';
  const MOBILE = { appId: 'wxd19e84c63b7a2f50', secret: 'b'.repeat(32), kind: 'mobile' as const };
  const SHOP = { appId: 'wx7d1e5c90a2b3f468', secret: 'c'.repeat(32), kind: 'website' as const };
  const BLOG = { appId: 'wx7d1e5c90a2b3f469', secret: 'd'.repeat(32), kind: 'website' as const };
  const redirectUri = 'https://shop.example.com/callback';
  const oauth = () => app.get(MobileOAuthService);
  const start = (device = 'cookie-1', appId?: string) =>
    oauth().createAuthorizationUrl({ redirectUri, device, appId });
  const codeOf = async ({ appId } = SHOP) =>
    (await wechat.users.create().authorize(appId, { scope: 'snsapi_login' })).code;
  const BAD_REQUEST = { code: 'ERR_BAD_REQUEST' };

  const restart = async (apps: (typeof MOBILE | typeof SHOP)[]): Promise<void> => {
    await closeTeamApps();
    await wechat.close();
    wechat = await startWechatSandbox({ apps });
    app = await startTeamApp(optionsFor(wechat));
  };
  beforeEach(() => restart([MOBILE, SHOP, BLOG]));

  it('redirects to WeChat with a state', async () => {
    const { url, state } = await start();
    expect(new URL(url)).toMatchObject({
      origin: wechat.url,
      pathname: '/connect/qrconnect',
      hash: '#wechat_redirect',
    });
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
      appid: SHOP.appId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'snsapi_login',
      state,
    });
    expect((await fetch(url)).status).toBe(200); // the consent page of the sandbox
  });

  it('B-state needs a state that is used once, in time, by the same browser', async () => {
    const code = await codeOf();
    const finish = (state: string, device = 'cookie-1') =>
      oauth().handleCallback({ code, state, device });
    const { state } = await start();
    const late = await start();
    await expect(finish(state, 'cookie-2')).rejects.toMatchObject(BAD_REQUEST);
    await expect(finish(state)).rejects.toMatchObject(BAD_REQUEST); // the state is used up
    for (const wrong of ['', 'x', 'a'.repeat(10_000), ['a'], {}, undefined])
      await expect(finish(wrong as string)).rejects.toMatchObject(BAD_REQUEST);
    for (const wrong of ['', ['cookie-1'], undefined]) {
      const input = { code, state: (await start()).state, device: wrong as string };
      await expect(oauth().handleCallback(input)).rejects.toMatchObject(BAD_REQUEST);
      await expect(start(wrong === undefined ? (null as never) : (wrong as string))).rejects.toMatchObject(BAD_REQUEST); // prettier-ignore
    }
    wechat.clock.advance('9m');
    const fresh = await start();
    wechat.clock.advance('1m');
    await expect(finish(late.state)).rejects.toMatchObject(BAD_REQUEST);
    expect(wechat.requestsTo(TOKEN)).toHaveLength(0);
    const { token } = await oauth().handleCallback({ code: await codeOf(), state: fresh.state, device: 'cookie-1' }); // prettier-ignore
    expect((await oauth().find(token)).appId).toBe(SHOP.appId);
    await expect(
      oauth().createAuthorizationUrl({ redirectUri: 'javascript:alert(1)', device: 'cookie-1' }),
    ).rejects.toMatchObject(BAD_REQUEST);
  });

  it('B-state logs in to the app for which the state was created', async () => {
    const { state } = await start('cookie-1', BLOG.appId);
    await expect(
      oauth().handleCallback({ code: await codeOf(SHOP), state, device: 'cookie-1' }),
    ).rejects.toMatchObject({ code: 'ERR_WECHAT_CODE' });
    expect(wechat.requestsTo(TOKEN).at(-1)?.query).toMatchObject({ appid: BLOG.appId });
  });

  it('B-state cannot be skipped with login(), whose error names handleCallback', async () => {
    const code = await codeOf();
    const refused = { ...BAD_REQUEST, message: expect.stringContaining('handleCallback') };
    await expect(oauth().login(code, { appId: SHOP.appId })).rejects.toMatchObject(refused);
    const { state } = await start();
    await expect(oauth().login(code, { state } as never)).rejects.toMatchObject(refused);
    await restart([SHOP]);
    await expect(oauth().login(code)).rejects.toMatchObject(refused);
    expect(wechat.requestsTo(TOKEN)).toHaveLength(0);
  });

  it('is refused for a mobile app', async () => {
    await expect(start('cookie-1', MOBILE.appId)).rejects.toMatchObject({ code: 'ERR_WECHAT_APP' });
  });
});
