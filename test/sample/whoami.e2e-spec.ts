import passport from 'passport';
import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import { SessionStrategy } from '../../apps/sample/src/auth/wechat-session.strategy.js';
import type { Call } from '../support/http.js';
import { person, registered } from '../support/people.js';
import type { Person } from '../support/people.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const UNAUTHORIZED = {
  code: 1000,
  msg: 'unauthorized',
  data: null,
  success: false,
  error: 'ERR_WECHAT_SESSION',
};

describe('GET /auth/whoami, which Passport guards', () => {
  let s: Started;
  let me: Person;
  let token: string;
  beforeAll(async () => {
    s = await start();
    me = await person(s);
    token = await registered(s, me);
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => s.close());

  const whoami = (call?: Call) => s.call('GET /auth/whoami', call);
  const refused = async (call?: Call) => {
    const { status, headers, body } = await whoami(call);
    expect([status, headers.get('www-authenticate'), body]).toEqual([401, 'Bearer', UNAUTHORIZED]);
  };

  it('returns the account and the openid of a session', async () => {
    const expected = { via: 'session', userId: me['user'].id, openid: me.wechat.openid() };
    const { status, body } = await whoami({ token: me.session_rd });
    expect([status, body.data]).toEqual([200, expected]);
    const headers = { 'x-session-rd': me.session_rd };
    expect((await whoami({ headers })).body.data).toEqual(expected);
  });

  it('returns the account of an app token', async () => {
    const { status, body } = await whoami({ token });
    expect([status, body.data]).toEqual([200, { via: 'jwt', userId: me['user'].id }]);
  });

  it('refuses every other request with 401', async () => {
    const loggedOut = await person(s);
    const loggedOutToken = await registered(s, loggedOut);
    await s.call('POST /auth/logout', { token: loggedOut.session_rd });
    const { registrationTicket } = (await (await person(s)).withPhone('POST /auth/phone-login'))
      .body.data;
    await refused();
    for (const one of [
      loggedOut.session_rd,
      loggedOutToken,
      registrationTicket,
      'x',
      'x.y.z',
      `${token}A`,
    ])
      await refused({ token: one });
    await refused({ headers: { authorization: `Basic ${token}` } });
    await refused({ headers: { cookie: `token=${token}` } });
  });

  it('refuses a token of scope phone with 403', async () => {
    const other = await person(s, { phoneNumber: me.wechat.phoneNumber });
    const { body } = await other.withPhone('POST /auth/phone-login');
    expect(body.data.linked).toBe(false);
    const response = await whoami({ token: body.data.token });
    expect([response.status, response.body.error]).toEqual([403, 'ERR_SCOPE']);
  });

  describe('while the store is down', () => {
    const statuses = async (): Promise<number[]> => {
      const { session_rd } = await person(s);
      jest.spyOn(s.app.get(WechatStore), 'get').mockRejectedValue(new StoreUnavailableError());
      return [(await whoami({ token })).status, (await whoami({ token: session_rd })).status];
    };

    it('is 503, never 401 or 200', async () => {
      expect(await statuses()).toEqual([503, 503]);
    });

    it('control: a strategy that treats every error as a missing session makes it 401', async () => {
      const { prototype } = Object.getPrototypeOf(SessionStrategy) as typeof SessionStrategy;
      const { validate } = prototype;
      jest.spyOn(SessionStrategy.prototype, 'validate').mockImplementation(function (
        this: SessionStrategy,
        request,
      ) {
        return validate.call(this, request).catch(() => undefined);
      });
      expect((await statuses())[1]).toBe(401);
    });
  });

  it.each(['pass', 'success', 'fail'] as const)(
    'refuses everything if the strategies only call %s()',
    async (how) => {
      const strategies: Record<string, Record<string, unknown>> = Object(passport)['_strategies'];
      const changed = ['wechat-session', 'app-jwt'].map((name) => strategies[name] ?? {});
      const originals = changed.map(({ authenticate }) => authenticate);
      for (const strategy of changed)
        strategy['authenticate'] = function (this: Record<string, () => void>) {
          this[how]?.();
        };
      await refused({ token });
      for (const [n, strategy] of changed.entries()) strategy['authenticate'] = originals[n];
      expect((await whoami({ token })).status).toBe(200);
    },
  );

  it('uses the stores of its own application if the process has two', async () => {
    const other = await start();
    const stranger = await other.login();
    expect((await whoami({ token: me.session_rd })).status).toBe(200);
    expect((await whoami({ token })).status).toBe(200);
    await refused({ token: stranger.session_rd });
    expect((await other.call('GET /auth/whoami', { token })).status).toBe(401);
    await other.close();
  });
});
