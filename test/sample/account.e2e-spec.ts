import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import { RecordingsService } from '../../apps/sample/src/recordings/recordings.service.js';
import { mp3 } from '../support/audio.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { file, uploadTo } from '../support/multipart.js';
import { statusesOf } from '../support/http.js';
import { person, registered } from '../support/people.js';
import type { Person } from '../support/people.js';
import { PNG_PICTURE } from '../support/pictures.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const UNAUTHORIZED = {
  code: 1000,
  msg: 'unauthorized',
  data: null,
  success: false,
  error: 'ERR_WECHAT_SESSION',
};
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

describeOnEachDatabase('an account', (database) => {
  let s: Started;
  let me: Person;
  beforeAll(async () => {
    s = await start({ database: database() });
  });
  beforeEach(async () => {
    me = await person(s);
  });
  afterEach(() => {
    s.wechat.clear();
    jest.restoreAllMocks();
  });
  afterAll(() => s.close());

  const register = (token: string, body: object) => s.call('POST /auth/register', { token, body });
  const ticketOf = async ({ withPhone }: Person): Promise<string> =>
    (await withPhone('POST /auth/phone-login')).body.data.registrationTicket;
  const account = (token: string) => s.call('GET /account', { token });

  describe('by phone', () => {
    it('gets a ticket, is registered with it, and is found from then on', async () => {
      const { phoneNumber } = me.wechat;
      const unknown = await me.withPhone('POST /auth/phone-login');
      expect([unknown.status, unknown.body]).toEqual([
        404,
        {
          code: 404,
          msg: 'not registered',
          data: { phoneNumber, registrationTicket: expect.any(String) },
          success: false,
          error: 'ERR_NOT_REGISTERED',
        },
      ]);

      const { registrationTicket } = unknown.body.data;
      const avatarUrl = 'https://thirdwx.qlogo.cn/mmopen/vi_32/x/132';
      const { status, body } = await register(me.session_rd, {
        registrationTicket,
        nickName: '小明 🎸',
        avatarUrl,
      });
      expect([status, body.data]).toEqual([
        200,
        {
          token: expect.stringMatching(TOKEN),
          expiresIn: 12 * 3600,
          user: {
            ...me['user'],
            phoneNumber,
            nickName: '小明 🎸',
            avatarUrl,
            updatedAt: expect.any(String),
          },
        },
      ]);

      const known = await me.withPhone('POST /auth/phone-login');
      expect([known.status, known.body.data]).toEqual([
        200,
        {
          token: expect.stringMatching(TOKEN),
          expiresIn: 43_200,
          user: body.data.user,
          linked: true,
        },
      ]);
      const identities = [
        {
          appId: s.wechat.apps[0]?.appId,
          openid: me.wechat.openid(),
          createdAt: expect.any(String),
        },
      ];
      expect((await account(known.body.data.token)).body.data).toEqual({
        ...body.data.user,
        identities,
      });
      expect((await s.call('GET /me', { token: me.session_rd })).body.data).toEqual(body.data.user);
    });

    it('is the same with encrypted data, and with all fields of the button at once', async () => {
      const { phoneNumber } = me.wechat;
      const { encryptedData, iv } = await me.wechat.getPhoneNumber();
      const unknown = await s.call('POST /auth/phone-login', {
        token: me.session_rd,
        body: { encryptedData, iv },
      });
      expect([unknown.status, unknown.body.data.phoneNumber]).toEqual([404, phoneNumber]);
      await register(me.session_rd, unknown.body.data);
      const all = await s.call('POST /auth/phone-login', {
        token: me.session_rd,
        body: await me.wechat.getPhoneNumber(),
      });
      expect([all.status, all.body.data.user.phoneNumber]).toEqual([200, phoneNumber]);
    });

    it('finds a number that PUT /me/phone has set', async () => {
      expect((await me.withPhone('PUT /me/phone')).body.data).toMatchObject({
        id: me['user'].id,
        phoneNumber: me.wechat.phoneNumber,
      });
      expect((await me.withPhone('POST /auth/phone-login')).status).toBe(200);
    });

    it('stores a foreign number as WeChat returns it', async () => {
      const abroad = await person(s, { phoneNumber: '4155550100', countryCode: '1' });
      expect((await abroad.withPhone('PUT /me/phone')).body.data.phoneNumber).toBe('14155550100');
    });

    it.each(['PUT /me/phone', 'POST /auth/phone-login'])(
      '%s refuses codes and open data that WeChat did not issue for this user',
      async (route) => {
        const other = await person(s);
        const { code: used } = await me.wechat.getPhoneNumber();
        await s.call('PUT /me/phone', { token: me.session_rd, body: { code: used } });
        const resultOf = async (body: object) => {
          const { status, body: refusal } = await s.call(route, { token: me.session_rd, body });
          return [status, refusal.code, refusal.error];
        };
        for (const code of [
          used,
          'unknown',
          (await me.wechat.login()).code,
          (await other.wechat.getPhoneNumber()).code,
        ])
          expect(await resultOf({ code })).toEqual([401, 40029, 'ERR_WECHAT_CODE']);
        const before = s.wechat.requests.length;
        for (const code of ['', 'a b', 7, ['a'], { a: 1 }, 'x'.repeat(129), '登录'])
          expect(await resultOf({ code })).toEqual([400, 400, 'ERR_BAD_REQUEST']);
        for (const body of [
          {},
          { encryptedData: 'x' },
          { iv: 'x' },
          { encryptedData: 7, iv: 7 },
          { code: null },
          { phoneNumber: '13580006666' },
        ])
          expect(await resultOf(body)).toEqual([400, 400, 'ERR_BAD_REQUEST']);
        for (const data of [
          other.wechat.encrypt(other.wechat.phoneInfo()),
          await me.wechat.getWeRunData(),
          { encryptedData: 'x', iv: 'x' },
          { encryptedData: '', iv: '' },
        ])
          expect(await resultOf({ encryptedData: data.encryptedData, iv: data.iv })).toEqual([
            400,
            1004,
            'ERR_WECHAT_DECRYPT',
          ]);
        expect(s.wechat.requests).toHaveLength(before);
      },
    );

    it.each([
      [{ errcode: 45011 }, 429, 'ERR_WECHAT_RATE_LIMIT'],
      [{ reset: true as const }, 503, 'ERR_WECHAT_UNAVAILABLE'],
      [{ body: '<html>' }, 502, 'ERR_WECHAT_RESPONSE'],
    ])('returns an error of WeChat as an error: %j', async (fault, status, error) => {
      s.wechat.next('/wxa/business/getuserphonenumber', fault);
      const response = await me.withPhone('POST /auth/phone-login');
      expect([response.status, response.body.error]).toEqual([status, error]);
    });

    it('needs a session', async () => {
      for (const route of ['PUT /me/phone', 'POST /auth/phone-login', 'POST /auth/register'])
        expect(
          (await s.call(route, { body: { code: 'abc', registrationTicket: 'x' } })).body,
        ).toEqual(UNAUTHORIZED);
    });
  });

  describe('by ticket', () => {
    const expectNotFound = async (token: string, registrationTicket: string) => {
      const { status, body } = await register(token, { registrationTicket });
      expect([status, body]).toEqual([
        404,
        { code: 404, msg: expect.any(String), data: null, success: false, error: 'ERR_NOT_FOUND' },
      ]);
    };

    it('is registered once if requests race', async () => {
      const registrationTicket = await ticketOf(me);
      const responses = await Promise.all(
        Array.from({ length: 10 }, () => register(me.session_rd, { registrationTicket })),
      );
      expect(statusesOf(responses)).toEqual([200, ...Array.from({ length: 9 }, () => 404)]);
      await expectNotFound(me.session_rd, registrationTicket);
    });

    it('is valid for its user only, and another user does not use it up', async () => {
      const other = await person(s);
      const registrationTicket = await ticketOf(me);
      await expectNotFound(other.session_rd, registrationTicket);
      expect((await register(me.session_rd, { registrationTicket })).status).toBe(200);
    });

    it('is valid in another session of the same user', async () => {
      const registrationTicket = await ticketOf(me);
      const again = await person(s, me.wechat);
      expect((await register(again.session_rd, { registrationTicket })).status).toBe(200);
    });

    it('expires after ten minutes', async () => {
      const [early, late] = [await ticketOf(me), await ticketOf(me)];
      s.wechat.clock.advance('9m');
      expect((await register(me.session_rd, { registrationTicket: early })).status).toBe(200);
      s.wechat.clock.advance('61s');
      await expectNotFound(me.session_rd, late);
    });

    it('is refused if it is another kind of token, changed or forged', async () => {
      const ticket = await ticketOf(me);
      const { token } = (await register(me.session_rd, { registrationTicket: await ticketOf(me) }))
        .body.data;
      const [header, , signature] = ticket.split('.');
      const forged = Buffer.from(JSON.stringify({ phoneNumber: '1', phoneE164: '+861' })).toString(
        'base64url',
      );
      for (const one of [
        token,
        `${header}.${forged}.${signature}`,
        `${ticket}A`,
        'x',
        me.session_rd,
      ])
        await expectNotFound(me.session_rd, one);
      expect((await account(ticket)).body).toEqual(UNAUTHORIZED);
    });

    it('sets the number of the ticket, also if the account has another number', async () => {
      await me.withPhone('PUT /me/phone');
      me.wechat.phoneNumber = '13600009999';
      const registrationTicket = await ticketOf(me);
      expect(
        (await register(me.session_rd, { registrationTicket, phoneNumber: '13100000000' })).body
          .data.user.phoneNumber,
      ).toBe('13600009999');
    });

    it.each([
      [{}],
      [{ registrationTicket: '' }],
      [{ registrationTicket: 7 }],
      [{ registrationTicket: 'x'.repeat(3000) }],
      [{ registrationTicket: 'x', nickName: '' }],
      [{ registrationTicket: 'x', nickName: 'a\u0000b' }],
      [{ registrationTicket: 'x', nickName: 'x'.repeat(65) }],
      [{ registrationTicket: 'x', avatarUrl: 'wxfile://tmp_1.jpg' }],
      [{ registrationTicket: 'x', avatarUrl: 'http://tmp/abc.jpg' }],
      [{ registrationTicket: 'x', avatarUrl: 'javascript:alert(1)' }],
      [{ registrationTicket: 'x', avatarUrl: `https://a.cn/${'x'.repeat(1024)}` }],
    ])('is refused if its body is invalid: %#', async (body) => {
      const response = await register(me.session_rd, body);
      expect([response.status, response.body.error]).toEqual([400, 'ERR_BAD_REQUEST']);
    });

    it('stores no phone number in the session store', async () => {
      const store = s.app.get(WechatStore);
      const writes = (['add', 'replace'] as const).map((verb) => jest.spyOn(store, verb));
      await ticketOf(me);
      const written = writes.flatMap(({ mock }) => mock.calls as unknown[][]).flat();
      expect(written.length).toBeGreaterThan(0);
      for (const value of written) expect(String(value)).not.toContain(me.wechat.phoneNumber);
    });
  });

  describe('with its token', () => {
    it('is invalid after its session is revoked: by a logout, from another device, with all sessions, by a new login', async () => {
      const tablet = await person(s, me.wechat);
      const endings: ((one: Person) => Promise<unknown>)[] = [
        ({ session_rd: token }) => s.call('POST /auth/logout', { token }),
        async () => {
          const sessions: { id: string }[] = (
            await s.call('GET /auth/sessions', { token: tablet.session_rd })
          ).body.data;
          return s.call(`DELETE /auth/sessions/${sessions.at(-1)?.id}`, {
            token: tablet.session_rd,
          });
        },
        ({ session_rd }) => s.login(me.wechat, { headers: { 'x-session-rd': session_rd } }),
        () => s.call('POST /auth/logout-all', { token: tablet.session_rd }),
      ];
      await registered(s, me);
      for (const end of endings) {
        const one = await person(s, me.wechat);
        const { token } = (await one.withPhone('POST /auth/phone-login')).body.data;
        expect((await account(token)).status).toBe(200);
        await end(one);
        const { status, headers, body } = await account(token);
        expect([status, headers.get('www-authenticate'), body]).toEqual([
          401,
          'Bearer',
          UNAUTHORIZED,
        ]);
      }
    });

    it('is invalid after an old session_rd of its session is reused', async () => {
      const token = await registered(s, me);
      await s.call('POST /auth/refresh', { token: me.session_rd });
      s.wechat.clock.advance('61s');
      expect((await account(token)).status).toBe(200);
      await s.call('POST /auth/refresh', { token: me.session_rd });
      expect((await account(token)).body).toEqual(UNAUTHORIZED);
    });

    it('stays valid after its session_rd expires, and expires after JWT_TTL', async () => {
      const token = await registered(s, me);
      s.wechat.clock.advance('11h');
      expect([
        (await s.call('GET /me', { token: me.session_rd })).status,
        (await account(token)).status,
      ]).toEqual([401, 200]);
      s.wechat.clock.advance('61m');
      expect((await account(token)).body).toEqual(UNAUTHORIZED);
    });

    it('expires with its session at the latest', async () => {
      let { session_rd } = me;
      await me.withPhone('PUT /me/phone');
      for (let hours = 0; hours < 167.5; hours += 0.45) {
        s.wechat.clock.advance('27m');
        ({ session_rd } = (await s.call('POST /auth/refresh', { token: session_rd })).body.data);
      }
      const { code } = await me.wechat.getPhoneNumber();
      const { token, expiresIn } = (
        await s.call('POST /auth/phone-login', { token: session_rd, body: { code } })
      ).body.data;
      expect(expiresIn).toBeLessThanOrEqual(1800);
      expect((await account(token)).status).toBe(200);
      s.wechat.clock.advance('30m');
      expect((await account(token)).status).toBe(401);
    });

    it('is refused on routes that take a session, and a session is refused on /account', async () => {
      const token = await registered(s, me);
      for (const route of ['GET /me', 'GET /recordings', 'POST /auth/refresh'])
        expect((await s.call(route, { token })).body).toEqual(UNAUTHORIZED);
      expect((await account(me.session_rd)).body).toEqual(UNAUTHORIZED);
    });

    it('is 503, never 401, while the store or the database is down', async () => {
      const token = await registered(s, me);
      jest.spyOn(s.app.get(WechatStore), 'get').mockRejectedValue(new StoreUnavailableError());
      expect([
        (await account(token)).status,
        (await s.call('DELETE /account', { token })).status,
      ]).toEqual([503, 503]);
      jest.restoreAllMocks();
      expect((await account(token)).status).toBe(200);
    });

    it('is valid in one of two apps in the process', async () => {
      const other = await start();
      const token = await registered(s, me);
      expect([
        (await account(token)).status,
        (await other.call('GET /account', { token })).status,
      ]).toEqual([200, 401]);
      await other.close();
      expect((await account(token)).status).toBe(200);
    });
  });

  describe('that is deleted (注销)', () => {
    it('deletes everything: rows, files, sessions in every app, and the token', async () => {
      const token = await registered(s, me);
      const tablet = await person(s, me.wechat);
      const upload = uploadTo(s.url);
      await upload('POST /recordings', me.session_rd, [file(mp3(1000))]);
      const { avatarUrl } = (await upload('PUT /me/avatar', me.session_rd, [file(PNG_PICTURE)]))
        .body.data;

      expect((await s.call('DELETE /account', { token })).body).toEqual({
        code: 200,
        msg: 'ok',
        data: null,
        success: true,
      });

      for (const sessionRd of [me.session_rd, tablet.session_rd])
        for (const route of [
          'GET /me',
          'GET /auth/session',
          'POST /auth/refresh',
          'GET /recordings',
        ])
          expect([route, (await s.call(route, { token: sessionRd })).body]).toEqual([
            route,
            UNAUTHORIZED,
          ]);
      for (const route of ['GET /account', 'DELETE /account'])
        expect((await s.call(route, { token })).body).toEqual(UNAUTHORIZED);
      expect((await s.call(`GET ${avatarUrl}`)).status).toBe(404);
      for (const folder of ['recordings', 'avatars', 'parts'])
        expect(await readdir(join(s.uploads, folder))).toEqual([]);
      const left = await s.app.get(DataSource).query<{ n: string }[]>(
        `SELECT (SELECT count(*) FROM users WHERE id = $1) + (SELECT count(*) FROM identities WHERE user_id = $1)
              + (SELECT count(*) FROM recordings WHERE user_id = $1) AS n`,
        [me['user'].id],
      );
      expect(left).toEqual([{ n: '0' }]);
    });

    it('loses its recordings in pages, so that other requests do not wait', async () => {
      const token = await registered(s, me);
      await s.app.get(DataSource).query(
        `INSERT INTO recordings (id, user_id, format, file_size, duration)
         SELECT gen_random_uuid(), $1, 'mp3', 1, 1 FROM generate_series(1, 450)`,
        [me['user'].id],
      );
      const removed = jest.spyOn(RecordingsService.prototype, 'remove');
      expect((await s.call('DELETE /account', { token })).status).toBe(200);
      expect(removed.mock.calls.map(([ids]) => ids.length)).toEqual([200, 200, 50, 0]);
    });

    it('is a new account at the next login, which can register the old number', async () => {
      const token = await registered(s, me);
      await s.call('DELETE /account', { token });
      const again = await person(s, me.wechat);
      expect(again.isNewUser).toBe(true);
      expect(again['user']).toMatchObject({ phoneNumber: null, nickName: null, avatarUrl: null });
      expect(again['user'].id).not.toBe(me['user'].id);
      expect((await again.withPhone('PUT /me/phone')).status).toBe(200);
    });

    it('is deleted once if two requests race', async () => {
      const token = await registered(s, me);
      const responses = await Promise.all([1, 2].map(() => s.call('DELETE /account', { token })));
      expect(statusesOf(responses)).toEqual([200, 401]);
    });

    it('is 401 from then on, even if its sessions could not be revoked', async () => {
      const token = await registered(s, me);
      jest.spyOn(s.app.get(WechatStore), 'remove').mockRejectedValue(new StoreUnavailableError());
      expect((await s.call('DELETE /account', { token })).status).toBe(503);
      jest.restoreAllMocks();
      expect([
        (await s.call('GET /me', { token: me.session_rd })).body,
        (await account(token)).body,
      ]).toEqual([UNAUTHORIZED, UNAUTHORIZED]);
    });
  });
});

it('phone logins count for the login limit', async () => {
  const s = await start({ env: { LOGIN_RATE_LIMIT: '3' } });
  const { withPhone } = await person(s);
  const statuses = [
    await withPhone('POST /auth/phone-login'),
    await withPhone('POST /auth/phone-login'),
    await withPhone('POST /auth/phone-login'),
  ];
  expect(statuses.map(({ status }) => status)).toEqual([404, 404, 429]);
  await s.close();
});

it('setting a phone number counts as a login, because it calls WeChat too', async () => {
  const s = await start({ env: { LOGIN_RATE_LIMIT: '3' } });
  const { session_rd: token } = await s.login();
  const guess = async () =>
    (await s.call('PUT /me/phone', { token, body: { code: 'unknown' } })).status;
  const statuses = [await guess(), await guess(), await guess(), await guess()];
  expect(statuses).toEqual([401, 401, 429, 429]);
  const calls = s.wechat.requests.filter(({ path }) => path.endsWith('/getuserphonenumber'));
  expect(calls).toHaveLength(2);
  await s.close();
});

it('POST requests without a body are accepted with Content-Type application/json, as wx.request sends them', async () => {
  const s = await start();
  const { session_rd: token } = await s.login();
  const headers = { 'content-type': 'application/json' };
  for (const route of ['POST /auth/refresh', 'POST /auth/logout'])
    for (const body of [undefined, '', '{}']) {
      const { session_rd } = await s.login();
      expect([
        route,
        body,
        (await s.call(route, { token: session_rd, headers, body })).status,
      ]).toEqual([route, body, 200]);
    }
  expect((await s.call('POST /auth/logout-all', { token, headers, body: '' })).status).toBe(200);
  await s.close();
});

it('the docs show the response of each route and which token it takes', async () => {
  const s = await start();
  const { paths } = (await s.call('GET /docs-json')).body;
  const tokens = { bearer: 'session', 'app-jwt': 'account' } as Record<string, string>;
  const documented = Object.entries<Record<string, any>>(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security = [], responses, summary }]) => ({
      route: `${method.toUpperCase()} ${path}`,
      token: tokens[Object.keys(security[0] ?? {})[0] ?? ''],
      shown: Boolean(summary && (responses[200] ?? responses[201]).content),
    })),
  );
  const expected = {
    session: [
      ...[
        'PATCH /me',
        'PUT /me',
        'PUT /me/avatar',
        'POST /me/avatar',
        'PUT /me/phone',
        'POST /auth/phone-login',
        'POST /auth/register',
      ],
      ...[
        'POST /recordings',
        'GET /recordings',
        'GET /recordings/{id}',
        'GET /recordings/{id}/content',
        'DELETE /recordings/{id}',
      ],
    ],
    account: ['GET /account', 'DELETE /account'],
  };
  for (const [token, routes] of Object.entries(expected))
    for (const route of routes)
      expect(documented.find((one) => one.route === route)).toEqual({ route, token, shown: true });
  const unknown =
    paths['/auth/phone-login'].post.responses[404].content['application/json'].examples
      .ERR_NOT_REGISTERED.value;
  expect(unknown.data).toEqual({
    phoneNumber: expect.any(String),
    registrationTicket: expect.any(String),
  });
  await s.close();
});
