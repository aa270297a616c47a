import { assert, asyncProperty, constantFrom, jsonValue } from 'fast-check';
import { WechatStore } from 'nestjs-wechat';
import { sendRaw } from '../support/http.js';
import type { Call } from '../support/http.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const UNAUTHORIZED = {
  code: 1000,
  msg: 'unauthorized',
  data: null,
  success: false,
  error: 'ERR_WECHAT_SESSION',
};
const NOT_FOUND = {
  code: 404,
  msg: 'not found',
  data: null,
  success: false,
  error: 'ERR_NOT_FOUND',
};

/** Changes the case of the first letter after the prefix. */
const inOtherCase = (text: string): string =>
  text.slice(0, 4) +
  text
    .slice(4)
    .replace(/[a-z]/i, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
/** Characters that end a line in some viewers, or move a terminal's cursor. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Requests of hostile or broken clients. The ids (B-…) are those of docs/reliability.md. */
describe('bad input', () => {
  let s: Started;
  let token: string;
  let storeCalls: () => unknown[];
  beforeAll(async () => {
    s = await start({ env: { LOG_LEVEL: 'debug' } });
    ({ session_rd: token } = await s.login());
  });
  beforeEach(() => {
    const store = s.app.get(WechatStore);
    const spies = (['get', 'add', 'replace', 'remove', 'take', 'count'] as const).map((verb) =>
      jest.spyOn(store, verb),
    );
    storeCalls = () => spies.flatMap((spy) => spy.mock.calls as unknown[]);
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => s.close());

  /** The app called neither WeChat nor the store. */
  async function quietly(route: string, call: Call) {
    const before = s.wechat.requests.length;
    const response = await s.call(route, call);
    expect({ wechat: s.wechat.requests.length - before, store: storeCalls().length }).toEqual({
      wechat: 0,
      store: 0,
    });
    expect(response.status).toBeLessThan(500);
    return response;
  }

  describe('as a session header', () => {
    const rows: [string, () => Record<string, string>][] = [
      ['missing', () => ({})],
      ['empty', () => ({ authorization: '' })],
      ['only the scheme', () => ({ authorization: 'Bearer' })],
      ['another scheme', () => ({ authorization: `Basic ${token}` })],
      ['no scheme', () => ({ authorization: token })],
      ['a wrong prefix', () => ({ authorization: `Bearer sid${token.slice(3)}` })],
      ['one character short', () => ({ authorization: `Bearer ${token.slice(0, -1)}` })],
      ['one character long', () => ({ authorization: `Bearer ${token}A` })],
      ['standard base64', () => ({ authorization: `Bearer srd_${'+/='.repeat(14)}A` })],
      [
        'a token with one letter in another case',
        () => ({ authorization: `Bearer ${inOtherCase(token)}` }),
      ],
      ['two tokens joined', () => ({ authorization: `Bearer ${token}, ${token}` })],
      ['latin-1', () => ({ authorization: 'Bearer \u00e9\u00e8' })],
      ['JSON', () => ({ 'x-session-rd': '{"$ne":null}' })],
      ['[object Object]', () => ({ 'x-session-rd': '[object Object]' })],
      ['undefined', () => ({ authorization: 'Bearer undefined' })],
      ['a star', () => ({ 'x-session-rd': '*' })],
      ['a path', () => ({ 'x-session-rd': '../../etc/passwd' })],
      ['a key of the store', () => ({ 'x-session-rd': 'wx:s:1' })],
      ['percent-encoded CRLF', () => ({ 'x-session-rd': '%0d%0aSet-Cookie:%20a=b' })],
      ['15 KB', () => ({ 'x-session-rd': 'A'.repeat(15_000) })],
      ['forged, in the right format', () => ({ authorization: `Bearer srd_${'A'.repeat(43)}` })],
    ];
    it.each(rows)('B-session %s: 401 without a call to the store', async (_, headers) => {
      for (const route of [
        'GET /me',
        'POST /auth/refresh',
        'POST /auth/logout',
        'GET /auth/sessions',
      ]) {
        const response = await quietly(route, { headers: headers() });
        expect([
          route,
          response.status,
          response.body,
          response.headers.get('www-authenticate'),
        ]).toEqual([route, 401, UNAUTHORIZED, 'Bearer']);
      }
    });

    it('B-session is not read from query, cookie or body', async () => {
      expect((await quietly(`GET /me?session_rd=${token}&token=${token}`, {})).status).toBe(401);
      expect(
        (await quietly('GET /me', { headers: { cookie: `session_rd=${token}` } })).status,
      ).toBe(401);
      expect((await quietly('POST /auth/logout', { body: { session_rd: token } })).status).toBe(
        401,
      );
    });

    it('B-session refuses two different tokens', async () => {
      const { session_rd } = await s.login();
      for (const route of ['GET /me', 'POST /auth/refresh', 'POST /auth/logout']) {
        const { status, body } = await s.call(route, {
          token,
          headers: { 'x-session-rd': session_rd },
        });
        expect([status, body.error]).toEqual([400, 'ERR_BAD_REQUEST']);
      }
    });

    it.each([
      ['NUL', 400, 'a\0b'],
      ['an obsolete line fold', 400, 'a\r\n b'],
      ['20 KB', 431, 'A'.repeat(20_000)],
    ])('B-session %s is refused by Node: %i', async (_, status, value) => {
      const response = await sendRaw(
        s.url,
        `GET /me HTTP/1.1\r\nHost: x\r\nX-Session-Rd: ${value}\r\nConnection: close\r\n\r\n`,
      );
      expect(response.status).toBe(status);
      expect(response.text).not.toContain('AAAA');
    });

    it('B-session reads the store once for a valid token', async () => {
      await s.call('GET /auth/session', { token });
      expect(storeCalls()).toHaveLength(1);
    });
  });

  describe('as a login code', () => {
    it.each<[string, unknown]>([
      ['missing', undefined],
      ['null', null],
      ['a number', 7],
      ['a list', ['a', 'b']],
      ['an object', { a: 'b' }],
      ['empty', ''],
      ['129 characters', 'a'.repeat(129)],
      ['a space', 'a b'],
      ['a control character', 'a\u0007'],
      ['NUL', 'a\0'],
      ['a new line', 'a\nb'],
      ['Chinese', '登录'],
      ['further query parameters', 'x&appid=evil&secret='],
      ['a fragment', 'x#y'],
      ['percent signs', '%00'],
      ['an object without a prototype', { __proto__: null, a: 1 }],
    ])('B-code %s: 400, and WeChat is not called', async (_, code) => {
      const { status, body } = await quietly('POST /auth/login', { body: { code } });
      expect([status, body]).toEqual([
        400,
        {
          code: 400,
          msg: 'code must be a code of wx.login',
          data: null,
          success: false,
          error: 'ERR_BAD_REQUEST',
        },
      ]);
    });

    it('B-code unknown to WeChat: 401', async () => {
      const { status, body } = await s.call('POST /auth/login', { body: { code: '__proto__' } });
      expect([status, body.error]).toEqual([401, 'ERR_WECHAT_CODE']);
    });

    it.each([
      ['a number', 7],
      ['too long', 'w'.repeat(65)],
      ['unknown', 'wx0000000000000000'],
    ])('for an appId that is %s: 400', async (_, appId) => {
      const { status } = await quietly('POST /auth/login', { body: { code: 'abc', appId } });
      expect(status).toBe(400);
    });

    it('for an unknown appId: 40013', async () => {
      const { body } = await quietly('POST /auth/login', {
        body: { code: 'abc', appId: 'wx0000000000000000' },
      });
      expect(body).toEqual({
        code: 40013,
        msg: 'invalid parameter: appId',
        data: null,
        success: false,
        error: 'ERR_WECHAT_APP',
      });
    });
  });

  describe('as a body', () => {
    const json = { 'content-type': 'application/json' };
    it.each<[string, number, Call]>([
      ['nothing', 400, {}],
      ['an empty JSON', 400, { body: '', headers: json }],
      ['null', 400, { body: 'null', headers: json }],
      ['a text', 400, { body: '"x"', headers: json }],
      ['a number', 400, { body: '1e999', headers: json }],
      ['a list', 400, { body: '[{"code":"a"}]', headers: json }],
      ['broken JSON', 400, { body: '{"code":"canary', headers: json }],
      ['lists 40 000 deep', 400, { body: '['.repeat(40_000) + ']'.repeat(40_000), headers: json }],
      [
        'a field 40 000 deep',
        400,
        { body: `{"code":${'['.repeat(40_000)}${']'.repeat(40_000)}}`, headers: json },
      ],
      [
        'objects 10 000 deep',
        400,
        { body: `${'{"code":'.repeat(10_000)}1${'}'.repeat(10_000)}`, headers: json },
      ],
      ['__proto__', 400, { body: '{"__proto__":{"isAdmin":true},"code":"abc"}', headers: json }],
      [
        'a hidden __proto__',
        400,
        { body: '{"code":{"\\u005f_proto__":{"isAdmin":true}}}', headers: json },
      ],
      [
        'constructor.prototype',
        400,
        { body: '{"constructor":{"prototype":{"isAdmin":true}},"code":"abc"}', headers: json },
      ],
      [
        'random bytes with Content-Encoding gzip',
        400,
        { body: '\u001f\u008b\u0008garbage', headers: { ...json, 'content-encoding': 'gzip' } },
      ],
      ['101 KB', 413, { body: `{"code":"${'a'.repeat(101_000)}"}`, headers: json }],
      ['plain text', 415, { body: 'code=abc', headers: { 'content-type': 'text/plain' } }],
      [
        'a form',
        415,
        { body: 'code=abc', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      ],
      [
        'multipart',
        415,
        { body: '--x--', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
      ],
      ['an unknown type', 415, { body: '{}', headers: { 'content-type': 'canary/canary' } }],
    ])(
      'B-body %s: %i in the envelope, and the response repeats nothing of it',
      async (_, expected, call) => {
        const { status, body } = await quietly('POST /auth/login', call);
        expect([status, body]).toEqual([
          expected,
          {
            code: expected,
            msg: expect.any(String),
            data: null,
            success: false,
            error: 'ERR_BAD_REQUEST',
          },
        ]);
        expect(body.msg).not.toContain('canary');
        expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined();
      },
    );

    it('B-body uses the last of two equal keys, and drops unknown fields', async () => {
      const { code } = await s.wechat.users.create().login();
      const response = await s.call('POST /auth/login', {
        body: `{"code":"first","extra":1,"code":"${code}"}`,
        headers: json,
      });
      expect(response.status).toBe(200);
    });
  });

  describe('as a path', () => {
    it.each([
      '//me',
      '/me/',
      '/ME',
      '/me;x',
      '/me%2f',
      '/me%2F..',
      '/%zz',
      '/me/../me/x',
      '/auth',
      '/auth/login/',
      '/canary',
      '/constructor',
      '/%F0%9F%98%80',
    ])('B-path GET %s is 404', async (path) => {
      const { status, text } = await sendRaw(
        s.url,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
      );
      expect(status).toBe(404);
      expect(JSON.parse(text.split('\r\n\r\n')[1]!.replace(/^[0-9a-f]+\r\n|\r\n0$/g, ''))).toEqual(
        NOT_FOUND,
      );
    });

    it.each([
      ['HEAD /me', 401],
      ['GET /%6de', 401],
      ['GET /me?x=1', 401],
      ['GET http://x/me', 401],
      ['OPTIONS /me', 404],
      ['DELETE /me', 404],
      ['GET /auth/login', 404],
      ['PROPFIND /me', 404],
    ])('B-path %s without a session is %i', async (line, expected) => {
      const { status } = await sendRaw(
        s.url,
        `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(status).toBe(expected);
    });
  });

  it('B-body is never a 500 for any JSON', async () => {
    await assert(
      asyncProperty(
        constantFrom('POST /auth/login', 'PUT /me/profile'),
        jsonValue(),
        async (route, json) => {
          const { status, body } = await s.call(route, {
            token,
            body: JSON.stringify(json),
            headers: { 'content-type': 'application/json' },
          });
          expect([400, 401, 429]).toContain(status);
          expect(body).toMatchObject({
            success: false,
            data: null,
            error: expect.stringMatching(/^ERR_/),
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('B-log leaves no line break and no canary in the log', async () => {
    await sendRaw(
      s.url,
      'GET /canary%0a HTTP/1.1\r\nHost: x\r\nUser-Agent: canary\x1b[31m\r\nConnection: close\r\n\r\n',
    );
    s.wechat.next('/sns/jscode2session', {
      errcode: 40163,
      errmsg: 'canary\r\n\u001b[31m\u2028\u0085',
    });
    await s.call('POST /auth/login', { body: { code: 'abc' } });
    s.wechat.next('/sns/jscode2session', {
      errcode: 99999,
      errmsg: `bad\r\n\u001b[31m\u2028\u0085${'x'.repeat(5000)}`,
    });
    await s.call('POST /auth/login', { body: { code: 'abc' } });
    expect(s.log.length).toBeGreaterThan(100);
    for (const line of s.log) {
      expect(line.slice(0, -1)).not.toMatch(CONTROL);
      expect(line).not.toContain(token);
      expect(JSON.parse(line)).toBeTruthy();
    }
    expect(s.log.filter((line) => line.includes('canary'))).toEqual([]);
  });
});
