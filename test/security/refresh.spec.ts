import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import type { SessionService } from 'nestjs-wechat';
import { bareInstance, BareWechat, MapStore, ScheduledStore } from '../faults/bare.js';
import { isFull, often } from '../faults/rows.js';

const GRACE = 60_000;
const RULES = { ttl: 30 * 60_000, maxAge: 24 * 60 * 60_000, refreshGrace: GRACE };
const HISTORIES = isFull ? 20_000 : 1_000;

/** Whether the owner's client sends an `Idempotency-Key`. */
type Client = 'with keys' | 'without keys';

/** The fate of a message: delivered, or the request or the response is lost. */
type Fate = 'delivered' | 'request lost' | 'response lost';

type Step =
  | { do: 'wait'; ms: number }
  | { do: 'owner refreshes'; fate: Fate }
  | { do: 'thief copies the token' }
  | { do: 'thief refreshes'; which: number; key: 'none' | 'own' | 'new' };

const newKey = (): string => randomBytes(16).toString('hex');

/** An owner and a thief of one session. Each has only the responses that the server sent to them. */
class Theft {
  readonly store = new MapStore();
  readonly sessions: SessionService = bareInstance(this.store, new BareWechat(), RULES).sessions;
  private readonly stolen: string[] = [];
  private readonly thiefKey = newKey();
  private token = '';
  private key = newKey();
  private loggedIn = true;
  /** The time of the owner's first refresh after the theft. */
  private refreshedAt?: number;

  constructor(private readonly client: Client) {}

  async play(steps: Step[]): Promise<void> {
    this.token = (await this.sessions.login('alice-1')).session_rd;
    for (const step of steps) {
      await this.take(step);
      await this.check();
    }
  }

  private async take(step: Step): Promise<void> {
    if (step.do === 'wait') this.store.advance(step.ms);
    if (step.do === 'owner refreshes' && this.loggedIn) await this.ownerRefreshes(step.fate);
    if (step.do === 'thief copies the token' && this.stolen.length === 0)
      this.stolen.push(this.token);
    if (step.do === 'thief refreshes' && this.stolen.length > 0) {
      const token = this.stolen.at(-1 - (step.which % this.stolen.length))!;
      const requestId = { none: undefined, own: this.thiefKey, new: newKey() }[step.key];
      const next = await this.refresh(token, requestId);
      if (next) this.stolen.push(next);
    }
  }

  private async ownerRefreshes(fate: Fate): Promise<void> {
    if (fate === 'request lost') return;
    const requestId = this.client === 'with keys' ? this.key : undefined;
    const next = await this.refresh(this.token, requestId);
    if (this.stolen.length > 0) this.refreshedAt ??= this.store.clock.now();
    if (fate === 'response lost') return;
    this.loggedIn = next !== undefined;
    [this.token, this.key] = [next ?? this.token, newKey()];
  }

  private async refresh(token: string, requestId?: string): Promise<string | undefined> {
    const issued = await this.sessions.refresh(token, { requestId }).catch(() => undefined);
    return issued?.session_rd;
  }

  /** Checks that the thief's tokens work for one grace time at most after the owner's first refresh after the theft. */
  private async check(): Promise<void> {
    if (this.refreshedAt === undefined || this.store.clock.now() < this.refreshedAt + GRACE) return;
    const found = await Promise.allSettled(this.stolen.map((token) => this.sessions.find(token)));
    if (found.some(({ status }) => status === 'fulfilled'))
      throw new Error('a token of the thief was accepted');
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('wait' as const),
    ms: fc.constantFrom(1_000, GRACE / 2, GRACE - 1, GRACE, 20 * 60_000),
  }),
  fc.record({
    do: fc.constant('owner refreshes' as const),
    fate: fc.constantFrom<Fate>('delivered', 'delivered', 'request lost', 'response lost'),
  }),
  fc.constant({ do: 'thief copies the token' as const }),
  fc.record({
    do: fc.constant('thief refreshes' as const),
    which: fc.nat(3),
    key: fc.constantFrom('none' as const, 'own' as const, 'new' as const),
  }),
);
const histories = fc.array(step, { minLength: 4, maxLength: 40 });

const inAnyHistory = (client: Client): Promise<void> =>
  fc.assert(
    fc.asyncProperty(histories, (steps) => new Theft(client).play(steps)),
    { numRuns: HISTORIES },
  );

describe('a thief with a copy of a token', () => {
  it(`P23 holds a live token for at most one grace time after the owner's next refresh${often(HISTORIES)}`, () =>
    inAnyHistory('with keys'));

  it('P23 control: shadows an owner whose client sends no key', async () => {
    await expect(inAnyHistory('without keys')).rejects.toThrow('Property failed');
  });

  it('P23 control: polls every minute for a day, unnoticed, if no refresh carries a key', async () => {
    const store = new MapStore();
    const { sessions, events } = bareInstance(store, new BareWechat(), RULES);
    const reuse = jest.fn();
    events.on('reuse', reuse);
    let owner = (await sessions.login('alice-1')).session_rd;
    let thief = owner;
    let rounds = 0;
    for (; rounds < 60; rounds++) {
      store.advance(20 * 60_000);
      owner = (await sessions.refresh(owner)).session_rd;
      store.advance(GRACE - 1);
      thief = (await sessions.refresh(thief)).session_rd;
      expect(thief).toBe(owner);
    }
    expect([rounds, reuse.mock.calls.length]).toEqual([60, 0]);
  });

  describe('who refreshed first, so that the owner gets 401', () => {
    const stolen = async () => {
      const store = new MapStore();
      const { sessions, events } = bareInstance(store, new BareWechat(), RULES);
      const reuse = jest.fn();
      events.on('reuse', reuse);
      const { session_rd: owner } = await sessions.login('alice-1');
      const { session_rd: thief } = await sessions.refresh(owner, { requestId: newKey() });
      store.advance(GRACE);
      await expect(sessions.find(owner)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
      return { sessions, reuse, owner, thief };
    };

    it('P23 is out when the owner logs in and sends the old token', async () => {
      const { sessions, reuse, owner, thief } = await stolen();
      const { session_rd } = await sessions.login('alice-2', { replaces: owner });
      await expect(sessions.find(thief)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
      await expect(sessions.find(session_rd)).resolves.toMatchObject({ openid: 'openid-alice' });
      await new Promise(setImmediate);
      expect(reuse).toHaveBeenCalledTimes(1);
    });

    it('P23 is out when the owner logs out with the old token', async () => {
      const { sessions, reuse, owner, thief } = await stolen();
      await sessions.revoke(owner);
      await expect(sessions.find(thief)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
      await new Promise(setImmediate);
      expect(reuse).toHaveBeenCalledTimes(1);
    });

    it('P23 control: stays in if the login sends no token, or if a logout requires a valid one', async () => {
      const { sessions, owner, thief } = await stolen();
      const guardedLogout = async (token: string): Promise<void> => {
        await sessions.find(token);
        await sessions.revoke(token);
      };
      await sessions.login('alice-2');
      await expect(guardedLogout(owner)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
      await expect(sessions.find(thief)).resolves.toMatchObject({ openid: 'openid-alice' });
    });
  });

  it(`P23 ends with the session when thief and owner refresh at the same time, in any order of the store's replies${often(200)}`, () =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.boolean(), async (scheduler, thiefHasKey) => {
        const store = new ScheduledStore(scheduler);
        const { sessions } = bareInstance(store, new BareWechat(), RULES);
        const run = <T>(work: Promise<T>): Promise<T> => scheduler.waitFor(work);
        const { session_rd } = await run(sessions.login('alice-1'));
        const settled = await run(
          Promise.allSettled([
            sessions.refresh(session_rd, { requestId: newKey() }),
            sessions.refresh(session_rd, thiefHasKey ? { requestId: newKey() } : {}),
          ]),
        );
        const tokens = settled.flatMap((each) =>
          each.status === 'fulfilled' ? [each.value.session_rd] : [],
        );
        expect(tokens.length).toBeLessThanOrEqual(1);
        for (const token of [session_rd, ...tokens])
          await expect(run(sessions.find(token))).rejects.toMatchObject({
            code: 'ERR_WECHAT_SESSION',
          });
      }),
      { numRuns: 200 },
    ));
});
