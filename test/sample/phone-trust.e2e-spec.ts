import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { DataSource } from 'typeorm';
import { PhoneTrust1764000000000 } from '../../apps/sample/src/database/migrations/1764000000000-phone-trust.js';
import { AppTokens } from '../../apps/sample/src/tokens/app-tokens.js';
import { UsersService } from '../../apps/sample/src/users/users.service.js';
import { mp3 } from '../support/audio.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { statusesOf } from '../support/http.js';
import type { AppResponse } from '../support/http.js';
import { file, uploadTo } from '../support/multipart.js';
import { person, registered } from '../support/people.js';
import type { Person } from '../support/people.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const app = (name: string, openPlatform: string | false) => ({
  appId: `wx${name.padEnd(16, '0')}`,
  secret: 'ab'.repeat(16),
  kind: 'mini-program' as const,
  openPlatform,
});

/** For ALONE and LONELY WeChat returns no unionid. SHOP and CLUB share an open-platform account. */
const [ALONE, LONELY, SHOP, CLUB] = [
  app('a', false),
  app('b', false),
  app('c', 'company'),
  app('d', 'company'),
] as const;

const SCOPE = {
  code: 403,
  msg: expect.any(String),
  data: null,
  success: false,
  error: 'ERR_SCOPE',
};

/** docs/account-linking.md names the test of each rule, here or in account-linking.e2e-spec.ts. */
describeOnEachDatabase('a phone number that changes hands', (database) => {
  let s: Started;
  beforeAll(async () => {
    s = await start({
      database: database(),
      sandbox: { apps: [ALONE, LONELY, SHOP, CLUB] },
      env: { LOG_LEVEL: 'warn' },
    });
  });
  beforeEach(() => void s.log.splice(0));
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => s.close());

  const into = (wechat: SandboxUser, { appId }: { appId: string }): Promise<Person> =>
    person(s, wechat, appId);
  const user = (phoneNumber?: string): SandboxUser =>
    s.wechat.users.create(phoneNumber === undefined ? {} : { phoneNumber });
  const me = async ({ session_rd }: Person): Promise<Record<string, any>> =>
    (await s.call('GET /me', { token: session_rd })).body.data;
  const record = (one: Person): Promise<AppResponse> =>
    uploadTo(s.url)('POST /recordings', one.session_rd, [file(mp3(500))]);
  const recordingsOf = async ({ session_rd }: Person): Promise<unknown[]> =>
    (await s.call('GET /recordings', { token: session_rd })).body.data;
  const account = (token: string): Promise<AppResponse> => s.call('GET /account', { token });
  const phoneLogin = async (one: Person): Promise<Record<string, any>> =>
    (await one.withPhone('POST /auth/phone-login')).body.data;
  const takeOver = async (one: Person): Promise<AppResponse> => {
    const { registrationTicket } = await phoneLogin(one);
    const body = { registrationTicket, takeOverNumber: true };
    return s.call('POST /auth/register', { token: one.session_rd, body });
  };
  const sql = <Row>(query: string, ...values: unknown[]): Promise<Row[]> =>
    s.app.get(DataSource).query(query, values);
  /** A login in which WeChat returns no unionid, as before the app is bound to an open-platform account. */
  const beforeBinding = (wechat: SandboxUser, where: { appId: string }): Promise<Person> => {
    s.wechat.next('/sns/jscode2session', {
      transform: (json) => ({ ...json, unionid: undefined }),
    });
    return into(wechat, where);
  };
  /** A registered user of ALONE, and a user of another app with the same number, both logged in. */
  const twoApps = async (other: { appId: string } = LONELY): Promise<[Person, Person]> => {
    const { phoneNumber } = user();
    const owner = await into(user(phoneNumber), ALONE);
    await registered(s, owner);
    return [owner, await into(user(phoneNumber), other)];
  };
  const changeNumber = (one: Person): Promise<AppResponse> => {
    one.wechat.phoneNumber = user().phoneNumber;
    return one.withPhone('PUT /me/phone');
  };

  describe('attacks', () => {
    /** Bob is a new WeChat user of the same app, with Alice's old number from the carrier. */
    async function recycledNumber(): Promise<{ readsOpenids: boolean; deletesAccount: boolean }> {
      const { phoneNumber } = user();
      const alice = await into(user(phoneNumber), ALONE);
      await registered(s, alice);
      await record(alice);
      s.wechat.clock.advance('100d');

      const bob = await into(user(phoneNumber), ALONE);
      const login = await bob.withPhone('POST /auth/phone-login');
      const { token } = login.body.data;
      const read = await account(token);
      const deletion = await s.call('DELETE /account', { token });
      const again = await into(alice.wechat, ALONE);
      return {
        readsOpenids: JSON.stringify([login.body, read.body]).includes(
          alice.wechat.openid(ALONE.appId),
        ),
        deletesAccount: deletion.status === 200 || again['user'].id !== alice['user'].id,
      };
    }

    /** Dave is a WeChat user of another app. He logs in with Carol's number. Later Carol logs out everywhere and changes her number. */
    async function anotherApp({
      afterJoin = async () => {},
      logoutAll = (token: string) => s.call('POST /auth/logout-all', { token }),
    } = {}): Promise<{ staysIn: boolean; survivesLogoutAll: boolean }> {
      const [carol, dave] = await twoApps();
      await record(carol);
      const { token } = await phoneLogin(dave);
      await afterJoin();

      await logoutAll(carol.session_rd);
      const survivesLogoutAll = (await account(token)).status === 200;
      await changeNumber(await into(carol.wechat, ALONE));
      return {
        staysIn: (await recordingsOf(await into(dave.wechat, LONELY))).length > 0,
        survivesLogoutAll,
      };
    }

    it('does not give the new owner of the number the openids or the account of the old one', async () => {
      expect(await recycledNumber()).toEqual({ readsOpenids: false, deletesAccount: false });
    });

    it('control: with tokens that have no scope, the new owner reads the openids and deletes the account', async () => {
      const tokens = s.app.get(AppTokens);
      const verify = tokens.verify.bind(tokens);
      jest
        .spyOn(tokens, 'verify')
        .mockImplementation(async (token) => ({ ...(await verify(token)), scope: 'account' }));
      expect(await recycledNumber()).toEqual({ readsOpenids: true, deletesAccount: true });
    });

    it('removes a WeChat user of another app from an account that gets another number', async () => {
      expect(await anotherApp()).toEqual({ staysIn: false, survivesLogoutAll: false });
    });

    it('control: without the mark, and with a logout in one app only, the WeChat user of the other app stays', async () => {
      const naive = {
        afterJoin: async () => void (await sql('UPDATE identities SET joined_by_phone = false')),
        logoutAll: async (token: string) => {
          const users = s.app.get(UsersService);
          const find = jest.spyOn(users, 'findAccount').mockResolvedValue(null);
          const response = await s.call('POST /auth/logout-all', { token });
          find.mockRestore();
          return response;
        },
      };
      expect(await anotherApp(naive)).toEqual({ staysIn: true, survivesLogoutAll: true });
    });
  });

  describe('a token of scope phone', () => {
    it('can only read the account without unionid and identities, for 30 minutes', async () => {
      const { phoneNumber } = user();
      const owner = await into(user(phoneNumber), SHOP);
      await registered(s, owner);
      const other = await into(user(phoneNumber), SHOP);

      const { status, body } = await other.withPhone('POST /auth/phone-login');
      expect([status, body.data]).toEqual([
        200,
        {
          token: expect.any(String),
          expiresIn: 1800,
          user: { ...(await me(owner)), unionid: null },
          linked: false,
          registrationTicket: expect.any(String),
        },
      ]);
      const { token } = body.data;
      expect((await account(token)).body.data).toEqual(body.data.user);
      const deletion = await s.call('DELETE /account', { token });
      expect([deletion.status, deletion.body]).toEqual([403, SCOPE]);
      for (const route of ['GET /me', 'GET /recordings', 'PATCH /me', 'POST /auth/refresh'])
        expect((await s.call(route, { token })).status).toBe(401);

      s.wechat.clock.advance('29m');
      expect((await account(token)).status).toBe(200);
      s.wechat.clock.advance('61s');
      expect((await account(token)).status).toBe(401);
    });

    it('is invalid after the account gets another number, and after its own session is revoked', async () => {
      const { phoneNumber } = user();
      const owner = await into(user(phoneNumber), ALONE);
      await registered(s, owner);
      const [other, third] = [
        await into(user(phoneNumber), ALONE),
        await into(user(phoneNumber), ALONE),
      ];
      const [one, two] = [await phoneLogin(other), await phoneLogin(third)];
      await s.call('POST /auth/logout', { token: third.session_rd });
      expect([(await account(one['token'])).status, (await account(two['token'])).status]).toEqual([
        200, 401,
      ]);
      await changeNumber(owner);
      expect((await account(one['token'])).status).toBe(401);
    });
  });

  describe('PHONE_TRUST', () => {
    it('links a WeChat user of another app as long as the number was verified within 90 days', async () => {
      const [owner, visitor] = await twoApps();
      s.wechat.clock.advance('89d');
      const again = await into(visitor.wechat, LONELY);
      expect(await phoneLogin(again)).toMatchObject({
        linked: true,
        expiresIn: 43_200,
        user: { id: owner['user'].id },
      });
    });

    it('links no account afterwards, until the number is verified again for an identity of the account', async () => {
      const [owner, visitor] = await twoApps();
      s.wechat.clock.advance('91d');
      const late = await into(visitor.wechat, LONELY);
      expect(await phoneLogin(late)).toMatchObject({
        linked: false,
        user: { id: owner['user'].id },
      });
      expect((await me(late))['id']).toBe(visitor['user'].id);

      await phoneLogin(await into(owner.wechat, ALONE));
      expect(await phoneLogin(late)).toMatchObject({ linked: true });
      expect((await me(late))['id']).toBe(owner['user'].id);
    });

    it.each(['POST /auth/phone-login', 'PUT /me/phone'])(
      'does not start again at %s of an identity that joined by phone',
      async (route) => {
        const [owner, joined] = await twoApps();
        await phoneLogin(joined);
        s.wechat.clock.advance('60d');
        expect((await (await into(joined.wechat, LONELY)).withPhone(route)).status).toBe(200);
        s.wechat.clock.advance('31d');
        const third = await into(user(owner.wechat.phoneNumber), SHOP);
        expect(await phoneLogin(third)).toMatchObject({ linked: false });
      },
    );
  });

  describe('an identity that joined by phone', () => {
    it('moves to an empty account when the number changes, and its sessions are revoked', async () => {
      const [owner, joined] = await twoApps();
      await record(joined);
      await s.call('PATCH /me', { token: joined.session_rd, body: { nickName: 'joined' } });
      const { token } = await phoneLogin(joined);
      expect((await account(token)).body.data.identities).toHaveLength(2);
      const refreshed = await s.call('POST /auth/refresh', { token: joined.session_rd });

      expect((await changeNumber(owner)).status).toBe(200);
      for (const session_rd of [joined.session_rd, refreshed.body.data.session_rd])
        expect((await s.call('GET /auth/session', { token: session_rd })).status).toBe(401);
      expect((await account(token)).status).toBe(401);
      const again = await into(joined.wechat, LONELY);
      expect([again.isNewUser, await me(again), await recordingsOf(again)]).toEqual([
        false,
        expect.objectContaining({ phoneNumber: null, nickName: null, unionid: null }),
        [],
      ]);
      expect(await recordingsOf(owner)).toHaveLength(1);
      expect(await me(owner)).toMatchObject({ nickName: 'joined', id: owner['user'].id });
    });

    it('moves together with the unionid that it brought, and with the identities of other apps with that unionid', async () => {
      const [owner, joined] = await twoApps(SHOP);
      await phoneLogin(joined);
      const club = await into(joined.wechat, CLUB);
      expect([(await me(owner))['unionid'], (await me(club))['id']]).toEqual([
        joined.wechat.unionid(SHOP.appId),
        owner['user'].id,
      ]);
      await changeNumber(owner);
      expect((await me(owner))['unionid']).toBeNull();
      const [shop, again] = [await into(joined.wechat, SHOP), await into(joined.wechat, CLUB)];
      const ids = [(await me(shop))['id'], (await me(again))['id']];
      expect(ids[0]).toBe(ids[1]);
      expect(ids).not.toContain(owner['user'].id);
    });

    it('stays if WeChat has since returned the unionid of the account’s own identity', async () => {
      const wechat = user();
      const owner = await beforeBinding(wechat, SHOP);
      await registered(s, owner);
      const joined = await beforeBinding(wechat, CLUB);
      await phoneLogin(joined);
      await into(wechat, SHOP);
      await into(wechat, CLUB); // both logins return the unionid now
      expect((await changeNumber(owner)).status).toBe(200);
      expect((await me(joined))['id']).toBe(owner['user'].id);
    });

    it('leaves the account with a number of its own, and changes nothing in the account', async () => {
      const [owner, joined] = await twoApps();
      await record(owner);
      await phoneLogin(joined);
      const { phoneNumber } = owner.wechat;
      const { status, body } = await changeNumber(joined);
      expect([status, body.data.phoneNumber]).toEqual([200, joined.wechat.phoneNumber]);
      expect(await me(joined)).toEqual(body.data);
      expect([body.data.id === owner['user'].id, await recordingsOf(joined)]).toEqual([false, []]);
      expect(await me(owner)).toMatchObject({ id: owner['user'].id, phoneNumber });
    });

    it('goes to the account of its unionid, if WeChat returns one that another account has', async () => {
      const { phoneNumber } = user();
      const owner = await into(user(phoneNumber), ALONE);
      await registered(s, owner);
      await record(owner);
      const dave = user(phoneNumber);
      const elsewhere = await into(dave, CLUB);
      const joined = await beforeBinding(dave, SHOP);
      await phoneLogin(joined);
      expect((await me(joined))['id']).toBe(owner['user'].id);

      const late = await into(dave, SHOP);
      expect([late['user'].id, await recordingsOf(late)]).toEqual([elsewhere['user'].id, []]);
      expect([(await me(owner))['id'], await recordingsOf(owner)]).toEqual([
        owner['user'].id,
        [expect.anything()],
      ]);
    });

    it('moves only if its sessions are revoked: if the store is down, the number does not change', async () => {
      const [owner, joined] = await twoApps();
      await phoneLogin(joined);
      const { phoneNumber } = owner.wechat;
      const remove = jest.spyOn(s.app.get(WechatStore), 'remove');
      remove.mockRejectedValue(new StoreUnavailableError());
      expect((await changeNumber(owner)).status).toBe(503);
      expect((await me(joined))['phoneNumber']).toBe(phoneNumber);
      jest.restoreAllMocks();
      expect((await owner.withPhone('PUT /me/phone')).status).toBe(200);
      expect((await s.call('GET /me', { token: joined.session_rd })).status).toBe(401);
    });
  });

  describe('taken over', () => {
    it('belongs to the new owner. The old account keeps everything else, and the log has the event without the number', async () => {
      const { phoneNumber } = user();
      const alice = await into(user(phoneNumber), ALONE);
      const token = await registered(s, alice);
      await s.call('PATCH /me', { token: alice.session_rd, body: { nickName: 'Alice' } });
      await record(alice);
      const before = await me(alice);
      const bob = await into(user(phoneNumber), ALONE);
      const scoped = await phoneLogin(bob);

      const { status, body } = await takeOver(bob);
      expect([status, body.data]).toEqual([
        200,
        {
          token: expect.any(String),
          expiresIn: 43_200,
          user: { ...bob['user'], phoneNumber, updatedAt: expect.any(String) },
        },
      ]);
      expect((await account(body.data.token)).body.data.identities).toHaveLength(1);
      expect((await account(scoped['token'])).status).toBe(401);
      expect(await phoneLogin(bob)).toMatchObject({ linked: true, user: { id: bob['user'].id } });

      expect(await me(alice)).toEqual({
        ...before,
        phoneNumber: null,
        updatedAt: expect.any(String),
      });
      expect((await account(token)).body.data).toMatchObject({ phoneNumber: null });
      expect(await recordingsOf(alice)).toHaveLength(1);
      expect((await changeNumber(alice)).status).toBe(200);

      const events = s.log.filter((line) => line.includes('took over'));
      expect(events).toEqual([
        expect.stringMatching(`${bob['user'].id}.*${alice['user'].id}.*no number`),
      ]);
      expect(s.log.join('')).not.toContain(phoneNumber);
    });

    it('is refused with 409 without takeOverNumber, and 400 if that is not true or false', async () => {
      const { phoneNumber } = user();
      const alice = await into(user(phoneNumber), ALONE);
      await registered(s, alice);
      const bob = await into(user(phoneNumber), ALONE);
      for (const [takeOverNumber, status] of [
        [undefined, 409],
        [false, 409],
        ['yes', 400],
      ]) {
        const { registrationTicket } = await phoneLogin(bob);
        const body = { registrationTicket, takeOverNumber };
        const response = await s.call('POST /auth/register', { token: bob.session_rd, body });
        expect([takeOverNumber, response.status]).toEqual([takeOverNumber, status]);
      }
      expect((await me(alice))['phoneNumber']).toBe(phoneNumber);
    });

    it('removes the identities that had joined by it from the old account, and revokes their sessions', async () => {
      const [alice, joined] = await twoApps();
      await phoneLogin(joined);
      const bob = await into(user(alice.wechat.phoneNumber), ALONE);
      expect((await takeOver(bob)).status).toBe(200);
      expect((await s.call('GET /me', { token: joined.session_rd })).status).toBe(401);
      expect((await me(await into(joined.wechat, LONELY)))['id']).not.toBe(alice['user'].id);
      expect((await me(alice))['id']).toBe(alice['user'].id);
    });

    it('replaces the number that the new owner had', async () => {
      const { phoneNumber } = user();
      const alice = await into(user(phoneNumber), ALONE);
      await registered(s, alice);
      const bob = await into(user(), LONELY);
      await registered(s, bob);
      bob.wechat.phoneNumber = phoneNumber;
      expect((await takeOver(bob)).body.data.user).toMatchObject({
        id: bob['user'].id,
        phoneNumber,
      });
    });
  });

  describe('if requests race', () => {
    /** Checks the rules that hold for all accounts after any race. */
    const violations = (): Promise<unknown[]> =>
      sql(`
        SELECT u.id FROM users u LEFT JOIN identities i ON i.user_id = u.id GROUP BY u.id
        HAVING count(i.*) FILTER (WHERE NOT joined_by_phone) = 0
            OR (u.phone_e164 IS NULL AND count(i.*) FILTER (WHERE joined_by_phone) > 0)`);
    const owners = (phoneNumber: string): Promise<{ id: string }[]> =>
      sql('SELECT id FROM users WHERE phone_number = $1', phoneNumber);

    it('gives the number to one of six users who take it over at the same time, and the others get 409', async () => {
      const { phoneNumber } = user();
      await registered(s, await into(user(phoneNumber), ALONE));
      const others = await Promise.all(
        Array.from({ length: 6 }, () => into(user(phoneNumber), ALONE)),
      );
      const responses = await Promise.all(others.map(takeOver));
      expect(statusesOf(responses).filter((status) => ![200, 409].includes(status))).toEqual([]);
      const winners = responses.filter(({ status }) => status === 200);
      expect(winners.length).toBeGreaterThan(0);
      const [owner, ...more] = await owners(phoneNumber);
      expect([winners.map(({ body }) => body.data.user.id), more]).toEqual([
        expect.arrayContaining([owner?.id]),
        [],
      ]);
      expect(await violations()).toEqual([]);
    });

    it.each<[string, (owner: Person, taker: Person) => Promise<AppResponse>]>([
      ['taken over', (_, taker) => takeOver(taker)],
      ['changed', (owner) => changeNumber(owner)],
      [
        'deleted with its account',
        async ({ withPhone }) => {
          const { token } = (await withPhone('POST /auth/phone-login')).body.data;
          return s.call('DELETE /account', { token });
        },
      ],
    ])('a number that is %s while three others log in with it', async (_, act) => {
      const { phoneNumber } = user();
      const owner = await into(user(phoneNumber), ALONE);
      await registered(s, owner);
      const taker = await into(user(phoneNumber), ALONE);
      const joining = await Promise.all(
        [LONELY, SHOP, CLUB].map((where) => into(user(phoneNumber), where)),
      );
      const [acted, ...logins] = await Promise.all([
        act(owner, taker),
        ...[...joining, ...joining].map((one) => one.withPhone('POST /auth/phone-login')),
      ]);
      expect(acted.status).toBe(200);
      for (const { status, body } of logins)
        expect([status, body.error]).not.toContain('ERR_INTERNAL');
      expect(logins.filter(({ status }) => ![200, 401, 404].includes(status))).toEqual([]);
      expect((await owners(phoneNumber)).length).toBeLessThan(2);
      expect(await violations()).toEqual([]);
      for (const one of joining) {
        const again = await into(one.wechat, ALONE);
        expect((await me(again))['id']).toEqual(expect.any(String));
      }
    });

    it('refuses a time of verification without a number in the database itself', async () => {
      const one = await into(user(), ALONE);
      const query = 'UPDATE users SET phone_verified_at = now() WHERE id = $1';
      await expect(sql(query, one['user'].id)).rejects.toThrow(/violates/);
    });
  });

  it('the migration gives older accounts the safe values: no trust, and joined by phone unless created together', async () => {
    const runner = s.app.get(DataSource).createQueryRunner();
    const migration = new PhoneTrust1764000000000();
    await migration.down(runner);
    const wechat = user();
    const insertUser = (values: string): Promise<{ id: string }[]> =>
      runner.query(`INSERT INTO users (phone_number, phone_e164, unionid, created_at)
        VALUES (${values}) RETURNING id`);
    const day = (n: number): string => `'2026-01-0${n}T00:00:00Z'`;
    const [joined] = await insertUser(`'13900000001', '+8613900000001', NULL, ${day(2)}`);
    const [single] = await insertUser(`NULL, NULL, '${wechat.unionid(SHOP.appId)}', ${day(2)}`);
    const [company] = await insertUser(`NULL, NULL, 'u1', ${day(2)}`);
    await runner.query(
      `INSERT INTO identities (app_id, openid, user_id, created_at) VALUES
        ('a1', 'early', $1, ${day(1)}), ('a2', 'own', $1, ${day(2)}), ('a3', 'late', $1, ${day(3)}),
        ('a1', 'single', $2, ${day(2)}),
        ('a1', 'one', $3, ${day(2)}), ('a2', 'two', $3, ${day(3)})`,
      [joined?.id, single?.id, company?.id],
    );
    await migration.up(runner);
    await runner.release();

    const identities = await sql<{ openid: string }>(
      `SELECT openid, joined_by_phone AS "byPhone", unionid FROM identities
       WHERE user_id IN ($1, $2, $3) ORDER BY openid`,
      ...[joined, single, company].map((one) => one?.id),
    );
    expect(identities).toEqual([
      { openid: 'early', byPhone: true, unionid: null },
      { openid: 'late', byPhone: true, unionid: null },
      { openid: 'one', byPhone: false, unionid: null },
      { openid: 'own', byPhone: false, unionid: null },
      { openid: 'single', byPhone: false, unionid: wechat.unionid(SHOP.appId) },
      { openid: 'two', byPhone: false, unionid: null },
    ]);
    const visitor = await into(s.wechat.users.create({ phoneNumber: '13900000001' }), LONELY);
    expect(await phoneLogin(visitor)).toMatchObject({ linked: false, user: { id: joined?.id } });
  });
});

it('a token of scope phone expires after JWT_TTL at the latest', async () => {
  const short = await start({ env: { JWT_TTL: '5m' } });
  const { phoneNumber } = short.wechat.users.create();
  await registered(short, await person(short, { phoneNumber }));
  const other = await person(short, { phoneNumber });
  const { body } = await other.withPhone('POST /auth/phone-login');
  expect([body.data.linked, body.data.expiresIn]).toEqual([false, 300]);
  await short.close();
});

it('PHONE_TRUST sets how long a number is trusted', async () => {
  const sandbox = { apps: [ALONE, LONELY] };
  const long = await start({ env: { PHONE_TRUST: '10000d' }, sandbox });
  const { phoneNumber } = long.wechat.users.create();
  await registered(long, await person(long, { phoneNumber }, ALONE.appId));
  long.wechat.clock.advance('1000d');
  const visitor = await person(long, { phoneNumber }, LONELY.appId);
  const { body } = await visitor.withPhone('POST /auth/phone-login');
  expect(body.data.linked).toBe(true);
  await long.close();
});
