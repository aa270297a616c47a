import { DataSource } from 'typeorm';
import { describeOnEachDatabase } from '../support/databases.js';
import { start } from '../support/start.js';
import type { Login, Started } from '../support/start.js';

const UNAUTHORIZED = {
  code: 1000,
  msg: 'unauthorized',
  data: null,
  success: false,
  error: 'ERR_WECHAT_SESSION',
};
const SESSION_RD = /^srd_[0-9A-Za-z_-]{43}$/;
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describeOnEachDatabase('a login', (database) => {
  let s: Started;
  beforeAll(async () => {
    s = await start({ database: database() });
  });
  afterAll(() => s.close());

  const count = async (table: string): Promise<number> =>
    Number(
      (await s.app.get(DataSource).query<{ n: string }[]>(`SELECT count(*) AS n FROM ${table}`))[0]
        ?.n,
    );
  const refresh = (token: string, key?: string) =>
    s.call('POST /auth/refresh', {
      token,
      ...(key !== undefined && { headers: { 'idempotency-key': key } }),
    });
  const statusOf = async (token: string): Promise<number> =>
    (await s.call('GET /auth/session', { token })).status;

  describe('by a code of wx.login', () => {
    it('returns a session and registers the user', async () => {
      const user = s.wechat.users.create();
      const { status, body } = await s.call('POST /auth/login', {
        body: { code: (await user.login()).code },
      });
      expect({ status, body }).toEqual({
        status: 200,
        body: {
          code: 200,
          msg: 'ok',
          success: true,
          data: {
            session_rd: expect.stringMatching(SESSION_RD),
            expiresIn: 1800,
            isNewUser: true,
            user: expect.objectContaining({
              id: expect.any(String),
              nickName: null,
              phoneNumber: null,
              unionid: user.unionid(),
              createdAt: expect.stringMatching(ISO),
            }),
          },
        },
      });
      expect(JSON.stringify(body)).not.toContain(user.sessionKey());
    });

    it('finds the same user at the next login', async () => {
      const user = s.wechat.users.create();
      const first = await s.login(user);
      const second = await s.login(user);
      expect(second).toMatchObject({ isNewUser: false, user: { id: first['user'].id } });
      expect(second.session_rd).not.toBe(first.session_rd);
    });

    it('registers one user if twenty first logins race', async () => {
      const before = await count('users');
      const user = s.wechat.users.create();
      const logins = await Promise.all(Array.from({ length: 20 }, () => s.login(user)));
      expect(logins.filter(({ isNewUser }) => isNewUser)).toHaveLength(1);
      expect(new Set(logins.map((login) => login['user'].id)).size).toBe(1);
      expect(await count('users')).toBe(before + 1);
    });

    it('registers one user if the same code is posted twice at once', async () => {
      const { code } = await s.wechat.users.create().login();
      const [one, two] = await Promise.all(
        [1, 2].map(() => s.call('POST /auth/login', { body: { code } })),
      );
      expect([one, two].filter((response) => response?.body.data.isNewUser)).toHaveLength(1);
      expect(one?.body.data.session_rd).toBe(two?.body.data.session_rd);
      expect(s.wechat.requests.filter(({ query }) => query['js_code'] === code)).toHaveLength(1);
    });

    it('refuses a used code as WeChat does', async () => {
      const { code } = await s.wechat.users.create().login();
      await s.call('POST /auth/login', { body: { code } });
      const again = await s.call('POST /auth/login', { body: { code } });
      expect(again.status).toBe(401);
      expect(again.headers.get('www-authenticate')).toBe('Bearer');
      expect(again.body).toEqual({
        code: 40029,
        msg: 'invalid parameter: code',
        data: null,
        success: false,
        error: 'ERR_WECHAT_CODE',
      });
    });

    it('revokes the session that the client still had', async () => {
      const user = s.wechat.users.create();
      const old = await s.login(user);
      const fresh = await s.login(user, { headers: { 'x-session-rd': old.session_rd } });
      expect([await statusOf(old.session_rd), await statusOf(fresh.session_rd)]).toEqual([
        401, 200,
      ]);
    });

    it('ignores an invalid token', async () => {
      await expect(s.login(undefined, { token: 'undefined' })).resolves.toMatchObject({
        isNewUser: true,
      });
    });
  });

  describe('of a user with two apps of one open-platform account', () => {
    let two: Started;
    beforeAll(async () => {
      const apps = ['wxaaaaaaaaaaaaaaa1', 'wxaaaaaaaaaaaaaaa2'].map((appId) => ({
        appId,
        secret: 'ab'.repeat(16),
        kind: 'mini-program' as const,
      }));
      two = await start({ database: database(), sandbox: { apps } });
    });
    afterAll(() => two.close());

    it('is one account with two openids', async () => {
      const user = two.wechat.users.create({ id: 'two-apps' });
      const logins = await Promise.all(
        two.wechat.apps.map(async ({ appId }) =>
          two.login(user, { body: { appId, ...(await user.login(appId)) } }),
        ),
      );
      expect(new Set(logins.map((login) => login['user'].id)).size).toBe(1);
      expect(logins.filter(({ isNewUser }) => isNewUser)).toHaveLength(1);
    });
  });

  describe('and its session', () => {
    let login: Login;
    beforeEach(async () => {
      login = await s.login();
    });

    it('is returned with the fields of the guard, in WeChat’s names and ISO times', async () => {
      const { body } = await s.call('GET /auth/session', { token: login.session_rd });
      expect(Object.keys(body.data).toSorted()).toEqual([
        'appId',
        'expiresAt',
        'issuedAt',
        'loginExpiresAt',
        'openid',
        'unionid',
      ]);
      const { issuedAt, expiresAt, loginExpiresAt } = body.data;
      expect([issuedAt, expiresAt, loginExpiresAt]).toEqual(
        [1, 2, 3].map(() => expect.stringMatching(ISO)),
      );
      expect(Date.parse(expiresAt) - Date.parse(issuedAt)).toBe(30 * 60_000);
      expect(Date.parse(loginExpiresAt) - Date.parse(issuedAt)).toBe(7 * 24 * 3600_000);
    });

    it('accepts the token in either header', async () => {
      expect(
        (await s.call('GET /me', { headers: { 'x-session-rd': login.session_rd } })).status,
      ).toBe(200);
      expect(
        (await s.call('GET /me', { headers: { authorization: `bearer ${login.session_rd}` } }))
          .status,
      ).toBe(200);
    });

    it('expires, and use does not extend it', async () => {
      s.wechat.clock.advance('20m');
      expect(await statusOf(login.session_rd)).toBe(200);
      s.wechat.clock.advance('11m');
      const { status, headers, body } = await s.call('GET /me', { token: login.session_rd });
      expect([status, headers.get('www-authenticate'), body]).toEqual([
        401,
        'Bearer',
        UNAUTHORIZED,
      ]);
    });

    it('is extended by a refresh; the replaced token works for the grace time and gets the same successor', async () => {
      const first = await refresh(login.session_rd);
      expect(first.body.data).toEqual({
        session_rd: expect.stringMatching(SESSION_RD),
        expiresIn: 1800,
      });
      const { session_rd } = first.body.data;
      expect((await refresh(login.session_rd)).body.data.session_rd).toBe(session_rd);
      expect([await statusOf(login.session_rd), await statusOf(session_rd)]).toEqual([200, 200]);
      s.wechat.clock.advance('61s');
      expect([await statusOf(login.session_rd), await statusOf(session_rd)]).toEqual([401, 200]);
    });

    it('is refreshed once for each Idempotency-Key: a retry with it gets the same successor', async () => {
      const first = await refresh(login.session_rd, 'k1');
      const again = await refresh(login.session_rd, 'k1');
      expect([first.status, again.body.data.session_rd]).toEqual([200, first.body.data.session_rd]);
      expect(await statusOf(login.session_rd)).toBe(200);
    });

    it.each([
      ['another Idempotency-Key', 'k2'],
      ['none', undefined],
    ])('is revoked when its replaced token is refreshed with %s', async (_, key) => {
      const { session_rd } = (await refresh(login.session_rd, 'k1')).body.data;
      const thief = await refresh(login.session_rd, key);
      expect([thief.status, thief.body]).toEqual([401, UNAUTHORIZED]);
      expect([await statusOf(login.session_rd), await statusOf(session_rd)]).toEqual([401, 401]);
    });

    it('is not refreshed with an Idempotency-Key that is empty, too long or not printable', async () => {
      for (const key of ['', 'a'.repeat(129), 'caf\u00e9']) {
        const { status, body } = await refresh(login.session_rd, key);
        expect([status, body]).toEqual([
          400,
          {
            code: 400,
            msg: 'requestId (Idempotency-Key) must be 1 to 128 printable ASCII characters',
            data: null,
            success: false,
            error: 'ERR_BAD_REQUEST',
          },
        ]);
      }
      expect((await refresh(login.session_rd, 'a'.repeat(128))).status).toBe(200);
    });

    it('is revoked when a replaced token is refreshed after its grace time', async () => {
      const { session_rd } = (await refresh(login.session_rd)).body.data;
      s.wechat.clock.advance('61s');
      const replay = await refresh(login.session_rd);
      expect([replay.status, replay.body]).toEqual([401, UNAUTHORIZED]);
      expect(await statusOf(session_rd)).toBe(401);
    });

    it('cannot be refreshed beyond seven days', async () => {
      let token = login.session_rd;
      for (let hours = 0; hours < 7 * 24; hours += 0.45) {
        s.wechat.clock.advance('27m');
        const response = await refresh(token);
        if (response.status !== 200) return expect(hours).toBeGreaterThan(7 * 24 - 1);
        token = response.body.data.session_rd;
      }
      s.wechat.clock.advance('27m');
      expect((await refresh(token)).status).toBe(401);
    });

    it('is not refreshed without a token', async () => {
      const { status, body } = await s.call('POST /auth/refresh');
      expect([status, body]).toEqual([401, UNAUTHORIZED]);
    });

    it('is refreshed by an empty body with Content-Type application/json, as wx.request sends it', async () => {
      const { status } = await s.call('POST /auth/refresh', {
        token: login.session_rd,
        headers: { 'content-type': 'application/json' },
      });
      expect(status).toBe(200);
    });
  });

  describe('with several sessions', () => {
    it('lists them all, revokes one of them, and never shows a token', async () => {
      const user = s.wechat.users.create();
      const [phone, tablet] = [await s.login(user), await s.login(user)];
      const { body } = await s.call('GET /auth/sessions', { token: tablet.session_rd });
      expect(body.data).toEqual(
        [false, true].map((current) => ({
          id: expect.any(String),
          issuedAt: expect.stringMatching(ISO),
          refreshedAt: expect.stringMatching(ISO),
          expiresAt: expect.stringMatching(ISO),
          current,
        })),
      );
      expect(JSON.stringify(body)).not.toContain('srd_');

      const ended = await s.call(`DELETE /auth/sessions/${body.data[0].id}`, {
        token: tablet.session_rd,
      });
      expect([ended.status, ended.body]).toEqual([
        200,
        { code: 200, msg: 'ok', data: null, success: true },
      ]);
      expect([await statusOf(phone.session_rd), await statusOf(tablet.session_rd)]).toEqual([
        401, 200,
      ]);
    });

    it('cannot revoke a session of another user or an unknown one', async () => {
      const [mine, theirs] = [await s.login(), await s.login()];
      const [{ id }] = (await s.call('GET /auth/sessions', { token: theirs.session_rd })).body.data;
      for (const one of [id, 'unknown', '%00', 'x'.repeat(400)]) {
        const { status, body } = await s.call(`DELETE /auth/sessions/${one}`, {
          token: mine.session_rd,
        });
        expect([one, status, body]).toEqual([
          one,
          404,
          { code: 404, msg: 'not found', data: null, success: false, error: 'ERR_NOT_FOUND' },
        ]);
      }
      expect(await statusOf(theirs.session_rd)).toBe(200);
    });

    it('logs out one of them', async () => {
      const user = s.wechat.users.create();
      const [phone, tablet] = [await s.login(user), await s.login(user)];
      expect((await s.call('POST /auth/logout', { token: phone.session_rd })).body).toEqual({
        code: 200,
        msg: 'ok',
        data: null,
        success: true,
      });
      expect([await statusOf(phone.session_rd), await statusOf(tablet.session_rd)]).toEqual([
        401, 200,
      ]);
    });

    it('revokes its successor too if it logs out in its grace time', async () => {
      const old = await s.login();
      const { session_rd } = (await s.call('POST /auth/refresh', { token: old.session_rd })).body
        .data;
      await s.call('POST /auth/logout', { token: old.session_rd });
      expect(await statusOf(session_rd)).toBe(401);
    });

    it('is revoked by a logout with its replaced token, after a thief has refreshed a copy', async () => {
      const owner = await s.login();
      const thief = (await s.call('POST /auth/refresh', { token: owner.session_rd })).body.data;
      s.wechat.clock.advance('2m'); // past the grace time
      expect(await statusOf(owner.session_rd)).toBe(401);
      expect(await statusOf(thief.session_rd)).toBe(200);
      const { status, body } = await s.call('POST /auth/logout', { token: owner.session_rd });
      expect([status, body.error]).toEqual([401, 'ERR_WECHAT_SESSION']);
      expect(await statusOf(thief.session_rd)).toBe(401);
    });

    it('logs all of them out', async () => {
      const user = s.wechat.users.create();
      const logins = [await s.login(user), await s.login(user), await s.login(user)];
      const { body } = await s.call('POST /auth/logout-all', { token: logins[0]!.session_rd });
      expect(body.data).toEqual({ ended: 3 });
      expect(await Promise.all(logins.map((login) => statusOf(login.session_rd)))).toEqual([
        401, 401, 401,
      ]);
    });
  });
});
