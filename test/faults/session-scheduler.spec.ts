import fc from 'fast-check';
import type { Scheduler } from 'fast-check';
import type { IssuedSession, SessionService } from 'nestjs-wechat';
import { BareWechat, bareInstance, openidOf, ScheduledStore } from './bare.js';
import type { BareInstance } from './bare.js';
import { often, trials } from './rows.js';

/** Orders of the store's replies in one trial. fast-check prints the seed of an order that fails. */
const ORDERS = 100;

interface World {
  scheduler: Scheduler;
  store: ScheduledStore;
  instances: BareInstance[];
  /** Delivers replies of the store in the order of fast-check until the promise is settled. */
  run<T>(work: Promise<T>): Promise<T>;
  login(code?: string): Promise<IssuedSession>;
}

/** Runs `play` in many orders, with two instances that share a store. */
function inEveryOrder(
  play: (world: World) => Promise<void>,
  session = {},
  Store = ScheduledStore,
): Promise<void> {
  const property = fc.asyncProperty(fc.scheduler(), async (scheduler) => {
    const store = new Store(scheduler);
    const wechat = new BareWechat();
    const instances = [1, 2].map(() => bareInstance(store, wechat, session));
    const run = async <T>(work: Promise<T>): Promise<T> => scheduler.waitFor(work);
    let codes = 0;
    const login = (code = `alice-${++codes}`): Promise<IssuedSession> =>
      run(instances[0]!.sessions.login(code));
    await play({ scheduler, store, instances, run, login });
  });
  return fc.assert(property, { numRuns: ORDERS });
}

type Outcome = { openid: string } | { refused: string };

async function outcome(session: Promise<{ openid: string }>): Promise<Outcome> {
  return session.then(({ openid }) => ({ openid }), ({ code }) => ({ refused: code })); // prettier-ignore
}

const REFUSED = { refused: 'ERR_WECHAT_SESSION' };
const ALICE = openidOf('alice');
const find = (sessions: SessionService, token: string): Promise<Outcome> =>
  outcome(sessions.find(token));

/** A logout that races with guarded requests and two refreshes. */
async function logoutRace({ instances: [one, two], run, login, store }: World): Promise<void> {
  const { session_rd, session } = await login();
  const racing = [
    ...[one!, two!, one!, two!].map(({ sessions }) => find(sessions, session_rd)),
    outcome(two!.sessions.refresh(session_rd).then((next) => next.session)),
  ];
  const refreshed = one!.sessions.refresh(session_rd).catch(() => undefined);
  const ended = two!.sessions.revoke(session_rd);
  const after = ended.then(() =>
    Promise.all([one!, two!].map(({ sessions }) => find(sessions, session_rd))),
  );
  expect(await run(after)).toEqual([REFUSED, REFUSED]);
  for (const each of await run(Promise.all(racing)))
    expect([{ openid: ALICE }, REFUSED]).toContainEqual(each);
  const next = await run(refreshed);
  if (next) expect(await run(find(one!.sessions, next.session_rd))).toEqual(REFUSED);
  expect([...store.entries.keys()]).not.toContain(`wx:s:${session.id}`);
}

/** The naive control: a refresh that sets the record without comparing it. */
class SettingStore extends ScheduledStore {
  override async replace(
    key: string,
    _expected: Buffer,
    value: Buffer,
    ttl: number,
  ): Promise<boolean> {
    await this.remove(key);
    return this.add(key, value, ttl);
  }
}

describe("sessions, in any order of the store's replies,", () => {
  it.each(trials(100, 1))(
    `S1 are refused after a confirmed logout that raced with other requests${often(ORDERS)}`,
    () => inEveryOrder(logoutRace),
  );

  it('control: return after a logout when the store sets records without comparing them', async () => {
    await expect(inEveryOrder(logoutRace, {}, SettingStore)).rejects.toThrow('Property failed');
  });

  it.each(trials(20, 1))(
    `S1 are refused after all of them were revoked, except those of later logins${often(ORDERS)}`,
    () =>
      inEveryOrder(async ({ instances: [one, two], run, login }) => {
        const [phone, tablet] = [await login(), await login()];
        const refreshed = two!.sessions.refresh(tablet.session_rd).catch(() => undefined);
        const ended = one!.sessions.revokeAll(phone.session);
        const after = ended.then(() =>
          Promise.all([phone, tablet].map(({ session_rd }) => find(two!.sessions, session_rd))),
        );
        expect(await run(after)).toEqual([REFUSED, REFUSED]);
        const next = await run(refreshed);
        if (next) expect(await run(find(two!.sessions, next.session_rd))).toEqual(REFUSED);
        expect(await run(find(two!.sessions, (await login()).session_rd))).toEqual({
          openid: ALICE,
        });
      }),
  );

  it.each(trials(20, 1))(
    `S2 are one, of one user, when two instances get the same code${often(ORDERS)}`,
    () =>
      inEveryOrder(async ({ instances: [one, two], run }) => {
        const logins = [one!, two!, two!].map(({ sessions }) => sessions.login('alice-1'));
        const settled = await run(Promise.allSettled(logins));
        const tokens = settled.flatMap((each) =>
          each.status === 'fulfilled' ? [each.value.session_rd] : [],
        );
        const refusals = settled.flatMap((each) =>
          each.status === 'rejected' ? [each.reason.code] : [],
        );
        expect(new Set(tokens).size).toBe(1);
        expect(refusals.every((code) => code === 'ERR_WECHAT_CODE')).toBe(true);
        expect(await run(find(one!.sessions, tokens[0]!))).toEqual({ openid: ALICE });
      }),
  );

  it.each(trials(10, 1))(`S3 have one successor after ten refreshes at once${often(ORDERS)}`, () =>
    inEveryOrder(async ({ instances, run, login }) => {
      const { session_rd } = await login();
      const refreshes = Array.from({ length: 10 }, (_, i) =>
        instances[i % 2]!.sessions.refresh(session_rd),
      );
      const successors = new Set(
        (await run(Promise.all(refreshes))).map((next) => next.session_rd),
      );
      expect([successors.size, successors.has(session_rd)]).toEqual([1, false]);
    }),
  );

  it.each(trials(10, 1))(
    `S3 end when a token older than the previous one is refreshed, also during another refresh${often(ORDERS)}`,
    () =>
      inEveryOrder(async ({ instances: [one, two], run, login }) => {
        const first = (await login()).session_rd;
        const second = (await run(one!.sessions.refresh(first))).session_rd;
        const third = (await run(one!.sessions.refresh(second))).session_rd;
        const thief = outcome(two!.sessions.refresh(first).then(({ session }) => session));
        const owner = one!.sessions.refresh(third).catch(() => undefined);
        expect(await run(thief)).toEqual(REFUSED);
        const fourth = await run(owner);
        for (const token of [first, second, third, ...(fourth ? [fourth.session_rd] : [])]) {
          expect(await run(find(two!.sessions, token))).toEqual(REFUSED);
        }
      }),
  );

  it.each(trials(10, 1))(
    `S4 are three after six logins at once, and never more${often(ORDERS)}`,
    () =>
      inEveryOrder(
        async ({ instances, run, login }) => {
          const before = await login();
          const logins = Array.from({ length: 6 }, (_, i) =>
            instances[i % 2]!.sessions.login(`alice-x${i}`),
          );
          const tokens = (await run(Promise.all(logins))).map(({ session_rd }) => session_rd);
          const found = await run(
            Promise.all(tokens.map((token) => find(instances[0]!.sessions, token))),
          );
          expect(found.filter((each) => 'openid' in each)).toHaveLength(3);
          expect(await run(find(instances[1]!.sessions, before.session_rd))).toEqual(REFUSED);
        },
        { maxPerUser: 3 },
      ),
  );
});
