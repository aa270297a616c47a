import { Body, Controller, Get, Headers, Post, Query, UseGuards } from '@nestjs/common';
import fc from 'fast-check';
import {
  CryptoService,
  MobileOAuthService,
  OpenData,
  PhoneService,
  QrCodeService,
  SessionGuard,
  SessionService,
  WechatError,
} from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { Keyring } from '../../libs/wechat/src/crypto/keyring.js';
import { TokenFormat } from '../../libs/wechat/src/session/session-token.js';
import { MapStore } from '../faults/bare.js';
import { isFull, often } from '../faults/rows.js';
import { sendRaw } from '../support/http.js';
import { closeTeamApps, optionsFor, startTeamApp, TeamController } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const PURE = { numRuns: isFull ? 100_000 : 2_000 };
const SERVICE = { numRuns: isFull ? 20_000 : 500 };
const HTTP = { numRuns: isFull ? 5_000 : 150 };
/** The limit of the median duration of a refusal that needs no store, in milliseconds. The median, because the machine may be busy. */
const AT_ONCE = 50;
const LONG = isFull ? 600_000 : 20_000;

/** Input of users and fuzzers: random values, and values that are almost valid. */
const NASTY = [
  ...[
    '',
    ' ',
    '\0',
    '\n',
    '\r\n',
    '\u2028',
    '\u001b[31m',
    '\ufeff',
    '\ud800',
    'é',
    '😀',
    '%00',
    '%0d%0a',
    '../../etc/passwd',
    '*',
  ],
  ...[
    '__proto__',
    'constructor',
    'undefined',
    'null',
    'NaN',
    '[object Object]',
    '{}',
    '[]',
    '0',
    '-1',
    '1e999',
    'x&appid=evil&secret=',
    '#',
    '?',
  ],
  ...[
    "' OR 1=1 --",
    '${7*7}',
    '<script>',
    'wx:lock:at',
    'srd_',
    `srd_${'A'.repeat(43)}`,
    'A'.repeat(129),
    'A'.repeat(10_000),
  ],
];
const text = fc.oneof(
  fc.constantFrom(...NASTY),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ maxLength: 200 }),
  fc.base64String({ maxLength: 400 }),
);
const value = fc.oneof(
  { arbitrary: text, weight: 3 },
  { arbitrary: fc.anything({ withBigInt: false, withNullPrototype: true }), weight: 1 },
);
const json = fc.oneof(
  { arbitrary: text, weight: 3 },
  { arbitrary: fc.jsonValue({ maxDepth: 3 }), weight: 1 },
);

/** Counts the calls of the store. There must be none if the format alone decides. */
class CountingStore extends MapStore {
  calls = 0;
  protected override do<T>(verb: string, key: string, work: () => T): Promise<T> {
    this.calls++;
    return super.do(verb, key, work);
  }
}

/** One route for each kind of input that a client can send. */
@Controller()
class OpenController {
  constructor(
    private readonly sessions: SessionService,
    private readonly qrCodes: QrCodeService,
    private readonly oauth: MobileOAuthService,
    private readonly phones: PhoneService,
  ) {}

  @Post('login')
  async login(
    @Body() { code }: { code: string },
    @Headers('x-session-rd') replaces?: string,
  ): Promise<void> {
    await this.sessions.login(code, { replaces });
  }

  @Post('open-data')
  @UseGuards(SessionGuard)
  openData(@OpenData() data: unknown): unknown {
    return data;
  }

  @Post('phone')
  async phone(@Body() { code }: { code: string }): Promise<unknown> {
    return this.phones.getByCode(code);
  }

  @Post('qr')
  async qr(@Body() options: { scene: string }): Promise<number> {
    return (await this.qrCodes.getUnlimited(options)).data.length;
  }

  @Get('oauth')
  async oauthLogin(@Query() { code, state }: { code: string; state: string }): Promise<unknown> {
    return this.oauth.handleCallback({ code, state, device: 'cookie' });
  }
}

const MINI_PROGRAM = { appId: 'wx5a4db0c1e2f37608', secret: 'a'.repeat(32) };
const MOBILE = { appId: 'wxd19e84c63b7a2f50', secret: 'b'.repeat(32), kind: 'mobile' as const };
const WEBSITE = { appId: 'wx7d1e5c90a2b3f468', secret: 'c'.repeat(32), kind: 'website' as const };

let wechat: WechatSandbox;
let store: CountingStore;
let app: TeamApp;
let onExpress: TeamApp;
let sessionRd: string;
let session: WechatSession;

beforeAll(async () => {
  wechat = await startWechatSandbox({ apps: [MINI_PROGRAM, MOBILE, WEBSITE] });
  store = new CountingStore();
  const options = optionsFor(wechat, { store, openData: { maxAge: 0 } });
  app = await startTeamApp(options, { controllers: [TeamController, OpenController] });
  onExpress = await startTeamApp(options, { adapter: 'express' });
  ({ session_rd: sessionRd, session } = await app
    .get(SessionService)
    .login((await wechat.users.create().login()).code));
});
afterAll(async () => {
  await closeTeamApps();
  await wechat.close();
});

/** Checks that neither WeChat nor the store was called. */
async function withoutCalls<T>(work: () => Promise<T>): Promise<T> {
  const before = [wechat.requests.length, store.calls];
  const result = await work();
  expect([wechat.requests.length, store.calls]).toEqual(before);
  return result;
}

/** Returns the code of the library's error. Any other error is a bug. */
async function refusal(work: () => Promise<unknown>): Promise<string> {
  const error: unknown = await Promise.resolve().then(work).then(() => new Error('accepted'), (reason: unknown) => reason); // prettier-ignore
  if (!(error instanceof WechatError)) throw error;
  return error.code;
}

const CODE = /^[0-9A-Za-z_-]{1,128}$/;
const isCode = (code: unknown): boolean => typeof code === 'string' && CODE.test(code);

describe('input of any kind', () => {
  it(`P16 B-session as a session_rd is refused by its format alone${often(PURE.numRuns)}`, () => {
    const keyring = new Keyring([{ appId: 'wx1', secret: 'x', kind: 'mini-program' }], []);
    const tokens = new TokenFormat(keyring, 'srd');
    const almost = fc
      .tuple(fc.nat(sessionRd.length), text)
      .map(([at, insert]) => sessionRd.slice(0, at) + insert + sessionRd.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(text, almost), (token) => tokens.parse(token) === undefined),
      PURE,
    );
  });

  it(
    `P16 B-code as a code of wx.login, of the phone button or of OAuth is a bad request, and WeChat is not called${often(SERVICE.numRuns)}`,
    async () => {
      const services = [
        (code: never) => app.get(SessionService).login(code),
        (code: never) => app.get(PhoneService).getByCode(code),
        (code: never) => app.get(MobileOAuthService).login(code),
      ];
      const wrong = value.filter((code) => !isCode(code));
      const property = fc.asyncProperty(fc.constantFrom(...services), wrong, async (call, code) => {
        expect(await withoutCalls(() => refusal(() => call(code as never)))).toBe(
          'ERR_BAD_REQUEST',
        );
      });
      await fc.assert(property, SERVICE);
    },
    LONG,
  );

  it(
    `P16 B-encryptedData B-iv B-rawData as open data or its signature is a bad request if it is not a string, else the same refusal${often(SERVICE.numRuns)}`,
    async () => {
      const crypto = app.get(CryptoService);
      const sent = fc.record({ encryptedData: value, iv: value, rawData: value, signature: value });
      const property = fc.asyncProperty(sent, async (data) => {
        for (const key of store.entries.keys()) {
          if (key.startsWith('wx:f:')) store.entries.delete(key); // the failures of this user
        }
        const isText = (each: unknown): boolean => typeof each === 'string';
        const expected = (code: string, ...parts: unknown[]): string =>
          parts.every(isText) ? code : 'ERR_BAD_REQUEST';
        expect(await refusal(() => crypto.decryptOpenData(session, data as never))).toBe(
          expected('ERR_WECHAT_DECRYPT', data.encryptedData, data.iv),
        );
        expect(await refusal(() => crypto.verifyRawData(session, data as never))).toBe(
          expected('ERR_WECHAT_SIGNATURE', data.rawData, data.signature),
        );
      });
      await fc.assert(property, SERVICE);
    },
    LONG,
  );

  it(
    `P16 B-scene as a QR code is refused with the names of its fields, and WeChat is not called${often(SERVICE.numRuns)}`,
    async () => {
      const field = fc.constantFrom(
        'scene',
        'page',
        'width',
        'lineColor',
        'envVersion',
        'autoColor',
        'isHyaline',
        'checkPath',
      );
      const right: Record<string, (given: unknown) => boolean> = {
        scene: (given) =>
          typeof given === 'string' && /^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}$/.test(given),
        page: (given) =>
          given === undefined ||
          (typeof given === 'string' &&
            /^[0-9A-Za-z_-][0-9A-Za-z_.-]*(\/[0-9A-Za-z_-][0-9A-Za-z_.-]*)*$/.test(given)),
        width: (given) =>
          given === undefined || (typeof given === 'number' && given >= 280 && given <= 1280),
        lineColor: (given) => typeof given === 'object' || given === undefined, // its parts are checked elsewhere
        envVersion: (given) =>
          given === undefined || ['release', 'trial', 'develop'].includes(given as string),
      };
      const flag = (given: unknown): boolean => given === undefined || typeof given === 'boolean';
      const property = fc.asyncProperty(field, value, async (name, given) => {
        fc.pre(!(right[name] ?? flag)(given));
        const refusedWith = await withoutCalls(() =>
          refusal(() => app.get(QrCodeService).getUnlimited({ scene: 'a=1', [name]: given })),
        );
        expect(refusedWith).toBe(name === 'scene' ? 'ERR_WECHAT_SCENE' : 'ERR_BAD_REQUEST');
      });
      await fc.assert(property, SERVICE);
    },
    LONG,
  );

  it(
    `P16 B-state as a state of OAuth is a bad request, and the code is not exchanged${often(SERVICE.numRuns)}`,
    async () => {
      const property = fc.asyncProperty(value.filter((state) => state !== undefined), async (state) => {
      const before = wechat.requests.length;
      expect(await refusal(() => app.get(MobileOAuthService).handleCallback({ code: 'a-code', state: state as string, device: 'cookie' }))).toBe('ERR_BAD_REQUEST');
      expect(wechat.requests.length).toBe(before);
    }); // prettier-ignore
      await fc.assert(property, SERVICE);
    },
    LONG,
  );
});

describe('input of any kind, over HTTP,', () => {
  const REFUSALS = [400, 401, 413, 415, 429];
  const post = (
    path: string,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<Response> =>
    app.fetch(path, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${sessionRd}`,
        ...headers,
      },
    });
  /** Checks that the request was refused and that the response does not repeat its input. */
  const expectRefusal = async (response: Response, sent: unknown): Promise<void> => {
    const body = await response.text();
    expect(REFUSALS).toContain(response.status);
    if (typeof sent === 'string' && sent.length > 8 && sent.trim() === sent)
      expect(body).not.toContain(JSON.stringify(sent).slice(1, -1));
  };

  it(
    `P16 B-session as a header is refused by the guard without a read of the store${often(HTTP.numRuns)}`,
    async () => {
      const header = fc
        .oneof(fc.constantFrom(...NASTY), fc.string({ maxLength: 300 }))
        .filter(
          (each) => /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(each) && each.length < 9_000,
        );
      const headers = fc.oneof(
        header.map((each) => ({ authorization: each })),
        header.map((each) => ({ authorization: `Bearer ${each}` })),
        header.map((each) => ({ 'x-session-rd': each })),
        header.map((each) => ({
          cookie: `session_rd=${sessionRd}`,
          authorization: `Basic ${each}`,
        })),
      );
      const waits: number[] = [];
      const property = fc.asyncProperty(headers, async (sent) => {
        const startedAt = performance.now();
        const response = await withoutCalls(() =>
          app.fetch(`/me?session_rd=${sessionRd}`, { headers: sent as Record<string, string> }),
        );
        waits.push(performance.now() - startedAt);
        expect([response.status, response.headers.get('www-authenticate')]).toEqual([
          401,
          'Bearer',
        ]);
      });
      await fc.assert(property, HTTP);
      expect(waits.toSorted((a, b) => a - b)[waits.length >> 1]).toBeLessThan(AT_ONCE);
      expect((await app.as(sessionRd, '/me')).status).toBe(200);
    },
    LONG,
  );

  it(
    `P16 B-body as JSON is refused in a response that does not repeat it${often(HTTP.numRuns)}`,
    async () => {
      const fields = {
        login: ['code'],
        phone: ['code'],
        qr: ['scene', 'page'],
        'open-data': ['encryptedData', 'iv', 'rawData', 'signature'],
      };
      const path = fc.constantFrom(...(Object.keys(fields) as (keyof typeof fields)[]));
      const property = fc.asyncProperty(
        path,
        fc.array(json, { minLength: 4, maxLength: 4 }),
        async (route, values) => {
          const body = Object.fromEntries(fields[route].map((name, i) => [name, values[i]]));
          fc.pre(!isCode(body['code']));
          fc.pre(route !== 'qr' || typeof body['scene'] !== 'string' || body['scene'].length > 32);
          store.entries.delete(`wx:f:${session.id}`);
          await expectRefusal(await post(`/${route}`, JSON.stringify(body)), values[0]);
        },
      );
      await fc.assert(property, HTTP);
    },
    LONG,
  );

  it.each<[string, string, string?]>([
    ['nothing', ''],
    ['null', 'null'],
    ['a text', '"x"'],
    ['a list 50,000 deep', '['.repeat(50_000)],
    ['a prototype', '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}'],
    ['the same key twice', '{"code":"a b","code":["x"]}'],
    ['plain text', 'code=x', 'text/plain'],
    ['a form', 'code[a]=b', 'application/x-www-form-urlencoded'],
    ['an unknown charset', '{"code":1}', 'application/json; charset=klingon'],
    ['half of a multipart', '--x\r\n', 'multipart/form-data; boundary=x'],
    ['10 MB', JSON.stringify({ code: 'x'.repeat(10_000_000) })],
  ])('P16 B-body as a body is refused: %s', async (_, body, type = 'application/json') => {
    const response = await post('/open-data', body, { 'content-type': type });
    expect(REFUSALS).toContain(response.status);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  it.each<[string, string, number[]]>([
    ['a NUL in a header', 'Authorization: Bearer a\0b', [400]],
    ['a folded header', 'Authorization: Bearer\r\n  x', [400]],
    ['15 KB', `Authorization: Bearer ${'A'.repeat(15_000)}`, [401]],
    ['20 KB', `Authorization: Bearer ${'A'.repeat(20_000)}`, [431]],
    ['the same header twice', 'X-Session-Rd: a\r\nX-Session-Rd: b', [401]],
    ['two headers of another format', `Authorization: Bearer a\r\nX-Session-Rd: b`, [401]],
    [
      'two different tokens',
      `Authorization: Bearer srd_${'A'.repeat(43)}\r\nX-Session-Rd: srd_${'B'.repeat(42)}A`,
      [400],
    ],
    ['Latin letters', 'Authorization: Bearer \xe9\xe8', [401]],
    ['tabs', 'Authorization: Bearer\tx', [401]],
  ])('P16 B-session as raw bytes is refused: %s', async (_, header, expected) => {
    const { status } = await withoutCalls(() =>
      sendRaw(app.url, `GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}\r\n\r\n`),
    );
    expect(expected).toContain(status);
  });

  const METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST'];
  it.each([
    '/%6de',
    '//me',
    '/me/',
    '/ME',
    '/me;x',
    '/me%2f',
    '/./me',
    '/x/../me',
    '/me?',
    '/me#x',
    'http://x/me',
    '/me%00',
    '/%ff',
  ])('P16 B-path as a path is guarded or 404: %s', async (path) => {
    for (const [{ url }, method] of [app, onExpress].flatMap((each) =>
      METHODS.map((verb) => [each, verb] as const),
    )) {
      const { status, text: reply } = await sendRaw(
        url,
        `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect([400, 401, 404, 405]).toContain(status);
      expect(reply).not.toContain('openid');
    }
  });
});
