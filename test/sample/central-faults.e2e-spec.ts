import { gzipSync } from 'node:zlib';
import { WechatStore } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, SandboxUser } from 'nestjs-wechat-sandbox';
import { Lag } from '../faults/rows.js';
import {
  CAFE,
  PHONE,
  refusal,
  REFUSALS,
  seen,
  SHOP,
  startCentral,
  WEBSITE,
} from '../support/central.js';
import type { Central } from '../support/central.js';
import type { AppResponse } from '../support/http.js';

const LOGIN = '/sns/jscode2session';
const OAUTH = '/sns/oauth2/access_token';
const REFRESH = '/sns/oauth2/refresh_token';
const INFO = '/sns/userinfo';
const TOKEN = '/cgi-bin/stable_token';
const QR = '/wxa/getwxacodeunlimit';
const SINGLE_USE = [LOGIN, OAUTH];

const TIMEOUT = 600;
/** The first and last bytes of a PNG. Drawing a real one would block this process for longer than the timeouts of these tests. */
const IMAGE: Fault = {
  body: Buffer.from(`89504e470d0a1a0a${'00'.repeat(80)}49454e44ae426082`, 'hex'),
  contentType: 'image/png',
};
/** The contract allows 6 s with a timeout of 3 s. This is the same proportion, plus a reserve for a busy machine. */
const DEADLINE = TIMEOUT * 2 + 400;

/** The faults W1 to W11, T2 and T6 on the central routes. */
describe('when WeChat fails, the central service', () => {
  let s: Central;
  const users: SandboxUser[] = [];
  const responses: { url: string; text: string }[] = [];

  beforeAll(async () => {
    const { fetch } = globalThis;
    jest
      .spyOn(globalThis, 'fetch')
      .mockImplementation(async (...call: Parameters<typeof fetch>) => {
        const response = await fetch(...call);
        const headers = JSON.stringify([...response.headers]);
        responses.push({ url: response.url, text: headers + (await response.clone().text()) });
        return response;
      });
    s = await startCentral({
      env: {
        LOG_LEVEL: 'trace',
        WECHAT_API_TIMEOUT: `${TIMEOUT}ms`,
        WECHAT_SESSION_MAX_AGE: '300d',
      },
    });
  });
  afterEach(() => s.wechat.clear());
  afterAll(async () => {
    jest.restoreAllMocks();
    await s.close();
  });

  const someone = () => {
    const user = s.wechat.users.create({ phoneNumber: `139${String(10_000_000 + users.length)}` });
    users.push(user);
    return user;
  };
  let scenes = 0;

  interface Ended {
    path: string;
    response: AppResponse;
    calls: number;
    /** Whether it ended within the deadline, plus the measured delay of this process. */
    inTime: boolean;
  }

  /** Sends one request during a lasting fault. Returns the response, the number of calls to WeChat, and whether it ended in time. */
  const under = async (
    path: string,
    fault: Fault | undefined,
    request: () => Promise<AppResponse>,
  ): Promise<Ended> => {
    if (fault) s.wechat.always(path, fault);
    const lag = new Lag();
    const [before, started] = [s.wechat.requestsTo(path).length, performance.now()];
    const response = await request();
    const inTime = performance.now() - started < DEADLINE + lag.end();
    return { path, response, calls: s.wechat.requestsTo(path).length - before, inTime };
  };

  /** Sends each route's request while the path that it calls has a fault. Its other calls to WeChat work. */
  const everywhere = async (fault: Fault): Promise<Ended[]> => {
    const expired = await s.mobileToken(someone());
    s.wechat.clock.advance('3h');
    const token = await under(TOKEN, fault, () => s.accessToken());
    s.wechat.clear();
    expect((await s.accessToken()).status).toBe(200); // at once, without a restart
    const mobile = await s.mobileToken(someone());
    const { code } = await someone().login();
    const { code: oauth } = await someone().authorize();
    const ended = [
      token,
      ...(await Promise.all([
        under(LOGIN, fault, () => s.code2Session(code)),
        under(OAUTH, fault, () => s.oauth2(oauth)),
        under(INFO, fault, () => s.userInfo(mobile, 'true')),
        under(REFRESH, fault, () => s.userInfo(expired, 'true')),
        under(QR, onImage(fault), () => s.qrCode({ scene: `s${scenes++}` })),
      ])),
    ];
    s.wechat.clear();
    return ended;
  };

  type Row = [
    name: string,
    fault: Fault,
    expected: [number, object],
    calls: { singleUse: number; idempotent: number },
  ];

  const busy = { singleUse: 2, idempotent: 3 };
  const lost = { singleUse: 1, idempotent: 2 };
  const once = { singleUse: 1, idempotent: 1 };
  const rows: Row[] = [
    ...[500, 502, 503, 504].map((status): Row => [
      `W1 HTTP ${status}`,
      { status },
      REFUSALS.unavailable,
      busy,
    ]),
    [
      'W1 HTTP 502 with errcode -1',
      { status: 502, body: { errcode: -1 } },
      REFUSALS.unavailable,
      busy,
    ],
    ['W1 errcode -1', { errcode: -1 }, REFUSALS.unavailable, busy],
    ['W2 a reset', { reset: true }, REFUSALS.unavailable, lost],
    [
      'W2 a reset before the request is read',
      { reset: 'before-reading' },
      REFUSALS.unavailable,
      lost,
    ],
    [
      'W2 a reset after the request is processed',
      { reset: 'after-work' },
      REFUSALS.unavailable,
      lost,
    ],
    [
      'W2 a reset in the middle of the response',
      { reset: 'mid-answer' },
      REFUSALS.unavailable,
      lost,
    ],
    ['W3 silence', { hang: true }, REFUSALS.unavailable, lost],
    [
      'W3 no response after the request is processed',
      { hang: 'after-work' },
      REFUSALS.unavailable,
      lost,
    ],
    [
      'W4 a head that arrives byte by byte',
      { drip: '20ms', dripFrom: 'headers' },
      REFUSALS.unavailable,
      lost,
    ],
    ['W4 a body that arrives byte by byte', { drip: '20ms' }, REFUSALS.unavailable, lost],
    ['W5 nothing', { body: '' }, REFUSALS.response, lost],
    ['W5 HTML', { body: '<html>canary</html>', contentType: 'text/html' }, REFUSALS.response, lost],
    ['W5 truncated JSON', { body: '{"openid":"canary' }, REFUSALS.response, lost],
    ['W5 null', { body: 'null' }, REFUSALS.response, lost],
    ['W5 a list', { body: '[]' }, REFUSALS.response, lost],
    ['W5 a text', { body: '"x"' }, REFUSALS.response, lost],
    ['W5 an empty object', { body: '{}' }, REFUSALS.response, lost],
    [
      'W5 __proto__',
      { body: '{"__proto__":{"openid":"o","access_token":"t"}}' },
      REFUSALS.response,
      lost,
    ],
    [
      'W5 half a megabyte',
      { body: JSON.stringify({ x: 'x'.repeat(500_000) }) },
      REFUSALS.response,
      lost,
    ],
    [
      'W5 a gzip bomb',
      { body: gzipSync(Buffer.alloc(20_000_000)), headers: { 'content-encoding': 'gzip' } },
      REFUSALS.response,
      lost,
    ],
    [
      'W5 broken gzip',
      { body: 'not gzip', headers: { 'content-encoding': 'gzip' } },
      REFUSALS.response,
      lost,
    ],
    ['W5 a byte order mark', { body: '\ufeff{"openid":"o"}' }, REFUSALS.response, lost],
    ['W5 an unknown errcode', { errcode: 99999 }, REFUSALS.response, once],
    ...[45009, 45011].map((errcode): Row => {
      return [
        `W7 ${errcode}`,
        { errcode },
        [429, refusal(errcode, 'too many requests', 'ERR_WECHAT_RATE_LIMIT')],
        once,
      ];
    }),
    ...[40013, 40125, 40164, 41002, 41004].map((errcode): Row => [
      `W10 ${errcode}`,
      { errcode },
      REFUSALS.config,
      once,
    ]),
    ['W11 a redirect', { redirect: 'http://127.0.0.1:1/steal' }, REFUSALS.response, once],
    ['W11 404', { status: 404 }, REFUSALS.response, once],
  ];

  it.each(rows)(
    '%s: returns the envelope in time, and calls WeChat no more often than allowed',
    async (_, fault, expected, calls) => {
      for (const ended of await everywhere(fault)) {
        const { path, response, inTime } = ended;
        const allowed = SINGLE_USE.includes(path) ? calls.singleUse : calls.idempotent;
        expect([path, seen(response)]).toEqual([path, expected]);
        expect([path, ended.calls <= allowed, inTime]).toEqual([path, true, true]);
        expect([path, response.headers.has('retry-after')]).toEqual([
          path,
          expected[0] === 429 || expected[0] === 503,
        ]);
      }
    },
  );

  it.each<[string, string, Record<string, unknown>]>([
    ['an openid of another type', LOGIN, { openid: 7 }],
    ['an openid of 300 characters', LOGIN, { openid: 'o'.repeat(300) }],
    ['a short session_key', LOGIN, { session_key: 'AAAA' }],
    ['an openid of another type', OAUTH, { openid: ['o'] }],
    ['no refresh token', OAUTH, { refresh_token: undefined }],
    ['a lifetime of 0 s', OAUTH, { expires_in: 0 }],
    ['the openid of another user', INFO, { openid: 'oSomebodyElse' }],
    ['no name', INFO, { nickname: { $ne: null } }],
    ['the openid of another user', REFRESH, { openid: 'oSomebodyElse' }],
    ['an access token with a line break', TOKEN, { access_token: 'a\nb' }],
    ['an access token of 1,025 characters', TOKEN, { access_token: 'a'.repeat(1025) }],
    ['a lifetime of a year', TOKEN, { expires_in: 31_536_000 }],
    ['a lifetime as text', TOKEN, { expires_in: '7200' }],
  ])('W5 refuses a malformed response: %s with %s', async (_, path, invalid) => {
    const fault: Fault = { transform: (json) => ({ ...json, ...invalid }) };
    const [mobile, old] = [await s.mobileToken(someone()), await s.mobileToken(someone())];
    if (path === TOKEN || path === REFRESH) s.wechat.clock.advance('3h');
    const [{ code }, { code: oauth }] = [await someone().login(), await someone().authorize()];
    const requests: Record<string, () => Promise<AppResponse>> = {
      [LOGIN]: () => s.code2Session(code),
      [OAUTH]: () => s.oauth2(oauth),
      [INFO]: () => s.userInfo(mobile, 'true'),
      [REFRESH]: () => s.userInfo(old, 'true'),
      [TOKEN]: () => s.accessToken(),
    };
    const stored = jest.spyOn(s.app.get(WechatStore), 'add');
    const changed = jest.spyOn(s.app.get(WechatStore), 'replace');
    const { response } = await under(path, fault, requests[path]!);
    expect(seen(response)).toEqual(REFUSALS.response);
    expect(stored.mock.calls.filter(([key]) => !key.startsWith('wx:lock:'))).toEqual([]);
    expect(changed).not.toHaveBeenCalled();
    stored.mockRestore();
    changed.mockRestore();
  });

  it('W2 returns 503 if the connection is refused', async () => {
    const away = await startCentral({ env: { WECHAT_API_BASE_URL: 'http://127.0.0.1:1' } });
    for (const response of [
      await away.code2Session('a'),
      await away.oauth2('a'),
      await away.accessToken(),
      await away.qrCode({ scene: 'a' }),
    ])
      expect([seen(response), response.headers.get('retry-after')]).toEqual([
        REFUSALS.unavailable,
        '1',
      ]);
    await away.close();
  });

  it('W6 retries after one busy response', async () => {
    const [mobile, { code }, { code: oauth }] = [
      await s.mobileToken(someone()),
      await someone().login(),
      await someone().authorize(),
    ];
    s.wechat.clock.advance('4m');
    for (const path of [LOGIN, OAUTH, INFO, QR]) s.wechat.next(path, { errcode: -1 });
    s.wechat.next(QR, IMAGE);
    const all = [
      s.code2Session(code),
      s.oauth2(oauth),
      s.userInfo(mobile),
      s.qrCode({ scene: 'busy' }),
    ];
    expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it('W7 does not delay other requests', async () => {
    s.wechat.next(LOGIN, { errcode: 45011 });
    const [first, second] = [await someone().login(), await someone().login()];
    expect([
      (await s.code2Session(first.code)).status,
      (await s.code2Session(second.code)).status,
    ]).toEqual([429, 200]);
    expect((await s.code2Session(first.code)).status).toBe(200);
  });

  it.each([40029, 40163])('W8 %i is an invalid code, without a retry', async (errcode) => {
    for (const [path, request] of [
      [LOGIN, s.code2Session],
      [OAUTH, s.oauth2],
    ] as const) {
      const { response, calls } = await under(path, { errcode }, () => request('abc'));
      expect([seen(response), calls]).toEqual([REFUSALS.code, 1]);
    }
  });

  it('W9 a blocked user is refused without a retry', async () => {
    const { response, calls } = await under(LOGIN, { errcode: 40226 }, () => s.code2Session('abc'));
    expect([seen(response), calls]).toEqual([REFUSALS.blocked, 1]);
  });

  it('W10 logs the reason once a minute, and does not send it to the client', async () => {
    const before = s.log.length;
    for (let i = 0; i < 3; i++) await under(LOGIN, { errcode: 40164 }, () => s.code2Session('abc'));
    expect(
      s.log.slice(before).filter((line) => line.includes('IP whitelist') && !line.includes('"err"'))
        .length,
    ).toBeLessThan(2);
  });

  it('W11 never sends a secret to the target of a redirect', async () => {
    const elsewhere = await startWechatSandbox();
    await everywhere({ redirect: `${elsewhere.url}${LOGIN}` });
    expect(elsewhere.requests).toHaveLength(0);
    await elsewhere.close();
  });

  it('requests the access token once for fifty callers', async () => {
    s.wechat.clock.advance('3h');
    const before = s.wechat.requestsTo(TOKEN).length;
    const bodies = await Promise.all(
      Array.from({ length: 50 }, async () => (await s.accessToken()).body),
    );
    expect(new Set(bodies.map(({ data }) => data))).toEqual(
      new Set([s.wechat.accessTokens.current(SHOP.appId)]),
    );
    expect(s.wechat.requestsTo(TOKEN).length - before).toBe(1);
  });

  it('T2 retries once if WeChat refuses every access token, then fails', async () => {
    const { response, calls } = await under(QR, { errcode: 40001 }, () =>
      s.qrCode({ scene: 't2' }),
    );
    expect([seen(response), calls <= 2]).toEqual([REFUSALS.response, true]);
  });

  it('T6 returns the old access token while WeChat issues no new one', async () => {
    s.wechat.clock.advance('3h');
    const { body } = await s.accessToken();
    s.wechat.clock.advance('117m');
    s.wechat.always(TOKEN, { status: 503 });
    expect((await s.accessToken()).body.data).toBe(body.data);
    s.wechat.clock.advance('3m');
    expect(seen(await s.accessToken())).toEqual(REFUSALS.unavailable);
  });

  it('writes no secret into a response or a log line', async () => {
    const user = someone();
    const sessionkey = await s.miniToken(user);
    const { encryptedData, iv } = await user.getPhoneNumber();
    await s.get(`/wx/mini/v1/${SHOP.appId}/decode`, { sessionkey, encryptedData, iv });
    await s.get(`/wx/mini/v1/${SHOP.appId}/decode`, { sessionkey, encryptedData: iv, iv });
    await s.get(`/wx/mini/v1/${SHOP.appId}/${SHOP.secret}x/access_token`);
    await s.get(`/wx/mini/v1/${SHOP.appId}/${SHOP.secret}/nothing`);
    await s.get(`/wx/mini/v1/%zz/${SHOP.secret}/access_token`);
    const inTraffic = s.wechat.requests.flatMap(({ query }) => [
      query['access_token'],
      query['refresh_token'],
    ]);
    const current = [SHOP, CAFE].map(({ appId }) => s.wechat.accessTokens.current(appId));
    const appSecrets = [SHOP, CAFE, PHONE, WEBSITE].map(({ secret }) => secret);
    const secrets = [
      ...appSecrets,
      ...inTraffic,
      ...current,
      ...users.map((one) => one.sessionKey()),
    ].filter((one) => one !== undefined);
    const texts = responses
      .filter(({ url }) => !url.split('?')[0]!.endsWith('/access_token'))
      .map(({ text }) => text);
    expect([new Set(secrets).size > 100, texts.length > 250, s.log.length > 200]).toEqual([
      true,
      true,
      true,
    ]);
    expect(leaks([...texts, ...s.log], secrets)).toEqual([]);
    expect(s.log.join('')).not.toMatch(/srd_|mot_|139100000|canary/);
    expect(s.log.join('')).toContain('/wx/mini/v1/:appId/:secret/code2Session');
    const planted = secrets.map((secret) => `{"a":"${Buffer.from(secret).toString('base64')}"}`);
    expect(leaks(planted, secrets)).toHaveLength(planted.length); // the search finds each planted secret
  });
});

/** The same fault, with a fixed image as the response. Drawing a real code would take too long. */
function onImage(fault: Fault): Fault {
  return 'errcode' in fault || 'status' in fault || 'redirect' in fault
    ? fault
    : { ...IMAGE, ...fault };
}

/** The texts that contain a secret, as it is or in another encoding. */
function leaks(texts: string[], secrets: string[]): string[] {
  const spellings = new Set(
    secrets.flatMap((one) => [
      one,
      encodeURIComponent(one),
      ...(['base64', 'hex'] as const).map((as) => Buffer.from(one).toString(as)),
    ]),
  );
  return texts.filter((text) => [...spellings].some((one) => text.includes(one)));
}
