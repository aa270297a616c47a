import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClientType } from 'redis';
import { SessionService, WechatEvents } from 'nestjs-wechat';
import type { IssuedSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { trials } from './rows.js';
import { any, Connections, startMembers, tally } from './team.js';
import type { Member } from './team.js';

const INSTANCES = 4;
const MAX_PER_USER = 10;

beforeAll(() => Logger.overrideLogger(false));

describeRedis('four instances on one Redis', () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let wechat: WechatSandbox;
  let connections: Connections;
  /** Two instances that reach Redis through a proxy with faults. */
  let behindProxy: Connections;
  let unlucky: Member[];
  let apps: TeamApp[];
  let sessions: SessionService[];
  let user: SandboxUser;

  beforeAll(async () => {
    [redis, wechat] = await Promise.all([TestRedis.start(), startWechatSandbox()]);
    proxy = await TcpProxy.start(redis.port);
    connections = await Connections.open(redis.url, INSTANCES);
    behindProxy = await Connections.open(proxy.url, 2);
    unlucky = await startMembers(wechat, behindProxy);
    apps = await Promise.all(
      connections.stores.map((store) => startTeamApp(optionsFor(wechat, { store }))),
    );
    sessions = apps.map((app) => app.get(SessionService));
  });
  afterAll(async () => {
    await closeTeamApps();
    await Promise.all(unlucky.map((member) => member.close()));
    await Promise.all([connections.close(), behindProxy.close()]);
    await wechat.close();
    await proxy.close();
    await redis.end();
  });
  beforeEach(() => {
    user = wechat.users.create();
  });

  const login = async (): Promise<IssuedSession> => any(sessions).login((await user.login()).code);
  /** Returns the status of a guarded request at a random instance. Throws if a 200 is for another user. */
  const enter = async (token: string): Promise<number> => {
    const response = await any(apps).as(token, '/me');
    if (response.status === 200)
      expect(await response.json()).toMatchObject({ openid: user.openid() });
    return response.status;
  };
  const refresh = (token: string): Promise<string | undefined> =>
    any(sessions).refresh(token).then(({ session_rd }) => session_rd, () => undefined); // prettier-ignore

  /** Checks row S1 on these three functions. `touch` writes the same record as an instance when a session is used or refreshed. */
  interface Revocable {
    enter(token: string): Promise<boolean>;
    touch(token: string): Promise<unknown>;
    end(token: string): Promise<void>;
    exists(token: string): Promise<boolean>;
  }
  const raceOfLogout = async (
    token: string,
    { enter: isIn, touch, end, exists }: Revocable,
  ): Promise<void> => {
    const before = Array.from({ length: 10 }, () => isIn(token));
    const touches = [touch(token), touch(token)];
    const ended = end(token);
    const during = Array.from({ length: 10 }, () => isIn(token));
    await ended;
    expect(await Promise.all([1, 2, 3].map(() => isIn(token)))).toEqual([false, false, false]);
    await Promise.all([...before, ...during, ...touches]);
    expect([await isIn(token), await exists(token)]).toEqual([false, false]);
  };

  it.each(trials(2000, 20))(
    'S1 keep a session ended after a logout that races with 20 guarded requests and a refresh',
    async () => {
      const { session_rd, session } = await login();
      await raceOfLogout(session_rd, {
        enter: async (token) => (await enter(token)) === 200,
        touch: async (token) => {
          const next = await refresh(token);
          if (next) await until(async () => (await enter(next)) === 401);
        },
        end: (token) => any(sessions).revoke(token),
        exists: async () => (await redis.run('EXISTS', `wx:s:${session.id}`)) === 1,
      });
    },
  );

  it('control: a store that writes on every use restores ended sessions', async () => {
    const clients = await Promise.all(Array.from({ length: INSTANCES }, () => redis.client()));
    const touch = async (client: RedisClientType, token: string): Promise<void> => {
      const record = await client.get(token);
      if (record) await client.set(token, record);
    };
    const naive: Revocable = {
      enter: async (token) => (await any(clients).get(token)) !== null,
      touch: (token) => touch(any(clients), token),
      end: async (token) => void (await any(clients).del(token)),
      exists: async (token) => (await any(clients).exists(token)) === 1,
    };
    const races = Array.from({ length: 100 }, async (_, i) => {
      await clients[0]!.set(`naive:${i}`, 'alice');
      await raceOfLogout(`naive:${i}`, naive);
    });
    expect(
      (await Promise.allSettled(races)).filter(({ status }) => status === 'rejected').length,
    ).toBeGreaterThan(0);
    for (const client of clients) client.destroy();
  });

  it.each(trials(500, 5))(
    'S2 create one user and one session when two of them get the same code',
    async () => {
      const { code } = await user.login();
      const requestsSent = tally(wechat);
      const responses = await Promise.allSettled([0, 0, 1, 1].map((i) => sessions[i]!.login(code)));
      const tokens = responses.flatMap((response) =>
        response.status === 'fulfilled' ? [response.value.session_rd] : [],
      );
      const refusals = responses.flatMap((response) =>
        response.status === 'rejected' ? [response.reason.code] : [],
      );
      expect([new Set(tokens).size, new Set(refusals)]).toEqual([1, new Set(['ERR_WECHAT_CODE'])]);
      expect([
        await enter(tokens[0]!),
        requestsSent(({ path }) => path === '/sns/jscode2session'),
      ]).toEqual([200, 2]); // from each instance
    },
  );

  it.each(trials(200, 5))(
    'S3 return one successor to ten refreshes, also after a lost response',
    async () => {
      const { session_rd } = await login();
      const successors = await Promise.all(Array.from({ length: 10 }, () => refresh(session_rd)));
      expect(new Set(successors).size).toBe(1);
      expect(await refresh(session_rd)).toBe(successors[0]);
      expect([await enter(session_rd), await enter(successors[0]!)]).toEqual([200, 200]);
    },
  );

  it.each(trials(200))(
    'S3 accept the predecessor until its grace time ends, and end the session after that',
    async () => {
      const reused = jest.fn();
      const deaf = apps.map((app) => app.get(WechatEvents).on('reuse', reused));
      const { session_rd } = await login();
      const next = (await refresh(session_rd))!;
      wechat.clock.advance('58s'); // instances read the time of Redis with a small error; session-model.spec.ts checks the exact millisecond
      expect([
        await enter(session_rd),
        await refresh(session_rd),
        reused.mock.calls.length,
      ]).toEqual([200, next, 0]);
      wechat.clock.advance('4s');
      expect([await enter(session_rd), await enter(next)]).toEqual([401, 200]); // only a refresh detects the copy
      expect(await refresh(session_rd)).toBeUndefined();
      expect([await enter(next), await refresh(next)]).toEqual([401, undefined]);
      await until(() => reused.mock.calls.length > 0);
      expect(reused).toHaveBeenCalledTimes(1);
      expect(reused.mock.calls[0]![0].session.openid).toBe(user.openid());
      for (const stop of deaf) stop();
    },
  );

  it.each(trials(200))(
    'S3 refuse an older token at once, and end the session when it is refreshed',
    async () => {
      const first = (await login()).session_rd;
      const second = (await refresh(first))!;
      const third = (await refresh(second))!;
      expect([await enter(first), await enter(second), await enter(third)]).toEqual([
        401, 200, 200,
      ]);
      expect(await refresh(first)).toBeUndefined();
      expect([await enter(second), await enter(third)]).toEqual([401, 401]);
    },
  );

  it.each(trials(200))(
    'S3 return one successor to ten refreshes when a reply of Redis to one of them is lost',
    async () => {
      const { session_rd } = await login();
      const retry = async (of: SessionService): Promise<string> => {
        for (;;) {
          const next = await of
            .refresh(session_rd)
            .catch(({ code }) => expect(code).toBe('ERR_STORE_UNAVAILABLE'));
          if (next) return next.session_rd;
          await sleep(20); // a client retries after 503
        }
      };
      proxy.next({ kind: 'dropReply' }, 'EVALSHA');
      const all = [...unlucky, ...unlucky].map((member) => member.sessions);
      const successors = new Set(
        await Promise.all([...all, ...sessions, ...sessions.slice(2)].map(retry)),
      );
      expect(successors.size).toBe(1);
    },
  );

  it.each(trials(200, 1))('S4 keep the ten newest of fifty parallel logins', async () => {
    const older = [await login(), await login()];
    wechat.clock.advance('1s');
    const codes = await Promise.all(
      Array.from({ length: 50 }, async () => (await user.login()).code),
    );
    const issued = await Promise.all(codes.map((code, i) => sessions[i % INSTANCES]!.login(code)));
    const statuses = await Promise.all(issued.map(({ session_rd }) => enter(session_rd)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(MAX_PER_USER);
    expect(await Promise.all(older.map(({ session_rd }) => enter(session_rd)))).toEqual([401, 401]);
    const live = issued.filter((_, i) => statuses[i] === 200).map(({ session }) => session.id);
    const listed = (await sessions[0]!.list(issued[0]!.session)).map(({ id }) => id);
    expect(listed.toSorted()).toEqual(live.toSorted());
    const last = await login();
    expect(await enter(last.session_rd)).toBe(200);
    expect(await enter(issued.find(({ session }) => session.id === listed[0])!.session_rd)).toBe(
      401,
    );
  });
});
