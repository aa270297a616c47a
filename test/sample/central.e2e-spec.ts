import { decode as decodeJpeg } from 'jpeg-js';
import jsqr from 'jsqr';
import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import {
  CAFE,
  ok,
  PHONE,
  refusal,
  REFUSALS,
  seen,
  SHOP,
  SITE,
  startCentral,
  WEBSITE,
} from '../support/central.js';
import type { Central } from '../support/central.js';
import type { Call } from '../support/http.js';

const SHOP_PATH = `/wx/mini/v1/${SHOP.appId}`;
const CAFE_PATH = `/wx/mini/v1/${CAFE.appId}`;

/** The central service (微信中控服务), as its existing clients use it. */
describe('the central service', () => {
  let s: Central;
  beforeAll(async () => {
    s = await startCentral({ env: { WECHAT_API_TIMEOUT: '30s' } }); // the sandbox draws its codes in this process, which takes seconds on a busy machine
  });
  afterEach(() => {
    s.wechat.clear();
    jest.restoreAllMocks();
  });
  afterAll(() => s.close());

  describe('for a mini program', () => {
    it('returns a session_rd for a code', async () => {
      const user = s.wechat.users.create();
      const response = await s.code2Session((await user.login()).code);
      expect(seen(response)).toEqual(ok(expect.stringMatching(/^srd_[\w-]{43}$/)));
      expect(response.headers.get('cache-control')).toBe('no-store');
      const session = await s.call('GET /auth/session', { token: response.body.data });
      expect(session.body.data).toMatchObject({ appId: SHOP.appId, openid: user.openid() });
    });

    it('returns openId and unionId', async () => {
      const user = s.wechat.users.create();
      const token = await s.miniToken(user);
      expect(seen(await s.get(`${SHOP_PATH}/openId`, { token }))).toEqual(ok(user.openid()));
      expect(seen(await s.get(`${SHOP_PATH}/unionId`, { token }))).toEqual(ok(user.unionid()));
    });

    it('returns null for the unionId of an app that is not bound', async () => {
      const token = await s.miniToken(undefined, CAFE);
      expect(seen(await s.get(`${CAFE_PATH}/unionId`, { token }))).toEqual(ok(null));
    });

    it('accepts the token as a bearer too, and refuses two different tokens', async () => {
      const [user, other] = [s.wechat.users.create(), s.wechat.users.create()];
      const [token, another] = [await s.miniToken(user), await s.miniToken(other)];
      expect(seen(await s.get(`${SHOP_PATH}/openId`, {}, { token }))).toEqual(ok(user.openid()));
      expect(seen(await s.get(`${SHOP_PATH}/openId`, { token }, { token }))).toEqual(
        ok(user.openid()),
      );
      expect(seen(await s.get(`${SHOP_PATH}/openId`, { token }, { token: another }))).toEqual([
        400,
        refusal(
          400,
          'the request and its Authorization header carry different tokens; send one.',
          'ERR_BAD_REQUEST',
        ),
      ]);
      const jwt = 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln'; // of a gateway
      expect(seen(await s.get(`${SHOP_PATH}/openId`, { token }, { token: jwt }))).toEqual(
        ok(user.openid()),
      );
    });

    it('decrypts open data, by GET and by POST', async () => {
      const user = s.wechat.users.create({ phoneNumber: '13580006666' });
      const sessionkey = await s.miniToken(user);
      const { encryptedData, iv } = await user.getPhoneNumber();
      const phone = expect.objectContaining({
        phoneNumber: '13580006666',
        purePhoneNumber: '13580006666',
        countryCode: '86',
        watermark: { appid: SHOP.appId, timestamp: expect.any(Number) },
      });
      expect(seen(await s.get(`${SHOP_PATH}/decode`, { sessionkey, encryptedData, iv }))).toEqual(
        ok(phone),
      );
      expect(
        seen(await s.get(`${SHOP_PATH}/decode`, { encryptedData, iv }, { token: sessionkey })),
      ).toEqual(ok(phone));
      expect(
        seen(await s.call(`POST ${SHOP_PATH}/decode`, { body: { sessionkey, encryptedData, iv } })),
      ).toEqual(ok(phone));
      expect(
        seen(
          await s.call(`POST ${SHOP_PATH}/decode`, {
            token: sessionkey,
            body: { encryptedData, iv },
          }),
        ),
      ).toEqual(ok(phone));
    });

    it('repairs base64 that is not encoded in a URL, or whose plus a form has decoded', async () => {
      const user = s.wechat.users.create();
      const sessionkey = await s.miniToken(user);
      const withPlus = async () => {
        for (;;) {
          const data = await user.getUserInfo();
          if (data.encryptedData.includes('+') && data.iv.includes('+')) return data;
        }
      };
      const { encryptedData, iv } = await withPlus();
      const profile = ok(expect.objectContaining({ openId: user.openid() }));
      const raw = `sessionkey=${sessionkey}&encryptedData=${encryptedData}&iv=${iv}`;
      expect(seen(await s.call(`GET ${SHOP_PATH}/decode?${raw}`))).toEqual(profile);
      const spaced = { sessionkey, encryptedData: encryptedData.replaceAll('+', ' '), iv };
      expect(seen(await s.call(`POST ${SHOP_PATH}/decode`, { body: spaced }))).toEqual(profile);
    });

    it.each([
      ['steps', 'getWeRunData', 'stepInfoList'],
      ['a group', 'getShareInfo', 'openGId'],
      ['a group chat', 'getGroupEnterInfo', 'opengid'],
      ['an anonymous profile', 'getUserProfile', 'nickName'],
    ] as const)('decrypts %s', async (_, api, field) => {
      const user = s.wechat.users.create();
      const sessionkey = await s.miniToken(user);
      const { encryptedData, iv } = await user[api]();
      const { body } = await s.get(`${SHOP_PATH}/decode`, { sessionkey, encryptedData, iv });
      expect(body.data).toHaveProperty(field);
    });

    it('returns the same access token to every caller', async () => {
      expect(seen(await s.accessToken())).toEqual(ok(expect.any(String)));
      const { body } = await s.accessToken();
      expect(body.data).toBe(s.wechat.accessTokens.current(SHOP.appId));
      expect((await s.accessToken(CAFE)).body.data).toBe(s.wechat.accessTokens.current(CAFE.appId));
    });

    it('returns a mini-program code as base64', async () => {
      const { body } = await s.qrCode({ scene: 'id=42', page: 'pages/index/index', width: 300 });
      const { data, width, height } = decodeJpeg(Buffer.from(body.data, 'base64'));
      expect(body).toEqual({ code: 200, msg: 'ok', data: expect.any(String), success: true });
      expect(jsqr.default(new Uint8ClampedArray(data), width, height)?.data).toContain('id=42');
    });

    it('requests one new access token if WeChat has invalidated the old one', async () => {
      await s.accessToken();
      s.wechat.invalidateAccessToken(SHOP.appId);
      const before = s.wechat.requestsTo('/cgi-bin/stable_token').length;
      const all = await Promise.all(
        ['x', 'y', 'z'].map((scene) => s.qrCode({ scene, width: 280 })),
      );
      expect(all.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(s.wechat.requestsTo('/cgi-bin/stable_token').length - before).toBeLessThanOrEqual(2);
    });

    it.each([
      ['an object of texts', { r: '200', g: '0', b: '0' }, { r: '200', g: '0', b: '0' }],
      ['an object of numbers', { r: 200, g: 0, b: 0 }, { r: 200, g: 0, b: 0 }],
      ['a JSON string', '{"r":"200","g":"0","b":"0"}', { r: '200', g: '0', b: '0' }],
    ])('accepts the colour as %s', async (kind, lineColor, sent) => {
      const body = {
        scene: kind.replaceAll(' ', '-'),
        width: 280,
        autoColor: false,
        isHyaline: true,
        checkPath: false,
        envVersion: 'trial',
        lineColor,
      };
      expect(
        Buffer.from((await s.qrCode(body)).body.data, 'base64')
          .subarray(1, 4)
          .toString(),
      ).toBe('PNG');
      expect(s.wechat.requestsTo('/wxa/getwxacodeunlimit').at(-1)!.body).toEqual({
        scene: body.scene,
        width: 280,
        auto_color: false,
        is_hyaline: true,
        check_path: false,
        env_version: 'trial',
        line_color: sent,
      });
    });
  });

  describe('for a mobile app or a website', () => {
    it.each(['ouath2', 'oauth2'] as const)(
      'returns a token for a code by /%s',
      async (spelling) => {
        const response = await s.oauth2(
          (await s.wechat.users.create().authorize()).code,
          PHONE,
          spelling,
        );
        expect(seen(response)).toEqual(ok(expect.stringMatching(/^mot_[\w-]{43}$/)));
        expect(response.headers.get('cache-control')).toBe('no-store');
      },
    );

    it("returns the user's name and picture in the fields that existing clients read", async () => {
      const user = s.wechat.users.create({
        nickName: '小红',
        avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/x/132',
      });
      const info = {
        openId: user.openid(PHONE.appId),
        nickname: '小红',
        sex: 0,
        province: '',
        city: '',
        country: '',
        avatar: 'https://thirdwx.qlogo.cn/mmopen/x/132',
        unionId: user.unionid(PHONE.appId),
      };
      expect(seen(await s.userInfo(await s.mobileToken(user)))).toEqual(ok(info));
    });

    it('calls WeChat the first time and on demand, else returns the last known values', async () => {
      const user = s.wechat.users.create({ nickName: 'Old' });
      const token = await s.mobileToken(user);
      const before = s.wechat.requestsTo('/sns/userinfo').length;
      const calls = () => s.wechat.requestsTo('/sns/userinfo').length - before;
      await s.userInfo(token, 'false');
      user.nickName = 'New';
      expect((await s.userInfo(token)).body.data.nickname).toBe('Old');
      expect(calls()).toBe(1);
      expect((await s.userInfo(token, 'true')).body.data.nickname).toBe('New');
      expect((await s.userInfo(token)).body.data.nickname).toBe('New');
      expect(calls()).toBe(2);
    });

    it('refreshes an expired access token once for ten callers', async () => {
      const token = await s.mobileToken();
      s.wechat.clock.advance('3h');
      const before = s.wechat.requestsTo('/sns/oauth2/refresh_token').length;
      const responses = await Promise.all(
        Array.from({ length: 10 }, () => s.userInfo(token, 'true')),
      );
      expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
      expect(s.wechat.requestsTo('/sns/oauth2/refresh_token').length - before).toBe(1);
      s.wechat.next('/sns/userinfo', { errcode: 42001 });
      expect((await s.userInfo(token, 'true')).status).toBe(200);
      expect(s.wechat.requestsTo('/sns/oauth2/refresh_token').length - before).toBe(2);
    });

    it('is refused for a website, whose state the central service cannot check', async () => {
      const { code } = await s.wechat.users.create().authorize(SITE.appId);
      const before = s.wechat.requestsTo('/sns/oauth2/access_token').length;
      expect(seen(await s.oauth2(code, SITE))).toEqual(REFUSALS.appId);
      expect(seen(await s.userInfo(await s.mobileToken(), 'true', SITE))).toEqual(REFUSALS.appId);
      expect(s.wechat.requestsTo('/sns/oauth2/access_token').length - before).toBe(1); // of mobileToken
    });

    it('is invalid after the user revokes the authorization', async () => {
      const token = await s.mobileToken();
      s.wechat.clock.advance('3h');
      s.wechat.next('/sns/oauth2/refresh_token', { errcode: 42007 });
      expect(seen(await s.userInfo(token))).toEqual(REFUSALS.unauthorized);
      expect(seen(await s.userInfo(token))).toEqual(REFUSALS.unauthorized);
    });

    it('accepts the token as a bearer too if both are equal', async () => {
      const [token, other] = [await s.mobileToken(), await s.mobileToken()];
      const path = `/wx/v1/${PHONE.appId}/${token}/userInfo`;
      expect((await s.get(path, {}, { token })).status).toBe(200);
      expect((await s.get(path, {}, { token: other })).body.error).toBe('ERR_BAD_REQUEST');
    });
  });

  describe('authenticates its callers', () => {
    const secretRoutes: [string, (appId: string, secret: string) => Promise<unknown[]>][] = [
      ['ouath2', async (appId, secret) => seen(await s.oauth2('unused', { appId, secret }))],
      [
        'oauth2',
        async (appId, secret) => seen(await s.oauth2('unused', { appId, secret }, 'oauth2')),
      ],
      [
        'code2Session',
        async (appId, secret) => seen(await s.code2Session('unused', { appId, secret })),
      ],
      ['access_token', async (appId, secret) => seen(await s.accessToken({ appId, secret }))],
      [
        'qrcode/unlimited',
        async (appId, secret) => seen(await s.qrCode({ scene: '' }, { appId, secret })),
      ],
    ];

    it.each(secretRoutes)('%s refuses an unknown app and a wrong secret', async (route, call) => {
      const [own, sameKind, otherKind] =
        route.includes('2') && !route.startsWith('code')
          ? [PHONE, WEBSITE, SHOP]
          : [SHOP, CAFE, PHONE];
      const store = jest.spyOn(s.app.get(WechatStore), 'get');
      const before = s.wechat.requests.length;
      expect(await call('wx0000000000000000', own.secret)).toEqual(REFUSALS.appId);
      expect(await call('__proto__', own.secret)).toEqual(REFUSALS.appId);
      expect(await call(otherKind.appId, otherKind.secret)).toEqual(REFUSALS.appId);
      const wrong = [
        'x',
        own.secret.slice(1),
        `${own.secret}x`,
        own.secret.toUpperCase(),
        sameKind.secret,
        '%F0%9F%98%80',
        'undefined',
      ];
      for (const secret of wrong) expect(await call(own.appId, secret)).toEqual(REFUSALS.secret);
      expect([s.wechat.requests.length - before, store.mock.calls.length]).toEqual([0, 0]);
    });

    it('before it validates the parameters', async () => {
      const broken = { body: '{"scene":', headers: { 'content-type': 'application/json' } };
      expect(seen(await s.get(`/wx/mini/v1/wx0/${SHOP.secret}/code2Session`))).toEqual(
        REFUSALS.appId,
      );
      expect(seen(await s.get(`${SHOP_PATH}/wrong/code2Session`))).toEqual(REFUSALS.secret);
      expect(seen(await s.get('/wx/mini/v1/wx0/decode'))).toEqual(REFUSALS.appId);
      expect(seen(await s.get('/wx/mini/v1/wx0/openId'))).toEqual(REFUSALS.appId);
      expect(seen(await s.get(`/wx/v1/wx0/mot_x/userInfo`, { refresh: 'x' }))).toEqual(
        REFUSALS.appId,
      );
      expect((await s.call(`POST ${SHOP_PATH}/wrong/qrcode/unlimited`, broken)).status).toBe(400);
    });

    it('and refuses a session of another app or another kind, and a missing one', async () => {
      const user = s.wechat.users.create();
      const [shop, cafe, phone] = [
        await s.miniToken(user),
        await s.miniToken(user, CAFE),
        await s.mobileToken(user),
      ];
      const { encryptedData, iv } = await user.getUserInfo();
      const ended = await s.miniToken(user);
      await s.call('POST /auth/logout', { token: ended });
      for (const token of [
        cafe,
        phone,
        ended,
        'x',
        `srd_${'A'.repeat(43)}`,
        `${shop}x`,
        'undefined',
        '{"$ne":null}',
      ]) {
        expect(seen(await s.get(`${SHOP_PATH}/openId`, { token }))).toEqual(REFUSALS.unauthorized);
        expect(seen(await s.get(`${SHOP_PATH}/unionId`, { token }))).toEqual(REFUSALS.unauthorized);
        const response = await s.get(`${SHOP_PATH}/decode`, {
          sessionkey: token,
          encryptedData,
          iv,
        });
        expect([seen(response), response.headers.get('www-authenticate')]).toEqual([
          REFUSALS.unauthorized,
          'Bearer',
        ]);
        expect(
          seen(
            await s.call(`POST ${SHOP_PATH}/decode`, {
              body: { sessionkey: token, encryptedData, iv },
            }),
          ),
        ).toEqual(REFUSALS.unauthorized);
      }
      for (const token of [shop, 'x', `mot_${'A'.repeat(43)}`, encodeURIComponent('{"$ne":null}')])
        expect(seen(await s.userInfo(token))).toEqual(REFUSALS.unauthorized);
      expect(seen(await s.userInfo(phone, 'true', WEBSITE))).toEqual(REFUSALS.unauthorized);
      expect((await s.userInfo(phone, 'true')).status).toBe(200);
    });

    it('and a session expires', async () => {
      const token = await s.miniToken();
      s.wechat.clock.advance('30m');
      expect(seen(await s.get(`${SHOP_PATH}/openId`, { token }))).toEqual(REFUSALS.unauthorized);
    });
  });

  describe('refuses', () => {
    it('an unknown or used code', async () => {
      const user = s.wechat.users.create();
      const { code } = await user.login();
      await s.code2Session(code);
      expect(seen(await s.code2Session(code))).toEqual(REFUSALS.code);
      expect(seen(await s.code2Session('unknown'))).toEqual(REFUSALS.code);
      expect(seen(await s.code2Session((await user.login(CAFE.appId)).code))).toEqual(
        REFUSALS.code,
      );
      const { code: oauth } = await user.authorize();
      await s.oauth2(oauth);
      expect(seen(await s.oauth2(oauth))).toEqual(REFUSALS.code);
      expect(seen(await s.oauth2((await user.authorize(WEBSITE.appId)).code))).toEqual(
        REFUSALS.code,
      );
    });

    it('a user who is blocked by WeChat', async () => {
      const { code } = await s.wechat.users.create({ highRisk: true }).login();
      expect(seen(await s.code2Session(code))).toEqual(REFUSALS.blocked);
    });

    it('a request without its parameters, one after the other, before it reads the store', async () => {
      const store = jest.spyOn(s.app.get(WechatStore), 'get');
      const [sessionkey, encryptedData, iv] = ['any', 'any', 'any'];
      const rows: [object, unknown][] = [
        [{}, REFUSALS.token],
        [{ encryptedData, iv }, REFUSALS.token],
        [{ sessionkey: '', encryptedData, iv }, REFUSALS.token],
        [{ sessionkey }, REFUSALS.encryptedData],
        [{ sessionkey, iv }, REFUSALS.encryptedData],
        [{ sessionkey, encryptedData }, REFUSALS.iv],
      ];
      for (const [parameters, expected] of rows) {
        expect(seen(await s.get(`${SHOP_PATH}/decode`, parameters))).toEqual(expected);
        expect(seen(await s.call(`POST ${SHOP_PATH}/decode`, { body: parameters }))).toEqual(
          expected,
        );
      }
      expect(seen(await s.call(`POST ${SHOP_PATH}/decode`))).toEqual(REFUSALS.token);
      for (const route of ['openId', 'unionId']) {
        expect(seen(await s.get(`${SHOP_PATH}/${route}`))).toEqual(REFUSALS.token);
        expect(seen(await s.get(`${SHOP_PATH}/${route}`, { token: '' }))).toEqual(REFUSALS.token);
      }
      expect(store).not.toHaveBeenCalled();
    });

    it('open data of another user, another app or another day, all with the same text', async () => {
      const [user, other] = [s.wechat.users.create(), s.wechat.users.create()];
      const sessionkey = await s.miniToken(user);
      await s.miniToken(other);
      const stale = await user.getUserInfo();
      s.wechat.clock.advance('11m');
      const mine = await user.getUserInfo();
      const rows = [
        stale,
        await other.getUserInfo(),
        user.encrypt({ openId: other.openid(), nickName: 'x', avatarUrl: 'x' }),
        user.encrypt({ phoneNumber: '1', purePhoneNumber: '1', countryCode: '86' }, SHOP.appId, {
          watermark: { appid: CAFE.appId, timestamp: 1 },
        }),
        user.encrypt('not JSON'),
        { ...mine, iv: 'AAAAAAAAAAAAAAAAAAAAAA==' },
        { ...mine, encryptedData: mine.encryptedData.slice(4) },
        { ...mine, encryptedData: 'not base64 ☃' },
        { ...mine, encryptedData: '' },
        { ...mine, iv: '' },
      ];
      for (const { encryptedData, iv } of rows)
        expect(seen(await s.get(`${SHOP_PATH}/decode`, { sessionkey, encryptedData, iv }))).toEqual(
          REFUSALS.decrypt,
        );
    });

    it('valid data after ten failures within ten minutes', async () => {
      const user = s.wechat.users.create();
      const sessionkey = await s.miniToken(user);
      const good = await user.getUserInfo();
      const decode = async (encryptedData: string) =>
        s.get(`${SHOP_PATH}/decode`, { sessionkey, encryptedData, iv: good.iv });
      for (let i = 0; i < 10; i++) expect((await decode('bm90IHRoaXM=')).status).toBe(400);
      const { status, headers, body } = await decode(good.encryptedData);
      expect([status, body]).toEqual([
        429,
        refusal(429, 'too many requests', 'ERR_WECHAT_RATE_LIMIT'),
      ]);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await s.get(`${SHOP_PATH}/openId`, { token: sessionkey })).status).toBe(200);
      s.wechat.clock.advance('9m');
      const again = await user.getUserInfo();
      s.wechat.clock.advance('1m');
      expect(
        (
          await s.get(`${SHOP_PATH}/decode`, {
            sessionkey,
            encryptedData: again.encryptedData,
            iv: again.iv,
          })
        ).status,
      ).toBe(200);
    });

    it('an invalid scene or page, without a call to WeChat', async () => {
      const before = s.wechat.requests.length;
      for (const scene of [
        undefined,
        null,
        '',
        'a'.repeat(33),
        'a b',
        '%',
        '"',
        '\\',
        '中',
        'a\nb',
        7,
        ['a'],
        {},
      ])
        expect(seen(await s.qrCode({ scene }))).toEqual(REFUSALS.scene);
      for (const body of [
        { page: '/pages/a' },
        { page: 'pages/a?b=1' },
        { page: 'pages/a#b' },
        { page: '../a' },
        { page: 'https://a' },
        { page: 7 },
        { width: 279 },
        { width: 1281 },
        { width: '430' },
        { width: 300.5 },
        { lineColor: { r: { x: 1 }, g: 0, b: 0 } },
        { lineColor: '{"r":1}' },
        { lineColor: 'red' },
        { lineColor: 'null' },
        { lineColor: '['.repeat(50_000) },
        { lineColor: [1, 2, 3] },
        { autoColor: 'true' },
        { isHyaline: 1 },
        { checkPath: 'no' },
        { envVersion: 'beta' },
      ]) {
        const response = await s.qrCode({ scene: 'a', ...body });
        expect(seen(response)).toEqual([
          400,
          refusal(400, expect.stringContaining(Object.keys(body)[0]!) as never, 'ERR_BAD_REQUEST'),
        ]);
      }
      expect(s.wechat.requests.length).toBe(before);
    });

    it('a page that is not released', async () => {
      expect(seen(await s.qrCode({ scene: 'a', page: 'pages/secret' }))).toEqual(REFUSALS.page);
      s.wechat.next('/wxa/getwxacodeunlimit', { errcode: 40159 });
      expect((await s.qrCode({ scene: 'other' })).body).toEqual(
        refusal(40159, 'invalid parameter: page', 'ERR_WECHAT_PAGE'),
      );
      for (const errcode of [40129, 40169]) {
        s.wechat.next('/wxa/getwxacodeunlimit', { errcode });
        expect(seen(await s.qrCode({ scene: 'other' }))).toEqual(REFUSALS.scene);
      }
    });

    it('a malformed code, without a call to WeChat', async () => {
      const before = s.wechat.requests.length;
      const codes = [
        '',
        'a b',
        'a'.repeat(129),
        '登录',
        'x&appid=evil',
        'x#y',
        '%00',
        'a\nb',
        'a\0',
      ];
      const queries = [
        '',
        ...codes.map((code) => `code=${encodeURIComponent(code)}`),
        'code=a&code=b',
        'code[a]=b',
        'code[]=a',
        'Code=a',
      ];
      for (const query of queries) {
        for (const path of [
          `${SHOP_PATH}/${SHOP.secret}/code2Session`,
          `/wx/v1/${PHONE.appId}/${PHONE.secret}/ouath2`,
        ])
          expect(seen(await s.call(`GET ${path}?${query}`))).toEqual([
            400,
            refusal(400, 'code must be a code of WeChat', 'ERR_BAD_REQUEST'),
          ]);
      }
      expect(s.wechat.requests.length).toBe(before);
    });

    it.each(['1', '', 'TRUE', 'true&refresh=false'])('refresh=%s', async (refresh) => {
      const token = await s.mobileToken();
      expect(
        seen(await s.call(`GET /wx/v1/${PHONE.appId}/${token}/userInfo?refresh=${refresh}`)),
      ).toEqual([400, refusal(400, 'refresh must be true or false', 'ERR_BAD_REQUEST')]);
    });

    it('tokens and data of the wrong type', async () => {
      const token = await s.miniToken();
      const rows: [string, Call][] = [
        [`GET ${SHOP_PATH}/openId?token=${token}&token=${token}`, {}],
        [`GET ${SHOP_PATH}/decode?sessionkey=${token}&encryptedData=a&encryptedData=b&iv=c`, {}],
        [`POST ${SHOP_PATH}/decode`, { body: { sessionkey: 7, encryptedData: 'a', iv: 'b' } }],
        [
          `POST ${SHOP_PATH}/decode`,
          { body: { sessionkey: [token], encryptedData: 'a', iv: 'b' } },
        ],
        [
          `POST ${SHOP_PATH}/decode`,
          { body: { sessionkey: token, encryptedData: ['a'], iv: 'b' } },
        ],
        [
          `POST ${SHOP_PATH}/decode`,
          { body: { sessionkey: token, encryptedData: 'a', iv: { a: 1 } } },
        ],
        [`POST ${SHOP_PATH}/decode`, { body: { sessionkey: token, encryptedData: 0, iv: false } }],
      ];
      for (const [route, call] of rows)
        expect(seen(await s.call(route, call))).toEqual([
          400,
          refusal(400, expect.any(String) as never, 'ERR_BAD_REQUEST'),
        ]);
    });

    it('unknown routes: another verb, another case, a path without its parts', async () => {
      for (const route of [
        `POST ${SHOP_PATH}/openId`,
        `GET ${SHOP_PATH}/openid`,
        `GET ${SHOP_PATH}/${SHOP.secret}/qrcode/unlimited`,
        `DELETE ${SHOP_PATH}/decode`,
        `GET ${SHOP_PATH}/${SHOP.secret}`,
        `GET /wx/v1/${PHONE.appId}/${PHONE.secret}`,
        `GET ${SHOP_PATH}/${'s'.repeat(200)}/access_token`,
        'GET /wx',
      ])
        expect(seen(await s.call(route))).toEqual([
          404,
          refusal(404, 'not found', 'ERR_NOT_FOUND'),
        ]);
    });

    it('with 503 and never 401 while the store is down', async () => {
      const [token, mobile] = [await s.miniToken(), await s.mobileToken()];
      jest.spyOn(s.app.get(WechatStore), 'get').mockRejectedValue(new StoreUnavailableError());
      const responses = [
        await s.get(`${SHOP_PATH}/openId`, { token }),
        await s.get(`${SHOP_PATH}/decode`, { sessionkey: token, encryptedData: 'a', iv: 'b' }),
        await s.userInfo(mobile),
      ];
      for (const response of responses)
        expect([seen(response), response.headers.get('retry-after')]).toEqual([
          REFUSALS.store,
          '1',
        ]);
    });
  });

  it('documents every route with the JSON of its response', async () => {
    const { paths } = (await s.call('GET /docs-json')).body;
    const routes = Object.entries<Record<string, any>>(paths)
      .filter(([path]) => path.startsWith('/wx/') || path === '/qrcodes')
      .flatMap(([path, methods]) =>
        Object.entries<any>(methods).map(
          ([method, operation]) => [`${method} ${path}`, operation] as const,
        ),
      );
    expect(routes.map(([route]) => route).toSorted()).toEqual([
      'get /wx/mini/v1/{appId}/decode',
      'get /wx/mini/v1/{appId}/openId',
      'get /wx/mini/v1/{appId}/unionId',
      'get /wx/mini/v1/{appId}/{secret}/access_token',
      'get /wx/mini/v1/{appId}/{secret}/code2Session',
      'get /wx/v1/{appId}/{secret}/oauth2',
      'get /wx/v1/{appId}/{secret}/ouath2',
      'get /wx/v1/{appId}/{token}/userInfo',
      'post /qrcodes',
      'post /wx/mini/v1/{appId}/decode',
      'post /wx/mini/v1/{appId}/{secret}/qrcode/unlimited',
    ]);
    for (const [route, { summary, responses, parameters }] of routes) {
      expect([route, summary]).toEqual([route, expect.any(String)]);
      const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const documented = parameters
        .filter((one: any) => one.in === 'path')
        .map(({ name }: any) => name);
      expect([route, new Set(documented)]).toEqual([route, new Set(inPath)]);
      if (route !== 'post /qrcodes')
        expect([route, responses[200].content['application/json'].schema.example]).toEqual([
          route,
          { code: 200, msg: 'ok', data: expect.anything(), success: true },
        ]);
    }
    const { examples } =
      paths['/wx/mini/v1/{appId}/decode'].get.responses[400].content['application/json'];
    expect(examples.WITHOUT_IV.value).toEqual(REFUSALS.iv[1]);
    expect(paths['/qrcodes'].post.responses[200].content).toHaveProperty(['image/jpeg']);
  });
});

describe('the login limit', () => {
  it('counts code exchanges of both kinds together with the logins, if the secret is correct', async () => {
    const s = await startCentral({ env: { LOGIN_RATE_LIMIT: '3' } });
    for (let i = 0; i < 5; i++) await s.code2Session('a', { ...SHOP, secret: 'wrong' });
    expect([(await s.code2Session('a')).status, (await s.oauth2('a')).status]).toEqual([401, 401]);
    expect((await s.call('POST /auth/login', { body: { code: 'a' } })).status).toBe(401);
    const before = s.wechat.requests.length;
    for (const response of [
      await s.code2Session('a'),
      await s.oauth2('a', PHONE, 'oauth2'),
      await s.oauth2('a'),
    ]) {
      expect(seen(response)).toEqual([
        429,
        refusal(429, 'too many requests', 'ERR_WECHAT_RATE_LIMIT'),
      ]);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(s.wechat.requests.length).toBe(before);
    expect((await s.accessToken()).status).toBe(200);
    await s.close();
  });

  it('does not count a request with invalid parameters', async () => {
    const s = await startCentral({ env: { LOGIN_RATE_LIMIT: '1' } });
    for (const code of ['', 'not a code!', 'a'.repeat(129)])
      expect((await s.code2Session(code)).status).toBe(400);
    expect([(await s.code2Session('a')).status, (await s.code2Session('a')).status]).toEqual([
      401, 429,
    ]);
    await s.close();
  });
});

describe('the limit of wrong secrets', () => {
  const guess = (s: Central, n: number, address = '1.1.1.1') =>
    s.call(`GET /wx/mini/v1/${SHOP.appId}/guess-${n}/access_token`, {
      headers: { 'x-forwarded-for': address },
    });

  it('refuses an IP address after 120 wrong secrets in a minute, also with the correct secret, and refuses no other address', async () => {
    const s = await startCentral({ env: { LOGIN_RATE_LIMIT: '1000', TRUST_PROXY: '1' } });
    const responses = await Promise.all(Array.from({ length: 200 }, (_, n) => guess(s, n)));
    const statuses = responses.map(({ status }) => status);
    expect(statuses.filter((status) => status === 400).length).toBe(120);
    expect(statuses.filter((status) => status === 429).length).toBe(80);
    const right = `GET /wx/mini/v1/${SHOP.appId}/${SHOP.secret}/access_token`;
    const from = (address: string) => s.call(right, { headers: { 'x-forwarded-for': address } });
    expect([(await from('1.1.1.1')).status, (await from('2.2.2.2')).status]).toEqual([429, 200]);
    await s.close();
  });

  it('control: without the limit every secret is compared', async () => {
    const s = await startCentral({ env: { LOGIN_RATE_LIMIT: '0' } });
    const responses = await Promise.all(Array.from({ length: 200 }, (_, n) => guess(s, n)));
    expect(responses.every(({ status }) => status === 400)).toBe(true);
    await s.close();
  });
});
