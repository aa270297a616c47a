import fc from 'fast-check';
import { WechatStore } from 'nestjs-wechat';
import { CAFE, PHONE, REFUSALS, seen, SHOP, startCentral } from '../support/central.js';
import type { Central } from '../support/central.js';
import { sendRaw } from '../support/http.js';
import type { AppResponse, Call } from '../support/http.js';

const MINI = `/wx/mini/v1/${SHOP.appId}`;
const MOBILE = `/wx/v1/${PHONE.appId}`;
const RUNS = { numRuns: 150 };

/** Bad input (B-…) on the routes of the central service and POST /qrcodes. */
describe('bad input to the central service', () => {
  let s: Central;
  let token: string;
  let mobile: string;
  beforeAll(async () => {
    const quotas = { '/sns/jscode2session': { perMinute: 10_000 } }; // WeChat's 100 a minute for one user would end the fuzzing early
    s = await startCentral({ env: { LOG_LEVEL: 'debug' }, sandbox: { quotas } });
    [token, mobile] = [await s.miniToken(), await s.mobileToken()];
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => s.close());

  /** The response is an error in the envelope or a success, and repeats nothing of the request. */
  const expectRefusal = (
    { status, body }: AppResponse,
    sent: unknown,
    statuses = [400, 401, 404, 429],
  ): void => {
    expect(statuses).toContain(status);
    expect(body).toEqual({
      code: expect.any(Number),
      msg: expect.any(String),
      data: null,
      success: false,
      error: expect.stringMatching(/^ERR_/),
    });
    if (typeof sent === 'string' && sent.length >= 8)
      expect(JSON.stringify(body)).not.toContain(sent);
  };
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({ maxLength: 200 }),
    fc.base64String(),
    fc.webQueryParameters(),
  );
  const anyJson = fc.oneof(fc.jsonValue({ maxDepth: 4 }), anyText);
  const inPath = anyText.map(encodeURIComponent);
  /** Not `String`, which throws for random objects with a key `toString`. */
  const asText = (value: unknown): string =>
    typeof value === 'string' ? value : JSON.stringify(value);

  it.each<[string, (text: string) => string]>([
    ['appId of code2Session', (text) => `/wx/mini/v1/${text}/${SHOP.secret}/code2Session?code=a`],
    ['secret of code2Session', (text) => `${MINI}/${text}/code2Session?code=a`],
    ['appId of access_token', (text) => `/wx/mini/v1/${text}/${SHOP.secret}/access_token`],
    ['secret of access_token', (text) => `${MINI}/${text}/access_token`],
    ['appId of ouath2', (text) => `/wx/v1/${text}/${PHONE.secret}/ouath2?code=a`],
    ['secret of oauth2', (text) => `${MOBILE}/${text}/oauth2?code=a`],
    ['token of userInfo', (text) => `${MOBILE}/${text}/userInfo`],
    ['appId of userInfo', (text) => `/wx/v1/${text}/${mobile}/userInfo`],
    ['appId of openId', (text) => `/wx/mini/v1/${text}/openId?token=${token}`],
    ['token of openId', (text) => `${MINI}/openId?token=${text}`],
    ['token of unionId', (text) => `${MINI}/unionId?token=${text}`],
    ['sessionkey of decode', (text) => `${MINI}/decode?sessionkey=${text}&encryptedData=a&iv=b`],
    ['query of openId', (text) => `${MINI}/openId?${text}`],
    ['query of decode', (text) => `${MINI}/decode?${text}=${text}&${text}`],
    ['query of userInfo', (text) => `${MOBILE}/${mobile}/userInfo?refresh=${text}x`],
  ])('never returns a 5xx for any %s', async (_, path) => {
    const before = s.wechat.requests.length;
    await fc.assert(
      fc.asyncProperty(inPath, async (text) =>
        expectRefusal(await s.call(`GET ${path(text)}`), decodeURIComponent(text)),
      ),
      RUNS,
    );
    expect(s.wechat.requests.length).toBe(before);
  });

  it('never returns a 5xx for any code, and sends only well-formed codes to WeChat', async () => {
    const before = s.wechat.requests.length;
    for (const path of [`${MINI}/${SHOP.secret}/code2Session`, `${MOBILE}/${PHONE.secret}/ouath2`])
      await fc.assert(
        fc.asyncProperty(inPath, async (text) =>
          expectRefusal(await s.call(`GET ${path}?code=${text}`), decodeURIComponent(text)),
        ),
        RUNS,
      );
    for (const { query } of s.wechat.requests.slice(before))
      expect(query['js_code'] ?? query['code']).toMatch(/^[0-9A-Za-z_-]{1,128}$/);
  });

  it('never returns a 5xx for any open data', async () => {
    const decode = async (encryptedData: unknown, iv: unknown) => {
      const sessionkey = await s.miniToken(s.wechat.users.create()); // a user has ten attempts
      const asQuery = new URLSearchParams({
        sessionkey,
        encryptedData: asText(encryptedData),
        iv: asText(iv),
      });
      expectRefusal(await s.call(`GET ${MINI}/decode?${asQuery.toString()}`), encryptedData, [400]);
      expectRefusal(
        await s.call(`POST ${MINI}/decode`, { body: { sessionkey, encryptedData, iv } }),
        encryptedData,
        [400],
      );
    };
    const good = await s.wechat.users.create().getUserInfo();
    await fc.assert(fc.asyncProperty(anyJson, anyJson, decode), { numRuns: 60 });
    await fc.assert(
      fc.asyncProperty(anyJson, (data) => decode(data, good.iv)),
      { numRuns: 40 },
    );
    await fc.assert(
      fc.asyncProperty(anyJson, (iv) => decode(good.encryptedData, iv)),
      { numRuns: 40 },
    );
  });

  it('never returns a 5xx for any body', async () => {
    const routes: [string, Call][] = [
      [`POST ${MINI}/decode`, { token }],
      [`POST ${MINI}/${SHOP.secret}/qrcode/unlimited`, {}],
      ['POST /qrcodes', { token }],
    ];
    const headers = { 'content-type': 'application/json' };
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          anyJson.map((json) => JSON.stringify(json)),
          anyText,
        ),
        async (body) => {
          for (const [route, call] of routes)
            expectRefusal(await s.call(route, { ...call, headers, body }), body);
        },
      ),
      RUNS,
    );
  });

  const FIELDS = [
    'scene',
    'page',
    'width',
    'autoColor',
    'lineColor',
    'isHyaline',
    'checkPath',
    'envVersion',
  ];
  it.each(FIELDS)('never returns a 5xx for any %s of a code', async (field) => {
    const before = s.wechat.requestsTo('/wxa/getwxacodeunlimit').length;
    const unfit = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }).map((text) => `☃${text}`),
      fc.array(fc.jsonValue({ maxDepth: 3 })),
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
      fc.double().filter((number) => !Number.isInteger(number)),
      fc.constantFrom(
        null,
        0,
        -1,
        1e9,
        '__proto__',
        '{"__proto__":1}',
        '{"r":256,"g":0,"b":0}',
        '{"r":"0","g":"0","b":"0","a":"0"}',
      ),
    );
    const wrong =
      field === 'scene' || field === 'page'
        ? unfit.filter((value) => value !== '__proto__')
        : unfit;
    await fc.assert(
      fc.asyncProperty(wrong, async (value) => {
        const body = { scene: 'a', [field]: value };
        expectRefusal(await s.qrCode(body), value, [400]);
        expectRefusal(await s.call('POST /qrcodes', { token, body }), value, [400]);
      }),
      RUNS,
    );
    expect(s.wechat.requestsTo('/wxa/getwxacodeunlimit').length).toBe(before);
  });

  it('refuses malformed HTTP requests', async () => {
    const ask = async (target: string, header = '') =>
      (
        await sendRaw(
          s.url,
          `GET ${target} HTTP/1.1\r\nHost: x\r\n${header}Connection: close\r\n\r\n`,
        )
      ).status;
    expect(await ask(`/wx/v1/${PHONE.appId}//userInfo`)).toBe(404);
    expect(await ask(`${MINI}//access_token`)).toBe(404);
    expect(await ask('/wx/mini/v1//openId')).toBe(404);
    expect(await ask(`${MINI}/%zz/access_token`)).toBe(404);
    expect(await ask(`${MINI}/%00/access_token`)).toBe(400);
    expect(await ask(`${MINI}/../${SHOP.appId}/openId`)).toBe(404);
    expect(await ask(`${MINI}/openId?token=%zz`)).toBe(401);
    expect(await ask(`${MINI}/openId`, `Authorization: Bearer ${token}, ${token}\r\n`)).toBe(400);
    expect(await ask(`${MINI}/openId?token=${'A'.repeat(20_000)}`)).toBe(431);
  });

  it('reads no token from a cookie, another scheme or another field', async () => {
    const store = jest.spyOn(s.app.get(WechatStore), 'get');
    const elsewhere: [string, Call][] = [
      [`GET ${MINI}/openId`, { headers: { cookie: `token=${token}` } }],
      [`GET ${MINI}/openId?sessionkey=${token}&session_rd=${token}&Token=${token}`, {}],
      [`GET ${MINI}/decode?token=${token}&encryptedData=a&iv=b`, {}],
      [`POST ${MINI}/decode?sessionkey=${token}`, { body: { encryptedData: 'a', iv: 'b' } }],
      [`GET ${MINI}/openId`, { headers: { authorization: `Basic ${token}` } }],
    ];
    for (const [route, call] of elsewhere)
      expect(seen(await s.call(route, call))).toEqual(REFUSALS.token);
    expect(store).not.toHaveBeenCalled();
  });

  it('separates the sessions of two apps, also for concurrent requests', async () => {
    const users = Array.from({ length: 20 }, () => s.wechat.users.create());
    const openIdOf = async (user: (typeof users)[number], app: typeof SHOP | typeof CAFE) => {
      const own = await s.miniToken(user, app);
      const [mine, other] = [app.appId, app === SHOP ? CAFE.appId : SHOP.appId];
      const [here, there] = await Promise.all(
        [mine, other].map((appId) => s.get(`/wx/mini/v1/${appId}/openId`, { token: own })),
      );
      return [here!.body.data === user.openid(mine), there!.status];
    };
    const all = await Promise.all(
      users.flatMap((user) => [openIdOf(user, SHOP), openIdOf(user, CAFE)]),
    );
    expect(all).toEqual(
      users.flatMap(() => [
        [true, 401],
        [true, 401],
      ]),
    );
  });

  it('B-log writes no token, secret or line break into the log', () => {
    expect(s.log.length).toBeGreaterThan(1000);
    const text = s.log.join('');
    for (const secret of [token, mobile, SHOP.secret, PHONE.secret, 'srd_', 'mot_', 'canary'])
      expect(text).not.toContain(secret);
    for (const line of s.log) expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
    const routes = new Set(
      s.log.map((line) => JSON.parse(line).route).filter((route) => route?.startsWith('/wx')),
    );
    expect([...routes].filter((route) => !/^\/wx\/(mini\/)?v1\/:appId/.test(route))).toEqual([]);
  });
});
