import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { WechatModuleOptions } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, RecordedRequest, WechatSandbox } from 'nestjs-wechat-sandbox';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { Instance, killInstances } from './instance.js';
import { isFull, retryOnBusyMachine, trials } from './rows.js';
import { any, Connections, startMembers, tally, wipe } from './team.js';
import type { Member } from './team.js';

const STABLE = '/cgi-bin/stable_token';
const LEGACY = '/cgi-bin/token';
const API = '/cgi-bin/getcallbackip';
const INSTANCES = 4;
const CALLERS = 25;
/** How long a caller waits for the instance that holds the lock, in milliseconds. */
const LOCK_WAIT_MS = 3_000;
const SLACK_MS = 1_000;
/** The errcodes of an invalid access token. */
const REFUSALS = [40001, 40014, 42001];

/** Some trials need an app of their own. All other trials use the first app. */
const APPS = isFull ? 310 : 10;
/** WeChat hangs before it processes the request, during the response, or after it has processed the request. */
const HANGS: Fault[] = [
  { hang: true },
  { drip: '500ms', dripFrom: 'body' },
  { hang: 'after-work' },
];

const legacyMode = ({ url }: WechatSandbox): Partial<WechatModuleOptions> => ({
  api: { baseUrl: url, accessTokenMode: 'legacy' },
});

// T1 counted four fetches in place of one at a load of 11 on 2 cores: four instances, WeChat and 100 calls share one event loop.
retryOnBusyMachine();

beforeAll(() => Logger.overrideLogger(false));

describeRedis('the access token', () => {
  let redis: TestRedis;
  let wechat: WechatSandbox;
  let connections: Connections;
  let members: Member[] = [];

  beforeAll(async () => {
    redis = await TestRedis.start();
    wechat = await startWechatSandbox({
      apps: Array.from({ length: APPS }, (_, i) => ({
        appId: `wx${String(i).padStart(16, '0')}`,
        secret: String(i).padStart(32, '0'),
      })),
    });
    connections = await Connections.open(redis.url, INSTANCES);
  });
  beforeEach(async () => {
    await wipe(redis);
    wechat.clear();
    wechat.invalidateAccessToken();
  });
  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member.close()));
  });
  afterAll(async () => {
    await connections.close();
    await wechat.close();
    await redis.end();
  });

  const appId = (n = 0): string => wechat.apps[n]!.appId;
  const start = async (more: Partial<WechatModuleOptions> = {}): Promise<Member[]> => {
    const started = await startMembers(wechat, connections, more);
    members.push(...started);
    return started;
  };
  const inLegacyMode = (): Promise<Member[]> => start(legacyMode(wechat));
  /** Counts the requests to each endpoint from now on. */
  const watch = (): { stable(): number; forced(): number; legacy(): number; api(): number } => {
    const count = tally(wechat);
    const isForced = ({ body }: RecordedRequest): boolean =>
      (body as { force_refresh: boolean }).force_refresh;
    return {
      stable: () => count(({ path }) => path === STABLE),
      forced: () => count((request) => request.path === STABLE && isForced(request)),
      legacy: () => count(({ path }) => path === LEGACY),
      api: () => count(({ path }) => path === API),
    };
  };
  const getAll = (of: Member[]): Promise<string[]> =>
    Promise.all(
      Array.from({ length: INSTANCES * CALLERS }, (_, i) => of[i % of.length]!.tokens.get()),
    );
  /** Makes the lock of 8 s expire. */
  const expireLock = async (): Promise<void> => {
    await redis.run('DEL', `wx:lock:at:${appId()}`);
    wechat.clock.advance('8s');
  };

  describe('of four instances', () => {
    /** Shared by the tests that do not need instances with an empty cache. */
    let warm: Member[] = [];
    beforeAll(async () => {
      warm = await startMembers(wechat, connections, {
        api: { baseUrl: wechat.url, timeout: '1m' },
      }); // 100 parallel calls may be slow
    });
    afterAll(() => Promise.all(warm.map((member) => member.close())));

    it.each(trials(100, 3))(
      'T1 is fetched once when WeChat refuses it during 100 calls, and every call succeeds after at most one retry',
      async (n) => {
        await getAll(warm);
        wechat.invalidateAccessToken();
        wechat.always(API, {
          transform: (json) =>
            'errcode' in json ? { ...json, errcode: REFUSALS[n % REFUSALS.length] } : json,
        });
        const sent = watch();
        const call = (_: unknown, i: number): Promise<{ ip_list: string[] }> =>
          warm[i % INSTANCES]!.api.call({ method: 'GET', path: API });
        const responses = await Promise.all(Array.from({ length: 100 }, call));
        expect(responses.every(({ ip_list }) => ip_list.length > 0)).toBe(true);
        expect([sent.stable(), sent.forced()]).toEqual([1, 0]);
        expect(sent.api()).toBeLessThanOrEqual(200);
      },
    );

    it.each(trials(20, 1))(
      'T2 is fetched within the budget of forced fetches when WeChat refuses every token, and each call fails after one retry',
      async () => {
        wechat.always(API, { errcode: 40001 });
        const call = (): Promise<unknown> => any(warm).api.call({ method: 'GET', path: API });
        const sent = watch();
        for (let window = 0; window < 15; window++) {
          const within = watch();
          for (let i = 0; i < 4; i++)
            await expect(call()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
          expect(within.forced()).toBeLessThanOrEqual(1);
          await redis.run('DEL', `wx:force:${appId()}`); // its 30 seconds expire
        }
        expect(sent.api()).toBeLessThanOrEqual(2 * 15 * 4);
        expect(sent.forced()).toBeGreaterThan(0);
        expect(sent.forced()).toBeLessThanOrEqual(10); // WeChat allows 20 a day
      },
    );

    it.each(trials(200, 5))(
      'T3 is fetched once for 100 callers when no instance has it',
      async () => {
        const instances = await start();
        const sent = watch();
        const tokens = new Set(await getAll(instances));
        expect([tokens, sent.stable()]).toEqual([
          new Set([wechat.accessTokens.current(appId())]),
          1,
        ]);
      },
    );

    it.each(trials(50))(
      'R9 is fetched once when Redis has lost its data and the token has to be renewed',
      async () => {
        const instances = await start();
        const [old] = await getAll(instances);
        await wipe(redis);
        expect(new Set(await getAll(instances))).toEqual(new Set([old])); // each instance has cached it
        wechat.clock.advance('2h');
        const sent = watch();
        expect([new Set(await getAll(instances)), sent.stable()]).toEqual([
          new Set([wechat.accessTokens.current(appId())]),
          1,
        ]);
      },
    );

    it('control: is fetched more than once without a lock', async () => {
      const naive = async (): Promise<string> => {
        const stored = (await redis.run('GET', 'naive')) as string | null;
        if (stored) return stored;
        const body = JSON.stringify({
          grant_type: 'client_credential',
          appid: appId(),
          secret: wechat.apps[0]!.secret,
        });
        const response = await fetch(wechat.url + STABLE, { method: 'POST', body });
        const { access_token: token } = (await response.json()) as { access_token: string };
        await redis.run('SET', 'naive', token);
        return token;
      };
      const sent = watch();
      await Promise.all(Array.from({ length: 20 }, naive));
      expect(sent.stable()).toBeGreaterThan(1);
    });

    it.each(trials(10, 1))(
      'T6 is returned until it expires while refreshes fail, and then 503, and its record is kept',
      async () => {
        const instances = await start();
        const [old] = await getAll(instances);
        wechat.always(STABLE, { errcode: 45009 });
        wechat.clock.advance('112m');
        for (let minute = 0; minute < 7; minute++) {
          expect(new Set(await getAll(instances))).toEqual(new Set([old]));
          wechat.clock.advance('1m');
        }
        wechat.clock.advance('31s');
        await expect(any(instances).tokens.get()).rejects.toMatchObject({
          code: expect.stringMatching(/RATE_LIMIT|UNAVAILABLE/),
        });
        expect(await redis.run('EXISTS', `wx:at:${appId()}`)).toBe(1);
        wechat.clear();
        const renewed = await any(instances).tokens.get();
        expect([renewed === old, wechat.accessTokens.isValid(renewed)]).toEqual([false, true]);
      },
    );

    it.each(trials(200))(
      'T8 is the newest one in the store and for all callers when legacy responses overtake each other',
      async () => {
        const [slow, fast] = await inLegacyMode();
        wechat.next(LEGACY, { delay: '150ms' }); // WeChat issues this token at once, so it is the older one
        const sent = watch();
        const late = slow!.tokens.get();
        await until(() => sent.legacy() > 0);
        await expireLock();
        const tokens = [await fast!.tokens.get(), await late];
        expect(new Set(tokens)).toEqual(new Set([wechat.accessTokens.current(appId(), 'legacy')]));
      },
    );

    it.each(trials(200))(
      'T8 is replaced by the newer one when the older legacy response arrives first',
      async () => {
        const [slow, fast, cold] = await inLegacyMode();
        wechat.next(LEGACY, { delay: '60ms' });
        const sent = watch();
        const early = slow!.tokens.get();
        await until(() => sent.legacy() > 0);
        await expireLock();
        wechat.next(LEGACY, { delay: '400ms' }); // long enough that the older response arrives first on a slow machine, too
        const late = fast!.tokens.get();
        await until(() => sent.legacy() > 1);
        const older = await early;
        const newest = wechat.accessTokens.current(appId(), 'legacy');
        expect(older).not.toBe(newest);
        expect(await late).toBe(newest);
        expect(await cold!.tokens.get()).toBe(newest);
      },
    );

    it.each(trials(200))(
      'T8 is renewed by one retry when another client has replaced a legacy token',
      async () => {
        const instances = await inLegacyMode();
        await getAll(instances);
        const { secret } = wechat.apps[0]!;
        await fetch(
          `${wechat.url}${LEGACY}?grant_type=client_credential&appid=${appId()}&secret=${secret}`,
        );
        wechat.clock.advance('6m');
        const sent = watch();
        await Promise.all(instances.map(({ api }) => api.call({ method: 'GET', path: API })));
        expect(sent.legacy()).toBe(1);
      },
    );
  });

  describe('of four processes', () => {
    /** Starting a process is slow, so trials share the processes. Each trial uses an app whose token no process has cached. */
    let pool: Instance[] = [];
    let used = 0;
    let pausable: Promise<Instance> | undefined;
    const take = async (): Promise<Instance> => pool.pop() ?? Instance.start(wechat, redis);
    const nextApp = (): string => appId(++used);

    beforeAll(async () => {
      pool = await Promise.all(
        Array.from({ length: INSTANCES }, () => Instance.start(wechat, redis)),
      );
    });
    afterAll(killInstances);

    it.each(trials(50, 1))(
      'T3 is fetched once for 25 callers in each of four processes with an empty cache',
      async () => {
        const app = nextApp();
        const sent = watch();
        const tokens = await Promise.all(
          pool.map((instance) => instance.accessTokens({ callers: CALLERS, appId: app })),
        );
        expect(tokens.flat()).toEqual(
          Array(INSTANCES * CALLERS).fill(wechat.accessTokens.current(app)),
        );
        expect(sent.stable()).toBe(1);
      },
    );

    it.each(trials(50, 1))(
      'T4 is returned within 3 s when the process that holds the lock is killed before, during or after its call',
      async () => {
        const [[other], holder] = await Promise.all([start(), take()]);
        const apps = [nextApp(), nextApp(), nextApp()];
        for (const [n, fault] of HANGS.entries()) {
          const sent = watch();
          wechat.next(STABLE, fault);
          void holder.accessTokens({ appId: apps[n] }).catch(() => undefined);
          await until(() => sent.stable() > 0);
        }
        await holder.kill();
        const startedAt = performance.now();
        const tokens = await Promise.all(apps.map((app) => other!.tokens.get(app)));
        expect(performance.now() - startedAt).toBeLessThan(LOCK_WAIT_MS + SLACK_MS);
        expect(tokens.map((token) => wechat.accessTokens.isValid(token))).toEqual([
          true,
          true,
          true,
        ]);
      },
    );

    it.each(trials(50, 1))(
      'T4 is returned at once when the process that holds the lock is killed while the old token is valid',
      async () => {
        const [instances, holder] = await Promise.all([start(), take()]);
        const app = nextApp();
        const old = await instances[0]!.tokens.get(app);
        await redis.run('DEL', `wx:at:${app}`); // the holder has no cached token, so it fetches one
        const sent = watch();
        wechat.next(STABLE, { hang: 'after-work' });
        void holder.accessTokens({ appId: app }).catch(() => undefined);
        await until(() => sent.stable() > 0);
        await holder.kill();
        const startedAt = performance.now();
        expect(
          await Promise.all(Array.from({ length: CALLERS }, () => instances[0]!.tokens.get(app))),
        ).toEqual(Array(CALLERS).fill(old));
        expect(performance.now() - startedAt).toBeLessThan(SLACK_MS);
      },
    );

    it.each(trials(50, 1))(
      'T5 is not stored by a process that was paused until its lock expired, and the lock of another process is kept',
      async () => {
        const [[other], holder] = await Promise.all([
          inLegacyMode(),
          (pausable ??= Instance.start(wechat, redis, legacyMode(wechat))),
        ]);
        const app = nextApp();
        const lock = `wx:lock:at:${app}`;
        const sent = watch();
        wechat.next(LEGACY, { delay: '100ms' });
        const late = holder.accessTokens({ appId: app });
        await until(() => sent.legacy() > 0);
        holder.pause();
        await redis.run('DEL', lock); // the lock expires
        const newer = await other!.tokens.get(app);
        await redis.run('SET', lock, 'another process');
        await sleep(150); // the response of WeChat is in the socket buffer of the paused process
        holder.resume();
        expect(await late).toEqual([newer]);
        expect(newer).toBe(wechat.accessTokens.current(app, 'legacy'));
        expect(await redis.run('GET', lock)).toBe('another process');
        const [, cold] = await inLegacyMode();
        expect(await cold!.tokens.get(app)).toBe(newer);
      },
    );
  });
});
