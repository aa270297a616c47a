import * as fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { Instance, killInstances } from './instance.js';
import { any } from './team.js';
import { trials } from './rows.js';

const HOUR = 3_600_000;
const LONGEST = 60_000;
/** The promise: what ends ends within 2 s of Redis's time. */
const WITHIN = 2_000;
/** How long access tokens and open data are good for here, and sessions, in real time. */
const LIFE = 1_500;
const SESSION_LIFE = 2 * LIFE;
/** What an end may come early by: half of the time that Redis's answer was on its way, on a machine that is busy. */
const EARLY = 500;
const STABLE = '/cgi-bin/stable_token';
/** WeChat's token is not used any more when so much of its life is left. */
const UNUSED_REST = 30_000;

/** What is done to a clock while it runs: NTP, an operator, or the end of summer time on a machine that keeps local time. */
const jump = fc.oneof(
  fc.integer({ min: -10_000, max: 10_000 }),
  fc.constantFrom(HOUR, -HOUR, HOUR / 2, -HOUR / 2),
);
const jumpsOf = (trial: number): number[] =>
  fc.sample(fc.array(jump, { minLength: 2, maxLength: 2 }), { seed: trial, numRuns: 1 })[0]!;

describeRedis('instances whose clocks are wrong', () => {
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
  }, LONGEST);
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
  /** How long it is still so at each of them, by Redis's time; the clocks jump at the start and half-way. */
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

  it('control: the processes themselves believe that it is an hour later and earlier', async () => {
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
    'T7 a session ends for all of them when its life is over by the time of Redis',
    async (trial) => {
      const since = await redisTime();
      const sessionRd = await login([ahead, behind][trial % 2]!);
      expectLives(
        await lives(trial, since, async (at) => (await at.me(sessionRd)) !== 401),
        SESSION_LIFE,
      );
    },
  );

  it.each(trials(50))(
    'T7 the access token is used by all of them as long as it works, and no longer',
    async (trial) => {
      const appId = wechat.apps[used++]!.appId;
      wechat.always(STABLE, { errcode: 45009 }); // WeChat has no other token
      wechat.next(STABLE, {
        body: { access_token: `token-${trial}`, expires_in: (UNUSED_REST + LIFE + 500) / 1_000 },
      });
      const since = (await redisTime()) + 500; // its life is told in whole seconds
      await any([ahead, behind]).accessTokens({ appId });
      const isUsed = (at: Instance): Promise<boolean> =>
        at.accessTokens({ appId }).then(
          ([token]) => token === `token-${trial}`,
          (error: Error) => error.message.includes('ERR_STORE_UNAVAILABLE'),
        );
      expectLives(await lives(trial, since, isUsed));
    },
  );

  it.each(trials(50))(
    'T7 open data is taken by all of them until it is too old, not by their own clocks',
    async (trial) => {
      const tokens = await Promise.all(all().map((each) => login(each)));
      const since = Math.floor((await redisTime()) / 1_000) * 1_000; // watermarks are whole seconds
      const data = await user.getUserInfo();
      const isTaken = async (at: Instance): Promise<boolean> => {
        const { status } = await at.post('/open-data', tokens[all().indexOf(at)], data);
        return status === 201 || status === 503; // a busy machine; asked again
      };
      expectLives(await lives(trial, since, isTaken));
    },
  );
});
