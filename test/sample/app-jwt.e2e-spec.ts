import { createHmac, generateKeyPairSync, sign as signRsa } from 'node:crypto';
import passport from 'passport';
import { WechatStore } from 'nestjs-wechat';
import { person, registered } from '../support/people.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const SECRET = 'a secret of this test, thirty-two bytes or more';
const UNAUTHORIZED = {
  code: 1000,
  msg: 'unauthorized',
  data: null,
  success: false,
  error: 'ERR_WECHAT_SESSION',
};

type Claims = Record<string, unknown>;

const base64url = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const hmac = (text: string, hash = 'sha256', key = SECRET): string =>
  createHmac(hash, key).update(text).digest('base64url');
/** Signs any header and payload with the app's own secret. */
const signed = (header: Claims, payload: unknown, hash?: string, key?: string): string => {
  const text = `${base64url(header)}.${base64url(payload)}`;
  return `${text}.${hmac(text, hash, key)}`;
};
const decoded = (part: string | undefined): Claims =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString());

/** Bad input B-jwt, and P22 of SECURITY.md. */
describe('the app’s own token', () => {
  let s: Started;
  let token: string;
  let header: Claims;
  let payload: Claims;
  beforeAll(async () => {
    s = await start({ env: { JWT_SECRET: SECRET } });
    token = await registered(s, await person(s));
    [header, payload] = token.split('.', 2).map(decoded) as [Claims, Claims];
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => s.close());

  const account = (one: string) => s.call('GET /account', { token: one });
  const refused = async (one: string) => {
    const { status, headers, body } = await account(one);
    expect([status, headers.get('www-authenticate'), body]).toEqual([401, 'Bearer', UNAUTHORIZED]);
  };

  it('contains the account, the purpose and the times, and nothing else', () => {
    expect(header).toEqual({ alg: 'HS256', typ: 'account+jwt' });
    expect(payload).toEqual({
      sub: expect.any(String),
      sid: expect.any(String),
      iss: 'nestjs-wechat-sample',
      aud: 'nestjs-wechat-sample/account',
      iat: expect.any(Number),
      exp: Number(payload['iat']) + 12 * 3600,
    });
  });

  it('control: is valid if this test signs it unchanged', async () => {
    expect((await account(signed(header, payload))).status).toBe(200);
  });

  const now = Math.floor(Date.now() / 1000);
  it.each<[string, () => string]>([
    ...['none', 'None', 'nOnE', 'NONE', ''].map((alg): [string, () => string] => [
      `alg ${alg}, unsigned`,
      () => `${base64url({ ...header, alg })}.${base64url(payload)}.`,
    ]),
    ['alg none, signed', () => signed({ ...header, alg: 'none' }, payload)],
    ['HS384', () => signed({ ...header, alg: 'HS384' }, payload, 'sha384')],
    ['HS512', () => signed({ ...header, alg: 'HS512' }, payload, 'sha512')],
    ['HS256 in the header, signed with HS512', () => signed(header, payload, 'sha512')],
    ['no alg', () => signed({ typ: header['typ'] }, payload)],
    ['another secret', () => signed(header, payload, 'sha256', 'another secret')],
    ['an empty secret', () => signed(header, payload, 'sha256', '')],
    ['no exp', () => signed(header, { ...payload, exp: undefined })],
    ['exp as text', () => signed(header, { ...payload, exp: String(payload['exp']) })],
    ['exp null', () => signed(header, { ...payload, exp: null })],
    ['exp in the past', () => signed(header, { ...payload, exp: now - 60 })],
    ['nbf in the future', () => signed(header, { ...payload, nbf: now + 3600 })],
    ['nbf as text', () => signed(header, { ...payload, nbf: 'later' })],
    ['another iss', () => signed(header, { ...payload, iss: 'another' })],
    ['no iss', () => signed(header, { ...payload, iss: undefined })],
    ['another aud', () => signed(header, { ...payload, aud: 'another' })],
    [
      'the aud of a ticket',
      () => signed(header, { ...payload, aud: 'nestjs-wechat-sample/registration' }),
    ],
    ['no aud', () => signed(header, { ...payload, aud: undefined })],
    ['another typ', () => signed({ ...header, typ: 'JWT' }, payload)],
    ['the typ of a ticket', () => signed({ ...header, typ: 'registration+jwt' }, payload)],
    ['no typ', () => signed({ alg: 'HS256' }, payload)],
    ['kid with a path', () => signed({ ...header, kid: '../../dev/null' }, payload)],
    ['kid of 5 KB', () => signed({ ...header, kid: 'k'.repeat(5000) }, payload)],
    ['jku', () => signed({ ...header, jku: `${s.wechat.url}/keys` }, payload)],
    ['x5u', () => signed({ ...header, x5u: `${s.wechat.url}/cert` }, payload)],
    ['jwk', () => signed({ ...header, jwk: { kty: 'oct', k: base64url(SECRET) } }, payload)],
    ['crit', () => signed({ ...header, crit: ['exp'] }, payload)],
    ['b64', () => signed({ ...header, b64: false }, payload)],
    ['five parts', () => `${token}.x.x`],
    ['two parts', () => token.split('.').slice(0, 2).join('.')],
    ['no signature', () => `${token.split('.').slice(0, 2).join('.')}.`],
    ['half a signature', () => token.slice(0, -20)],
    ['a signature with extra characters at its end', () => `${token}AA`],
    [
      'a changed payload',
      () =>
        `${token.split('.')[0]}.${base64url({ ...payload, exp: now + 1e9 })}.${token.split('.')[2]}`,
    ],
    ['a payload that is not JSON', () => signed(header, 'not json')],
    ['a payload that is a list', () => signed(header, [payload])],
    ['a payload that is null', () => signed(header, 'null')],
    ['no sub', () => signed(header, { ...payload, sub: undefined })],
    ['a sub that is not an id', () => signed(header, { ...payload, sub: "' OR 1=1 --" })],
    ['a sub that is a list', () => signed(header, { ...payload, sub: [payload['sub']] })],
    [
      'an unknown sub',
      () => signed(header, { ...payload, sub: '5b0f6b1c-7f0e-4c55-9a57-3f2c7f6a1d20' }),
    ],
    ['no sid', () => signed(header, { ...payload, sid: undefined })],
    ['an unknown sid', () => signed(header, { ...payload, sid: 'unknown' })],
    ['a sid that is a key of the store', () => signed(header, { ...payload, sid: '../wx:u:x\n' })],
    ['a sid that is an object', () => signed(header, { ...payload, sid: { toString: 'x' } })],
    ['rubbish', () => 'x.y.z'],
    ['dots', () => '..'],
  ])('B-jwt %s: 401 without a request for keys', async (_, forge) => {
    const before = s.wechat.requests.length;
    await refused(forge());
    expect(s.wechat.requests).toHaveLength(before);
  });

  it('B-jwt RS256, and HS256 with the RSA public key as the secret: 401', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const text = `${base64url({ ...header, alg: 'RS256' })}.${base64url(payload)}`;
    await refused(
      `${text}.${signRsa('sha256', Buffer.from(text), privateKey).toString('base64url')}`,
    );
    await refused(
      signed(
        header,
        payload,
        'sha256',
        publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      ),
    );
  });

  it('B-jwt of another user’s session: 401', async () => {
    const other = await registered(s, await person(s));
    const { sid, sub } = decoded(other.split('.')[1]);
    await refused(signed(header, { ...payload, sid }));
    await refused(signed(header, { ...payload, sub }));
  });

  it('B-jwt 14 KB: 401; 1 MB: 431 from Node', async () => {
    await refused('x'.repeat(14_000));
    expect((await account('x'.repeat(1024 * 1024))).status).toBe(431);
  });

  it('needs a call to the store only if its signature is valid', async () => {
    const get = jest.spyOn(s.app.get(WechatStore), 'get');
    await refused(signed(header, payload, 'sha256', 'another secret'));
    await refused(signed(header, { ...payload, exp: now - 60 }));
    expect(get).not.toHaveBeenCalled();
    await account(token);
    expect(get).toHaveBeenCalledTimes(1);
  });

  it('B-jwt is read from Authorization only', async () => {
    const elsewhere: Record<string, string>[] = [
      { 'x-session-rd': token },
      { cookie: `token=${token}` },
      { authorization: token },
      { authorization: `Basic ${token}` },
    ];
    for (const headers of elsewhere)
      expect((await s.call('GET /account', { headers })).body).toEqual(UNAUTHORIZED);
    expect((await s.call(`GET /account?token=${token}&access_token=${token}`)).body).toEqual(
      UNAUTHORIZED,
    );
  });

  it.each(['pass', 'success', 'fail'] as const)(
    'is refused if a broken strategy calls %s()',
    async (how) => {
      const strategy: Record<string, unknown> = Object(passport)['_strategies']['app-jwt'];
      const { authenticate } = strategy;
      strategy['authenticate'] = function (this: Record<string, () => void>) {
        this[how]?.();
      };
      const { status, body } = await account('x');
      strategy['authenticate'] = authenticate;
      expect([status, body]).toEqual([401, UNAUTHORIZED]);
      expect((await account(token)).status).toBe(200);
    },
  );

  it('is signed with a random secret if the app has no JWT_SECRET', async () => {
    const other = await start();
    expect((await other.call('GET /account', { token })).status).toBe(401);
    await other.close();
  });
});

it('JWT_TTL sets the lifetime of the app token', async () => {
  const s = await start({ env: { JWT_TTL: '5m' } });
  const token = await registered(s, await person(s));
  s.wechat.clock.advance('4m');
  expect((await s.call('GET /account', { token })).status).toBe(200);
  s.wechat.clock.advance('61s');
  expect((await s.call('GET /account', { token })).status).toBe(401);
  await s.close();
});
