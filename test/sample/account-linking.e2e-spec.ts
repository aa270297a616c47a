import { DataSource } from 'typeorm';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { mp3 } from '../support/audio.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { file, uploadTo } from '../support/multipart.js';
import { statusesOf } from '../support/http.js';
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

/** Two apps without an open-platform account, two of one company, and one of another company. */
const [ALONE, LONELY, SHOP, CLUB, ELSEWHERE] = [
  app('a', false),
  app('b', false),
  app('c', 'company'),
  app('d', 'company'),
  app('e', 'another'),
] as const;

const TAKEN = {
  code: 409,
  msg: 'phone in use',
  data: null,
  success: false,
  error: 'ERR_PHONE_TAKEN',
};

/** docs/account-linking.md names the test of each rule. */
describeOnEachDatabase('account linking', (database) => {
  let s: Started;
  beforeAll(async () => {
    s = await start({
      database: database(),
      sandbox: { apps: [ALONE, LONELY, SHOP, CLUB, ELSEWHERE] },
    });
  });
  afterAll(() => s.close());

  const into = (wechat: SandboxUser, { appId }: { appId: string }): Promise<Person> =>
    person(s, wechat, appId);
  const anybody = (phoneNumber?: string): SandboxUser =>
    s.wechat.users.create(phoneNumber === undefined ? {} : { phoneNumber });
  const idOf = async ({ session_rd }: Person): Promise<string> =>
    (await s.call('GET /me', { token: session_rd })).body.data.id;
  const idsOf = (...people: Person[]): Promise<string[]> => Promise.all(people.map(idOf));
  const sql = <Row>(query: string, ...values: unknown[]): Promise<Row[]> =>
    s.app.get(DataSource).query(query, values);
  /** A login without a unionid, as before the app is bound to an open-platform account. */
  const beforeBinding = (wechat: SandboxUser, where: { appId: string }): Promise<Person> => {
    s.wechat.next('/sns/jscode2session', {
      transform: (json) => ({ ...json, unionid: undefined }),
    });
    return into(wechat, where);
  };

  describe('by openid', () => {
    it('is one account in one app, also if many logins race', async () => {
      const wechat = anybody();
      const people = await Promise.all(Array.from({ length: 10 }, () => into(wechat, ALONE)));
      expect(new Set(await idsOf(...people)).size).toBe(1);
      expect(people.filter(({ isNewUser }) => isNewUser)).toHaveLength(1);
    });

    it('is two accounts in two apps without a common open-platform account', async () => {
      const wechat = anybody();
      const [one, other] = [await into(wechat, ALONE), await into(wechat, LONELY)];
      expect([one.isNewUser, other.isNewUser, (await idOf(one)) === (await idOf(other))]).toEqual([
        true,
        true,
        false,
      ]);
    });
  });

  describe('by unionid', () => {
    it('is one account in all apps of one company, also when both first logins race', async () => {
      const wechat = anybody();
      const people = await Promise.all(
        [SHOP, CLUB, SHOP, CLUB, SHOP, CLUB].map((where) => into(wechat, where)),
      );
      expect(new Set(await idsOf(...people)).size).toBe(1);
      expect(people.filter(({ isNewUser }) => isNewUser)).toHaveLength(1);
    });

    it('is another account in an app of another company', async () => {
      const wechat = anybody();
      const [one, other] = [await into(wechat, SHOP), await into(wechat, ELSEWHERE)];
      expect(await idOf(one)).not.toBe(await idOf(other));
    });

    it('becomes one account when an app is bound later: the account that has the unionid stays, and nothing is lost', async () => {
      const wechat = anybody();
      const early = await beforeBinding(wechat, SHOP);
      await s.call('PATCH /me', { token: early.session_rd, body: { nickName: 'early' } });
      await early.withPhone('PUT /me/phone');
      const recording = await uploadTo(s.url)('POST /recordings', early.session_rd, [
        file(mp3(500)),
      ]);
      const other = await into(wechat, CLUB);
      expect(await idOf(early)).not.toBe(await idOf(other));

      const late = await into(wechat, SHOP); // now WeChat returns the unionid
      expect([late.isNewUser, late['user'].id]).toEqual([false, other['user'].id]);
      const me = {
        id: other['user'].id,
        nickName: 'early',
        phoneNumber: wechat.phoneNumber,
        unionid: wechat.unionid(SHOP.appId),
      };
      for (const { session_rd: token } of [early, other, late]) {
        expect((await s.call('GET /me', { token })).body.data).toMatchObject(me);
        expect((await s.call('GET /recordings', { token })).body.data).toEqual([
          recording.body.data,
        ]);
      }
    });

    it('becomes one account once if two late logins race', async () => {
      const wechat = anybody();
      const early = await beforeBinding(wechat, SHOP);
      const other = await into(wechat, CLUB);
      const late = await Promise.all(Array.from({ length: 6 }, () => into(wechat, SHOP)));
      expect(new Set(await idsOf(early, other, ...late))).toEqual(new Set([other['user'].id]));
    });

    it('stays two accounts if both have a number', async () => {
      const wechat = anybody();
      const early = await beforeBinding(wechat, SHOP);
      await early.withPhone('PUT /me/phone');
      wechat.phoneNumber = anybody().phoneNumber;
      const other = await into(wechat, CLUB);
      await other.withPhone('PUT /me/phone');
      const late = await into(wechat, SHOP);
      expect(await idsOf(early, late)).toEqual([early['user'].id, early['user'].id]);
      expect(await idOf(other)).toBe(other['user'].id);
    });

    it('is not shared by two openids of an app, even if WeChat returns one unionid for both', async () => {
      const [wechat, other] = [anybody(), anybody()];
      const one = await into(wechat, SHOP);
      s.wechat.next('/sns/jscode2session', {
        transform: (json) => ({ ...json, unionid: wechat.unionid(SHOP.appId) }),
      });
      const two = await into(other, SHOP);
      expect([two.isNewUser, two['user'].unionid]).toEqual([true, null]);
      expect(await idOf(two)).not.toBe(await idOf(one));
    });
  });

  describe('by phone', () => {
    it('becomes one account at a phone login: the account that has the number stays, and nothing is lost', async () => {
      const wechat = anybody();
      const owner = await into(wechat, ALONE);
      await s.call('PATCH /me', { token: owner.session_rd, body: { nickName: 'owner' } });
      await registered(s, owner);
      const visitor = await into(wechat, LONELY);
      await s.call('PATCH /me', { token: visitor.session_rd, body: { nickName: 'visitor' } });
      const recording = await uploadTo(s.url)('POST /recordings', visitor.session_rd, [
        file(mp3(500)),
      ]);

      const { status, body } = await visitor.withPhone('POST /auth/phone-login');
      expect([status, body.data.user]).toMatchObject([
        200,
        { id: owner['user'].id, nickName: 'owner' },
      ]);
      expect(await idsOf(owner, visitor)).toEqual([owner['user'].id, owner['user'].id]);
      for (const { session_rd: token } of [owner, visitor])
        expect((await s.call('GET /recordings', { token })).body.data).toEqual([
          recording.body.data,
        ]);
      const account = await s.call('GET /account', { token: body.data.token });
      expect(
        account.body.data.identities.map(({ appId }: { appId: string }) => appId).toSorted(),
      ).toEqual([ALONE.appId, LONELY.appId]);
      expect(await idOf(await into(wechat, LONELY))).toBe(owner['user'].id);
    });

    it('merges the unionid too, and with it the other apps of the company', async () => {
      const wechat = anybody();
      const owner = await into(wechat, ALONE);
      await registered(s, owner);
      await (await into(wechat, SHOP)).withPhone('POST /auth/phone-login');
      expect(await idsOf(owner, await into(wechat, SHOP), await into(wechat, CLUB))).toEqual(
        Array.from({ length: 3 }, () => owner['user'].id),
      );
    });

    it('becomes one account once if ten phone logins race', async () => {
      const wechat = anybody();
      const owner = await into(wechat, ALONE);
      await registered(s, owner);
      const visitor = await into(wechat, LONELY);
      const responses = await Promise.all(
        Array.from({ length: 10 }, () => visitor.withPhone('POST /auth/phone-login')),
      );
      expect(new Set(statusesOf(responses))).toEqual(new Set([200]));
      expect(await idsOf(owner, visitor)).toEqual([owner['user'].id, owner['user'].id]);
    });

    it('never merges with another WeChat user of the same app, who only gets a token of scope phone', async () => {
      const phoneNumber = anybody().phoneNumber;
      const owner = await into(anybody(phoneNumber), ALONE);
      await registered(s, owner);
      const other = await into(anybody(phoneNumber), ALONE);
      const { status, body } = await other.withPhone('POST /auth/phone-login');
      expect([status, body.data.user.id]).toEqual([200, owner['user'].id]);
      expect((await s.call('GET /account', { token: body.data.token })).body.data.id).toBe(
        owner['user'].id,
      );
      expect(await idOf(other)).toBe(other['user'].id);
      expect((await s.call('GET /recordings', { token: other.session_rd })).body.data).toEqual([]);
    });

    it('never merges with an account of another unionid', async () => {
      const wechat = anybody();
      const owner = await into(wechat, SHOP);
      await registered(s, owner);
      const other = await into(wechat, ELSEWHERE);
      expect((await other.withPhone('POST /auth/phone-login')).body.data.user.id).toBe(
        owner['user'].id,
      );
      expect(await idOf(other)).toBe(other['user'].id);
    });

    it('never merges with an account that has its own number', async () => {
      const wechat = anybody();
      const owner = await into(wechat, ALONE);
      await registered(s, owner);
      const other = await into(wechat, LONELY);
      const first = wechat.phoneNumber;
      wechat.phoneNumber = anybody().phoneNumber;
      await other.withPhone('PUT /me/phone');
      wechat.phoneNumber = first;
      expect((await other.withPhone('POST /auth/phone-login')).body.data.user.id).toBe(
        owner['user'].id,
      );
      expect(await idOf(other)).toBe(other['user'].id);
    });

    it('makes a token of scope phone invalid as soon as the account has another number', async () => {
      const phoneNumber = anybody().phoneNumber;
      const wechat = anybody(phoneNumber);
      const owner = await into(wechat, ALONE);
      const own = await registered(s, owner);
      const { token } = (
        await (await into(anybody(phoneNumber), ALONE)).withPhone('POST /auth/phone-login')
      ).body.data;
      wechat.phoneNumber = anybody().phoneNumber;
      await owner.withPhone('PUT /me/phone');
      expect((await s.call('GET /account', { token })).status).toBe(401);
      expect((await s.call('GET /account', { token: own })).status).toBe(200);
    });

    it('does not link the same digits of another country', async () => {
      const chinese = await into(s.wechat.users.create({ phoneNumber: '13580001111' }), ALONE);
      await registered(s, chinese);
      const american = await into(
        s.wechat.users.create({ phoneNumber: '3580001111', countryCode: '1' }),
        LONELY,
      );
      const { status, body } = await american.withPhone('POST /auth/phone-login');
      expect([status, body.data.phoneNumber]).toEqual([404, '13580001111']);
      expect((await american.withPhone('PUT /me/phone')).status).toBe(200);
      expect(await idOf(american)).not.toBe(await idOf(chinese));
    });
  });

  describe('with the number of another account', () => {
    it('gets 409 from PUT /me/phone, and nothing changes', async () => {
      const wechat = anybody();
      const owner = await into(wechat, ALONE);
      await owner.withPhone('PUT /me/phone');
      const other = await into(wechat, LONELY);
      const { status, body } = await other.withPhone('PUT /me/phone');
      expect([status, body]).toEqual([409, TAKEN]);
      expect(await idsOf(owner, other)).toEqual([owner['user'].id, other['user'].id]);
      expect((await owner.withPhone('PUT /me/phone')).status).toBe(200); // the account's own number is not a conflict
    });

    it('gets 409 from POST /auth/register if the number was taken after the ticket was issued', async () => {
      const wechat = anybody();
      const [slow, fast] = [await into(wechat, ALONE), await into(wechat, LONELY)];
      const { registrationTicket } = (await slow.withPhone('POST /auth/phone-login')).body.data;
      await registered(s, fast);
      const { status, body } = await s.call('POST /auth/register', {
        token: slow.session_rd,
        body: { registrationTicket, nickName: 'x' },
      });
      expect([status, body]).toEqual([409, TAKEN]);
      expect((await s.call('GET /me', { token: slow.session_rd })).body.data).toMatchObject({
        nickName: null,
        phoneNumber: null,
      });
      expect((await slow.withPhone('POST /auth/phone-login')).body.data.user.id).toBe(
        fast['user'].id,
      ); // the way out that the docs describe
      expect(await idOf(slow)).toBe(fast['user'].id);
    });

    it('is refused if another account sets it at the same time', async () => {
      const phoneNumber = anybody().phoneNumber;
      const people = await Promise.all(
        Array.from({ length: 6 }, () => into(anybody(phoneNumber), ALONE)),
      );
      expect(
        statusesOf(await Promise.all(people.map(({ withPhone }) => withPhone('PUT /me/phone')))),
      ).toEqual([200, 409, 409, 409, 409, 409]);
    });

    it('is refused if another account registers it at the same time', async () => {
      const phoneNumber = anybody().phoneNumber;
      const people = await Promise.all(
        Array.from({ length: 4 }, () => into(anybody(phoneNumber), ALONE)),
      );
      const tickets = await Promise.all(
        people.map(
          async (one) =>
            (await one.withPhone('POST /auth/phone-login')).body.data.registrationTicket,
        ),
      );
      const responses = people.map(({ session_rd: token }, n) =>
        s.call('POST /auth/register', { token, body: { registrationTicket: tickets[n] } }),
      );
      expect(statusesOf(await Promise.all(responses))).toEqual([200, 409, 409, 409]);
    });

    it('can have it after the other account has changed or deleted it', async () => {
      const phoneNumber = anybody().phoneNumber;
      const [one, two, three] = [anybody(phoneNumber), anybody(phoneNumber), anybody(phoneNumber)];
      const first = await into(one, ALONE);
      const token = await registered(s, first);
      const [second, third] = [await into(two, ALONE), await into(three, ALONE)];
      one.phoneNumber = anybody().phoneNumber;
      await first.withPhone('PUT /me/phone');
      expect((await second.withPhone('PUT /me/phone')).status).toBe(200);
      expect((await third.withPhone('PUT /me/phone')).status).toBe(409);
      expect((await s.call('DELETE /account', { token })).status).toBe(200);
      const old = (await second.withPhone('POST /auth/phone-login')).body.data.token;
      await s.call('DELETE /account', { token: old });
      expect((await third.withPhone('PUT /me/phone')).status).toBe(200);
    });
  });

  describe('if requests race', () => {
    it('two accounts that log in with each other’s number do not deadlock', async () => {
      const [a, b] = [anybody(), anybody()];
      const [one, other] = [await into(a, ALONE), await into(b, LONELY)];
      await Promise.all([registered(s, one), registered(s, other)]);
      [a.phoneNumber, b.phoneNumber] = [b.phoneNumber, a.phoneNumber];
      const responses = await Promise.all(
        [1, 2, 3].flatMap(() =>
          [one, other].map(({ withPhone }) => withPhone('POST /auth/phone-login')),
        ),
      );
      expect(statusesOf(responses)).toEqual([200, 200, 200, 200, 200, 200]);
      expect(await idsOf(one, other)).toEqual([one['user'].id, other['user'].id]);
    });

    it('an account that is deleted during a merge leaves no rows', async () => {
      const wechat = anybody();
      const owner = await into(wechat, ALONE);
      const token = await registered(s, owner);
      const visitor = await into(wechat, LONELY);
      const [deleted, joined] = await Promise.all([
        s.call('DELETE /account', { token }),
        visitor.withPhone('POST /auth/phone-login'),
      ]);
      expect(deleted.status).toBe(200);
      expect([200, 401, 404]).toContain(joined.status);
      const again = await into(wechat, LONELY);
      expect(await idOf(again)).toBe(again['user'].id);
    });

    it.each<[string, string]>([
      [
        'an openid with two accounts',
        `INSERT INTO identities (app_id, openid, user_id) SELECT app_id, openid, $2 FROM identities WHERE user_id = $1`,
      ],
      [
        'two openids in one app',
        `INSERT INTO identities (app_id, openid, user_id) SELECT app_id, 'another', $1 FROM identities WHERE user_id = $2`,
      ],
      [
        'one number twice',
        `UPDATE users SET (phone_number, phone_e164) = (SELECT phone_number, phone_e164 FROM users WHERE id = $1) WHERE id = $2`,
      ],
      [
        'one unionid twice',
        `UPDATE users SET unionid = (SELECT unionid FROM users WHERE id = $1) WHERE id = $2`,
      ],
      ['half a number', `UPDATE users SET phone_number = NULL WHERE id IN ($1, $2)`],
      [
        'a recording without a user',
        `INSERT INTO recordings (id, user_id, format, file_size, duration) VALUES ($1, gen_random_uuid(), $2, 1, 1)`,
      ],
    ])('the database itself refuses %s', async (_, query) => {
      const [one, other] = [await into(anybody(), SHOP), await into(anybody(), SHOP)];
      await one.withPhone('PUT /me/phone');
      await expect(sql(query, one['user'].id, other['user'].id)).rejects.toThrow(/violates/);
    });
  });

  describe('does not use', () => {
    it('the identity in a body: unionid, openid, phone number and user id change nothing', async () => {
      const [me, other] = [await into(anybody(), ALONE), await into(anybody(), SHOP)];
      await registered(s, other);
      const claims = {
        id: other['user'].id,
        userId: other['user'].id,
        unionid: other['user'].unionid,
        openid: other.wechat.openid(SHOP.appId),
      };
      const body = {
        ...claims,
        phoneNumber: other.wechat.phoneNumber,
        phoneE164: `+86${other.wechat.phoneNumber}`,
        nickName: 'me',
      };
      for (const route of ['PATCH /me', 'PUT /me'])
        expect((await s.call(route, { token: me.session_rd, body })).body.data).toMatchObject({
          id: me['user'].id,
          unionid: null,
          phoneNumber: null,
          nickName: 'me',
        });
    });

    it('an equal name and picture', async () => {
      const look = { nickName: 'Alice', avatarUrl: 'https://thirdwx.qlogo.cn/alice' };
      const [a, b] = [s.wechat.users.create(look), s.wechat.users.create(look)];
      const [one, other] = [await into(a, SHOP), await into(b, CLUB)];
      await s.call('PUT /me/profile', {
        token: one.session_rd,
        body: await a.getUserInfo(SHOP.appId),
      });
      await s.call('PUT /me/profile', {
        token: other.session_rd,
        body: await b.getUserInfo(CLUB.appId),
      });
      expect(await idOf(one)).not.toBe(await idOf(other));
    });
  });
});
