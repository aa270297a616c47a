import * as fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { Instance, killInstances } from './instance.js';
import { any } from './team.js';
import { trials } from './rows.js';

const HOUR = 3_600_000;
/** Sessions and tokens expire within 2 s of the time of Redis. */
const WITHIN = 2_000;
/** Lifetimes in this test, in real time: of access tokens and open data, and of sessions. */
const LIFE = 1_500;
const SESSION_LIFE = 2 * LIFE;
/** How much too early something may expire: half of the round trip of the TIME command on a busy machine. */
const EARLY = 500;
const STABLE = '/cgi-bin/stable_token';
/** The library stops using an access token this long before it expires. */
const UNUSED_REST = 30_000;

/** Changes of a running clock: NTP, an operator, or the end of summer time on a machine that keeps local time. */
const jump = fc.oneof(
  fc.integer({ min: -10_000, max: 10_000 }),
  fc.constantFrom(HOUR, -HOUR, HOUR / 2, -HOUR / 2),
);
const jumpsOf = (trial: number): number[] =>
  fc.sample(fc.array(jump, { minLength: 2, maxLength: 2 }), { seed: trial, numRuns: 1 })[0]!;

describeRedis('instances with wrong clocks', () => {
  let redis: TestRedis;
  let wechat: WechatSandbox;
  let user: SandboxUser;
  let ahead: Instance;
  let behind: Instance;
  let right: Instance;
  let used = 0;

  beforeAll(async () => {
    redis = await TestRedis.start();
    wechat = await startWechatSandbox({
      apps: Array.from({ length: 2 * trials(50).length }, (_, i) => ({
        appId: `wx${String(i).padStart(16, '0')}`,
        secret: String(i).padStart(32, '0'),
      })),
    });
    const session = { ttl: SESSION_LIFE };
    const options = { session, openData: { maxAge: LIFE }, clock: undefined };
    [ahead, behind, right] = (await Promise.all([
      Instance.start(wechat, redis, options, { CLOCK_SKEW: String(HOUR), TZ: 'America/New_York' }),
      Instance.start(wechat, redis, options, {
        CLOCK_SKEW: String(-HOUR),
        TZ: 'Australia/Lord_Howe',
      }),
      Instance.start(wechat, redis, options),
    ])) as [Instance, Instance, Instance];
  });
  beforeEach(() => {
    wechat.clear();
    user = wechat.users.create();
  });
  afterAll(async () => {
    killInstances();
    await wechat.close();
    await redis.end();
  });

  const all = (): Instance[] => [ahead, behind, right];
  const login = async (at: Instance): Promise<string> => {
    const response = await at.login((await user.login()).code);
    return ((await response.json()) as { session_rd: string }).session_rd;
  };
  const setClocks = (by: number): Promise<unknown> =>
    Promise.all([ahead, behind].map((each) => each.post(`/clock?by=${by}`)));
  const redisTime = async (): Promise<number> => {
    const [seconds, microseconds] = (await redis.run('TIME')) as string[];
    return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  };
  /** Returns until when `isSo` holds at each instance, by the time of Redis. The clocks jump at the start and half-way. */
  const lives = async (
    trial: number,
    since: number,
    isSo: (at: Instance) => Promise<boolean>,
  ): Promise<number[]> => {
    const [first, second] = jumpsOf(trial);
    await setClocks(first!);
    const jumped = sleep(LIFE / 2).then(() => setClocks(second!));
    const ends = await Promise.all(
      all().map(async (each) => {
        await until(async () => !(await isSo(each)));
        return (await redisTime()) - since;
      }),
    );
    await jumped;
    await setClocks(-first! - second!);
    return ends;
  };
  const expectLives = (found: number[], life = LIFE): void => {
    expect(Math.min(...found)).toBeGreaterThan(life - EARLY);
    expect(Math.max(...found)).toBeLessThan(life + WITHIN);
  };

  it('control: run in processes whose clocks are an hour ahead and behind', async () => {
    const clocks = await Promise.all(
      all().map(async (each) => (await (await each.post('/clock')).json()) as { now: number }),
    );
    const skews = clocks.map(({ now }) => ((now - Date.now()) / HOUR).toFixed(1));
    expect(skews).toEqual(['1.0', '-1.0', expect.stringMatching(/^-?0.0$/)]);
    expect(
      [ahead.log, behind.log].map((log) => /3600 s (ahead of|behind) Redis's/.exec(log)?.[1]),
    ).toEqual(['ahead of', 'behind']);
  });

  it.each(trials(50))(
    'T7 expire a session at the same time, by the time of Redis',
    async (trial) => {
      const since = await redisTime();
      const sessionRd = await login([ahead, behind][trial % 2]!);
      expectLives(
        await lives(trial, since, async (at) => (await at.me(sessionRd)) !== 401),
        SESSION_LIFE,
      );
    },
  );

  it.each(trials(50))('T7 use the access token until it expires, and no longer', async (trial) => {
    const appId = wechat.apps[used++]!.appId;
    wechat.always(STABLE, { errcode: 45009 }); // WeChat has no other token
    wechat.next(STABLE, {
      body: { access_token: `token-${trial}`, expires_in: (UNUSED_REST + LIFE + 500) / 1_000 },
    });
    const since = (await redisTime()) + 500; // its lifetime is in whole seconds
    await any([ahead, behind]).accessTokens({ appId });
    const isUsed = (at: Instance): Promise<boolean> =>
      at.accessTokens({ appId }).then(
        ([token]) => token === `token-${trial}`,
        (error: Error) => error.message.includes('ERR_STORE_UNAVAILABLE'),
      );
    expectLives(await lives(trial, since, isUsed));
  });

  it.each(trials(50))(
    'T7 accept open data until it is too old by the time of Redis',
    async (trial) => {
      const tokens = await Promise.all(all().map((each) => login(each)));
      const since = Math.floor((await redisTime()) / 1_000) * 1_000; // watermarks are whole seconds
      const data = await user.getUserInfo();
      const isTaken = async (at: Instance): Promise<boolean> => {
        const { status } = await at.post('/open-data', tokens[all().indexOf(at)], data);
        return status === 201 || status === 503; // 503 on a busy machine is retried
      };
      expectLives(await lives(trial, since, isTaken));
    },
  );
});
