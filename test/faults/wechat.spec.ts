import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { Controller, Logger, Post, Query } from '@nestjs/common';
import { AxiosError } from 'axios';
import fc from 'fast-check';
import { AccessTokenService, PhoneService, SessionService, WechatStore } from 'nestjs-wechat';
import type { WechatError, WechatModuleOptions } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, WechatSandbox } from 'nestjs-wechat-sandbox';
import { MAX_FAILURES, MAX_WAIT_MS } from '../../libs/wechat/src/transport/circuit-breaker.js';
import { HttpTransport } from '../../libs/wechat/src/transport/http.transport.js';
import { freePort } from '../support/free-port.js';
import { until } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { isFull, Lag, often } from './rows.js';

const LOGIN = '/sns/jscode2session';
const TOKEN = '/cgi-bin/stable_token';
const PHONE = '/wxa/business/getuserphonenumber';
/** The timeout of one attempt, and the deadline of a login with its retry, in milliseconds. */
const TIMEOUT = isFull ? 3_000 : 600;
const DEADLINE = 2 * TIMEOUT;
/** The time that HTTP and parallel logins can take, in milliseconds. */
const HTTP = 500;
/** A number of parallel logins that is too small to open the circuit breaker. */
const CROWD = MAX_FAILURES - 1;
/** A number of parallel logins that one event loop serves without a noticeable delay. */
const MANY = 25;
const few = (full: number): number => (isFull ? full : 3);

/** A login route as in an application. */
@Controller()
class LoginController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  async login(@Query('code') code: string): Promise<{ openid: string }> {
    const { session } = await this.sessions.login(code);
    return { openid: session.openid };
  }
}

/** The response to a login, and its duration in milliseconds. */
interface LoginResult {
  status: number;
  error?: string;
  retryAfter: string | null;
  ms: number;
}

const failure = (status: number, error: string, retryAfter: string | null = null) => ({
  status,
  error,
  retryAfter,
});
const UNAVAILABLE = failure(503, 'ERR_WECHAT_UNAVAILABLE', '1');
const RESPONSE = failure(502, 'ERR_WECHAT_RESPONSE');
const CODE = failure(401, 'ERR_WECHAT_CODE');
const BLOCKED = failure(403, 'ERR_WECHAT_BLOCKED');
const CONFIG = failure(500, 'ERR_WECHAT_CONFIG');
const RATE_LIMIT = failure(429, 'ERR_WECHAT_RATE_LIMIT', '60');

let wechat: WechatSandbox;
let app: TeamApp;

const start = (api: WechatModuleOptions['api']): Promise<TeamApp> =>
  startTeamApp(optionsFor(wechat, { api: { timeout: TIMEOUT, ...api } }), {
    controllers: [LoginController],
  });

beforeAll(async () => {
  Logger.overrideLogger(false);
  wechat = await startWechatSandbox({ quotas: { [LOGIN]: { perDay: 1e9, perMinute: 1e9 } } });
  app = await start({ baseUrl: wechat.url });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await expectRecovery();
});
afterAll(async () => {
  await closeTeamApps();
  await wechat.close();
});

/** Logs a new user in over HTTP. Checks that the response contains no secret. */
const login = async (at = app): Promise<LoginResult> => {
  const { code } = await wechat.users.create().login();
  const startedAt = performance.now();
  const response = await at.fetch(`/login?code=${code}`, { method: 'POST' });
  const text = await response.text();
  for (const secret of [wechat.apps[0]!.secret, code, wechat.url, 'canary'])
    expect(text).not.toContain(secret);
  const { error } = JSON.parse(text) as { error?: string };
  return {
    status: response.status,
    error,
    retryAfter: response.headers.get('retry-after'),
    ms: performance.now() - startedAt,
  };
};

/** Ends the faults of WeChat and checks that the next login succeeds at once, without a restart. */
const expectRecovery = async (): Promise<void> => {
  wechat.clear();
  expect((await login()).status).toBe(201);
};

/** Sends `count` logins, `crowd` at a time. Checks that all end as expected, within `latest` milliseconds plus measured lag. */
const expectAll = async (
  count: number,
  expected: object,
  latest: number,
  at = app,
  crowd = count,
): Promise<void> => {
  for (let left = count; left > 0; left -= crowd) {
    const lag = new Lag();
    const all = await Promise.all(Array.from({ length: Math.min(left, crowd) }, () => login(at)));
    const allowed = latest + HTTP + lag.end();
    expect(all.map(({ status, error, retryAfter }) => ({ status, error, retryAfter }))).toEqual(
      all.map(() => expected),
    );
    expect(Math.max(...all.map(({ ms }) => ms))).toBeLessThan(allowed);
  }
};

/** Sends logins while a fault lasts. Checks the responses, and that each login calls WeChat `calls` times and stores nothing. */
const expectUnder = async (
  fault: Fault,
  count: number,
  expected: object,
  calls: number,
  latest = TIMEOUT,
  at = app,
): Promise<void> => {
  const stored = jest.spyOn(at.get(WechatStore), 'add');
  for (let left = count; left > 0; left -= CROWD) {
    const crowd = Math.min(left, CROWD);
    const before = wechat.requestsTo(LOGIN).length;
    wechat.always(LOGIN, fault);
    await expectAll(crowd, expected, latest, at);
    expect(wechat.requestsTo(LOGIN).length - before).toBe(crowd * calls);
    expect(stored).not.toHaveBeenCalled();
    await expectRecovery();
    stored.mockClear();
  }
};

describe('a login, while WeChat fails,', () => {
  it.each<[string, Fault]>([
    ['500', { status: 500 }],
    ['502', { status: 502 }],
    ['503', { status: 503 }],
    ['504', { status: 504 }],
    ['502 with errcode -1', { status: 502, body: { errcode: -1 } }],
    ['200 with errcode -1', { errcode: -1 }],
  ])(`W1 returns 503 after one retry when WeChat responds with %s${often(few(100))}`, (_, fault) =>
    expectUnder(fault, few(100), UNAVAILABLE, 2, DEADLINE),
  );

  it(`W1 returns 503 within its deadline when WeChat is busy, slow, and then silent${often(few(10))}`, async () => {
    const late: Fault = { status: 500, delay: 0.9 * TIMEOUT };
    for (let i = 0; i < few(10); i++) {
      wechat.next(LOGIN, late);
      wechat.next(LOGIN, { hang: true });
      await expectAll(1, UNAVAILABLE, DEADLINE - HTTP);
    }
  });

  it.each<[string, Fault]>([
    ['before it reads the request', { reset: 'before-reading' }],
    ['after it has read the request', { reset: true }],
    ['after it has processed the request', { reset: 'after-work' }],
    ['in the middle of the response', { reset: 'mid-answer' }],
  ])(
    `W2 returns 503 without a retry, because the code may be used, when WeChat resets the connection %s${often(few(100))}`,
    (_, fault) => expectUnder(fault, few(100), UNAVAILABLE, 1),
  );

  it(`W3 returns 503 without a retry when WeChat processes the request and never responds${often(few(30))}`, () =>
    expectUnder({ hang: 'after-work' }, few(30), UNAVAILABLE, 1));

  it.each<[string, Fault]>([
    ['the head', { dripFrom: 'headers' }],
    ['the body', { dripFrom: 'body' }],
  ])(
    `W4 returns 503 without a retry when WeChat sends %s byte by byte${often(few(30))}`,
    (_, fault) =>
      expectUnder({ ...fault, drip: isFull ? '500ms' : '30ms' }, few(30), UNAVAILABLE, 1),
  );

  it(`W6 succeeds after a random wait when WeChat is busy once${often(few(100))}`, async () => {
    const waits: number[] = [];
    for (let i = 0; i < few(100); i++) {
      wechat.next(LOGIN, { errcode: -1 });
      const before = wechat.requestsTo(LOGIN).length;
      const { status, ms } = await login();
      expect([status, wechat.requestsTo(LOGIN).length - before]).toEqual([201, 2]);
      waits.push(Math.round(ms));
    }
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(100);
    expect(new Set(waits).size).toBeGreaterThan(1);
  });

  it.each([45009, 45011])(
    `W7 returns 429 without a retry for errcode %i${often(few(50))}`,
    (errcode) => expectUnder({ errcode }, few(50), RATE_LIMIT, 1),
  );

  it(`W7 succeeds for other users when one user gets 45011${often(few(50))}`, async () => {
    for (let i = 0; i < few(50); i++) {
      wechat.next(LOGIN, { errcode: 45011 });
      expect([(await login()).status, (await login()).status]).toEqual([429, 201]);
    }
  });

  it.each([40029, 40163])(
    `W8 returns 401 without a retry for errcode %i${often(few(50))}`,
    (errcode) => expectUnder({ errcode }, few(50), CODE, 1),
  );

  it('W8 logs one warning a minute, which names the AppID', async () => {
    const another = await start({ baseUrl: wechat.url });
    const warned = jest.spyOn(Logger.prototype, 'warn');
    wechat.always(LOGIN, { errcode: 40029 });
    await expectAll(few(50), CODE, DEADLINE, another, 1);
    expect(warned.mock.calls).toEqual([
      [
        `WeChat refuses login codes (40029). A code works once, for 5 minutes. If every login fails, the mini program has another AppID than ${wechat.apps[0]!.appId}.`,
      ],
    ]);
  });

  it(`W9 returns 403 without a retry for errcode 40226${often(few(20))}`, () =>
    expectUnder({ errcode: 40226 }, few(20), BLOCKED, 1));

  it.each([40013, 40125, 40164, 41002, 41004])(
    `W10 returns 500 without details or a retry for errcode %i, and logs one error a minute${often(few(20))}`,
    async (errcode) => {
      const logged = jest.spyOn(Logger.prototype, 'error');
      await expectUnder({ errcode }, few(20), CONFIG, 1);
      expect(
        logged.mock.calls.filter(([text]) => String(text).includes(String(errcode))),
      ).toHaveLength(1);
    },
  );

  it.each<[number, (appId: string) => string, string]>([
    [40013, (appId) => `the AppID ${appId}`, 'Compare it with 开发管理 on mp.weixin.qq.com.'],
    [40125, (appId) => `the AppSecret of ${appId}`, 'It was reset, or it is that of another app.'],
  ])('W10 logs the AppID and the cure for errcode %i', async (errcode, subject, cure) => {
    const { appId, secret } = wechat.apps[0]!;
    const another = await start({ baseUrl: wechat.url });
    const logged = jest.spyOn(Logger.prototype, 'error');
    wechat.next(LOGIN, { errcode });
    await expectAll(1, CONFIG, DEADLINE, another);
    const lines = logged.mock.calls.map(([text]) => String(text)).join('\n');
    expect(lines).toContain(`WeChat refuses ${subject(appId)} (${LOGIN} returned ${errcode}`);
    expect(lines).toContain(cure);
    expect(lines).not.toContain(secret);
  });

  it(`W11 returns 502 for a redirect to another host, and never calls that host${often(few(50))}`, async () => {
    const otherHost = await Listener.start((socket) => socket.end());
    await expectUnder(
      { redirect: `${otherHost.url('http')}${LOGIN}?stolen` },
      few(50),
      RESPONSE,
      1,
    );
    expect(otherHost.accepted).toBe(0);
    await otherHost.close();
  });

  it.each<[string, Fault, object]>([
    ['an unknown errcode', { errcode: 99999 }, RESPONSE],
    ['an errcode as text', { body: '{"errcode":"40029"}' }, CODE],
    ['404', { status: 404 }, RESPONSE],
  ])('sends one call and returns the right error for %s', (_, fault, expected) =>
    expectUnder(fault, 1, expected, 1),
  );
});

describe('a login, while the network to WeChat fails,', () => {
  it(`W2 returns 503 after one retry when the connection is refused${often(few(100))}`, async () => {
    const unreachable = await start({ baseUrl: `http://127.0.0.1:${await freePort()}` });
    await expectAll(few(100), UNAVAILABLE, TIMEOUT, unreachable, 1);
    await expect(unreachable.get(SessionService).login('a')).rejects.toMatchObject({ attempt: 2 });
  });

  it('W2 logs one warning a minute from the first failed call on, with the host and the cause and without the path', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const another = await start({ baseUrl: `${url}/canary` });
    const warned = jest.spyOn(Logger.prototype, 'warn');
    await expectAll(2, UNAVAILABLE, DEADLINE, another, 1);
    expect(warned.mock.calls).toEqual([
      [
        `WeChat at ${url} does not respond: no connection (ECONNREFUSED). Check WECHAT_API_BASE_URL, DNS and the outgoing network.`,
      ],
    ]);
  });

  it(`W2 returns 503 after one retry when the TLS handshake is reset${often(few(100))}`, async () => {
    const resetting = await Listener.start((socket) =>
      socket.once('data', () => socket.resetAndDestroy()),
    );
    await expectAll(
      few(100),
      UNAVAILABLE,
      TIMEOUT,
      await start({ baseUrl: resetting.url('https') }),
      1,
    );
    expect(resetting.accepted).toBe(2 * few(100));
    await resetting.close();
  });

  it.each(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH'])(
    `W2 tries WeChat's second host once after %s${often(few(100))}`,
    async (code) => {
      const real = await start({ baseUrl: undefined });
      const request = jest
        .spyOn(real.get(HttpTransport)['http'], 'request')
        .mockImplementation(() => Promise.reject(new AxiosError('unreachable', code)));
      await expectAll(few(100), UNAVAILABLE, TIMEOUT, real, 1);
      const callsTo = (host: string): number =>
        request.mock.calls.filter(([{ baseURL }]) => baseURL === host).length;
      expect([callsTo('https://api.weixin.qq.com'), callsTo('https://api2.weixin.qq.com')]).toEqual(
        [few(100), few(100)],
      );
    },
  );

  it(`W3 returns 503 and leaves no socket when a server accepts the connection and never responds${often(few(30))}`, async () => {
    const silent = await Listener.start(() => undefined);
    const before = performance.now();
    const warned = jest.spyOn(Logger.prototype, 'warn');
    await expectAll(few(30), UNAVAILABLE, TIMEOUT, await start({ baseUrl: silent.url('http') }), 1);
    expect(performance.now() - before).toBeGreaterThan(TIMEOUT);
    expect(silent.accepted).toBe(few(30));
    expect(warned.mock.calls[0]).toEqual([
      expect.stringContaining(`: no complete response within ${TIMEOUT} ms. Check`),
    ]);
    await until(() => silent.open === 0);
    await silent.close();
  });

  it('accepts a timeout longer than a timer of Node allows', async () => {
    const slow = await start({ baseUrl: wechat.url, timeout: '100d' });
    expect((await login(slow)).status).toBe(201);
  });
});

describe('a login, after five calls in a row without a response,', () => {
  /** Opens the circuit breaker. From then on WeChat accepts requests and never responds. */
  const goDown = async (at = app): Promise<void> => {
    wechat.always(LOGIN, { status: 503 });
    for (let i = 0; i < MAX_FAILURES; i++) expect((await login(at)).status).toBe(503);
    wechat.always(LOGIN, { hang: true });
  };
  const sent = (): number => wechat.requestsTo(LOGIN).length;

  it(`W1 is sent to WeChat only if no other one is, and else returns 503 at once${often(few(100))}`, async () => {
    await goDown();
    const before = sent();
    const lag = new Lag();
    const probe = login();
    await until(() => sent() > before);
    await expectAll(few(100), UNAVAILABLE, MAX_WAIT_MS, app, MANY);
    expect(sent() - before).toBe(1);
    expect((await probe).ms).toBeLessThan(TIMEOUT + HTTP + lag.end());
  });

  it(`W1 succeeds for all users as soon as WeChat responds again${often(few(100))}`, async () => {
    for (let left = few(100); left > 0; left -= MANY) {
      await goDown();
      wechat.clear();
      const all = await Promise.all(Array.from({ length: Math.min(left, MANY) }, () => login()));
      expect(all.map(({ status }) => status)).toEqual(all.map(() => 201));
    }
  });

  it('W1 logs the start and the end of the outage once', async () => {
    const [errors, infos] = [
      jest.spyOn(Logger.prototype, 'error'),
      jest.spyOn(Logger.prototype, 'log'),
    ];
    await goDown();
    wechat.always(LOGIN, { errcode: -1 });
    await expectAll(few(10), UNAVAILABLE, DEADLINE);
    wechat.clear();
    await Promise.all([login(), login()]);
    expect(errors.mock.calls).toEqual([
      [
        `5 calls of ${LOGIN} in a row got no response. The circuit breaker is open: one call at a time is sent until WeChat responds.`,
      ],
    ]);
    expect(infos.mock.calls).toEqual([
      [`WeChat responds to ${LOGIN} again. The circuit breaker is closed.`],
    ]);
  });

  it('W1 does not affect other endpoints', async () => {
    const another = await start({ baseUrl: wechat.url });
    await goDown(another);
    const before = sent();
    const probe = login(another);
    await until(() => sent() > before);
    await expect(another.get(AccessTokenService).get()).resolves.toEqual(expect.any(String));
    expect((await probe).status).toBe(503);
  });

  it.each<[string, Fault]>([
    ['a refused code', { errcode: 40029 }],
    ['a quota of one user', { errcode: 45011 }],
    ['an empty response', { body: '' }],
  ])(`W7 succeeds for other users, because %s is a response${often(few(50))}`, async (_, fault) => {
    for (let i = 0; i < few(50); i++) {
      wechat.next(LOGIN, { ...fault, times: MAX_FAILURES });
      const before = sent();
      const all = await Promise.all(Array.from({ length: 2 * MAX_FAILURES }, () => login()));
      expect(all.filter(({ status }) => status === 201)).toHaveLength(MAX_FAILURES);
      expect(sent() - before).toBe(2 * MAX_FAILURES);
    }
  });
});

describe('a login, for a response of WeChat,', () => {
  /** The default timeout of the library. 64 MiB can take longer than the short timeout of this file on a busy machine. */
  const LIBRARY_TIMEOUT = 3_000;
  let withLibraryTimeout: TeamApp;
  beforeAll(async () => {
    withLibraryTimeout = await start({ baseUrl: wechat.url, timeout: LIBRARY_TIMEOUT });
  });

  const GZIP_BOMB = gzipSync(Buffer.alloc(20_000_000));
  const SPACES = Buffer.alloc(64 * 1024 * 1024, ' ');
  const change =
    (more: object) =>
    (json: object): object => ({ ...json, ...more });
  const invalidBodies: [string, Fault][] = [
    ['an empty body', { body: '' }],
    ['HTML', { body: '<html>canary</html>', contentType: 'text/html' }],
    ['truncated JSON', { body: '{"openid":"canary' }],
    ['null', { body: 'null' }],
    ['a list', { body: '[]' }],
    ['a text', { body: '"x"' }],
    ['a number', { body: '7' }],
    ['an empty object', { body: '{}' }],
    ['half a megabyte of JSON', { body: JSON.stringify({ x: 'x'.repeat(500_000) }) }],
    ['64 MiB', { body: SPACES }],
    ['a gzip bomb', { body: GZIP_BOMB, headers: { 'content-encoding': 'gzip' } }],
    ['broken gzip', { body: 'not gzip', headers: { 'content-encoding': 'gzip' } }],
    [
      'a byte order mark',
      { body: '\ufeff{"openid":"o","session_key":"AAAAAAAAAAAAAAAAAAAAAA=="}' },
    ],
    [
      'broken UTF-8',
      { body: Buffer.from('{"openid":"\xff","session_key":"AAAAAAAAAAAAAAAAAAAAAA=="}', 'latin1') },
    ],
    [
      'the same key twice',
      { body: '{"openid":"o","openid":7,"session_key":"AAAAAAAAAAAAAAAAAAAAAA=="}' },
    ],
    [
      '__proto__',
      { body: '{"__proto__":{"openid":"o","session_key":"AAAAAAAAAAAAAAAAAAAAAA=="}}' },
    ],
    ['no openid', { transform: ({ session_key }) => ({ session_key }) }],
    ['an openid that is a number', { transform: change({ openid: 1 }) }],
    ['an empty openid', { transform: change({ openid: '' }) }],
    ['an openid of 300 characters', { transform: change({ openid: 'o'.repeat(300) }) }],
    ['no session_key', { transform: change({ session_key: undefined }) }],
    ['a session_key of 3 bytes', { transform: change({ session_key: 'AAAA' }) }],
    [
      'a session_key of 17 bytes',
      { transform: change({ session_key: Buffer.alloc(17).toString('base64') }) },
    ],
    ['a unionid that is a list', { transform: change({ unionid: ['u'] }) }],
    ['an invalid errcode', { body: '{"errcode":"canary"}' }],
  ];

  it.each(invalidBodies)('W5 returns 502 and stores nothing for %s', async (_, fault) => {
    await expectUnder(fault, 1, RESPONSE, 1, LIBRARY_TIMEOUT, withLibraryTimeout);
    expect(({} as { openid?: string }).openid).toBeUndefined();
  });

  const VALID = '{"openid":"canary","session_key":"AAAAAAAAAAAAAAAAAAAAAA=="}';
  /** Bodies that a broken or hostile proxy could send. None of them is a valid login or errcode. */
  const randomFault: fc.Arbitrary<Fault> = fc.oneof(
    fc.jsonValue().map((json) => ({ body: JSON.stringify(json) })),
    fc.string({ unit: 'binary' }).map((body) => ({ body })),
    fc.uint8Array({ maxLength: 2_000 }).map((bytes) => ({ body: Buffer.from(bytes) })),
    fc.nat({ max: VALID.length - 1 }).map((at) => ({ body: VALID.slice(0, at) })),
    fc.jsonValue().filter((it) => typeof it !== 'string').map((openid) => ({ transform: change({ openid }) })), // prettier-ignore
    fc.jsonValue().map((session_key) => ({ transform: change({ session_key }) })),
  );

  it(`W5 returns 502, stores nothing and keeps no memory for random bodies${often(isFull ? 1_000 : 60)}`, async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = (): number => (collect(), process.memoryUsage().heapUsed);
    const stored = jest.spyOn(app.get(WechatStore), 'add');
    const user = wechat.users.create();
    const expectRefusal = async (fault: Fault): Promise<void> => {
      wechat.next(LOGIN, fault);
      const { status } = await app.fetch(`/login?code=${(await user.login()).code}`, {
        method: 'POST',
      });
      expect(status).toBe(502);
    };
    for (let i = 0; i < 100; i++) await expectRefusal({ body: 'canary' });
    const before = heap();
    await fc.assert(fc.asyncProperty(randomFault, expectRefusal), { numRuns: isFull ? 1_000 : 60 });
    expect(heap() - before).toBeLessThan(5_000_000);
    expect(stored).not.toHaveBeenCalled();
  });

  it.each<[string, Fault]>([
    [
      'JSON with the content type of text',
      { transform: (json) => json, contentType: 'text/plain' },
    ],
    ['a success with errcode 0', { transform: (json) => ({ errcode: 0, errmsg: 'ok', ...json }) }],
  ])('accepts %s', async (_, fault) => {
    wechat.next(LOGIN, fault);
    expect((await login()).status).toBe(201);
  });

  it('B-log keeps the errmsg of WeChat on one line and shortens it', async () => {
    wechat.next(LOGIN, {
      errcode: 12345,
      errmsg: `evil\r\n2026 INFO forged \u2028 \u001b[31m${'x'.repeat(500)}`,
    });
    const { code } = await wechat.users.create().login();
    const error = (await app.get(SessionService).login(code).catch((reason: unknown) => reason)) as WechatError; // prettier-ignore
    expect(error.message).not.toMatch(/[\p{Cc}\u2028]/u);
    expect(error.message.length).toBeLessThan(300);
  });
});

describe('an access token', () => {
  it.each<[string, object]>([
    ['of 1,025 characters', { access_token: 'x'.repeat(1025), expires_in: 7200 }],
    ['with a line break', { access_token: 'a\nb', expires_in: 7200 }],
    ['that is a number', { access_token: 7, expires_in: 7200 }],
    ...[0, -1, 1e12, '7200', null].map((ttl): [string, object] => [
      `that expires in ${JSON.stringify(ttl)} seconds`,
      { access_token: 'a', expires_in: ttl },
    ]),
  ])('W5 %s is refused and not stored', async (_, body) => {
    wechat.next(TOKEN, { body, times: 2 }); // an invalid response is retried once
    const stored = jest.spyOn(app.get(WechatStore), 'add');
    await expect(app.get(AccessTokenService).get()).rejects.toMatchObject({
      code: 'ERR_WECHAT_RESPONSE',
    });
    expect(stored.mock.calls.filter(([key]) => !key.startsWith('wx:lock:'))).toEqual([]);
  });

  it('of 600 characters is accepted', async () => {
    wechat.next(TOKEN, { body: { access_token: 'x'.repeat(600), expires_in: 7200 } });
    expect(await (await start({ baseUrl: wechat.url })).get(AccessTokenService).get()).toBe(
      'x'.repeat(600),
    );
  });

  it('is fetched again after a lost response, unlike a phone number, whose code may be used', async () => {
    wechat.next(TOKEN, { reset: true });
    const before = wechat.requestsTo(TOKEN).length;
    expect(await app.get(AccessTokenService).get()).toBe(
      wechat.accessTokens.current(wechat.apps[0]!.appId),
    );
    expect(wechat.requestsTo(TOKEN).length - before).toBe(2);
    wechat.next(PHONE, { reset: 'after-work' });
    const { code } = await wechat.users.create({ phoneNumber: '13580006666' }).getPhoneNumber();
    await expect(app.get(PhoneService).getByCode(code)).rejects.toMatchObject({
      code: 'ERR_WECHAT_UNAVAILABLE',
    });
    expect(wechat.requestsTo(PHONE)).toHaveLength(1);
  });
});

/** A server on this machine that counts connections and passes each to a handler. */
class Listener {
  accepted = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(handle: (socket: Socket) => void): Promise<Listener> {
    const server = createServer();
    const listener = new Listener(server);
    server.on('connection', (socket: Socket) => {
      listener.accepted++;
      listener.sockets.add(
        socket.on('error', () => {}).once('close', () => listener.sockets.delete(socket)),
      );
      socket.resume();
      handle(socket);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return listener;
  }

  get open(): number {
    return this.sockets.size;
  }

  url(scheme: 'http' | 'https'): string {
    return `${scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}
