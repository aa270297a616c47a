import { setTimeout as sleep } from 'node:timers/promises';
import { arrivals, shareBetween } from '../../../tools/capacity/day-curve.js';
import { ACTIONS } from '../../../tools/capacity/figures.js';
import type { Action, Cost, Figures } from '../../../tools/capacity/figures.js';
import { actionsOf, costOf, redisBytesOf } from '../../../tools/capacity/model.js';
import { DEFAULTS } from '../../../tools/capacity/usage.js';
import type { Usage } from '../../../tools/capacity/usage.js';
import { say } from '../bench.js';
import { runOpenLoop, withCodes } from './open-loop.js';
import type { Arrival } from './open-loop.js';
import { difference } from './site.js';
import type { Readings, Site } from './site.js';

/** Cores that the app may use at the peak, so that the load, PostgreSQL and the sandbox have room on two cores. */
const BUSY_AT_PEAK = 0.35;
/** The hours around the peak, which are measured apart: 19:00 to 21:00, as shares of the day. */
const EVENING = { from: 19 / 24, to: 21 / 24 };

/** What the model predicts of a day, and what was measured. */
export interface Compared {
  what: string;
  unit: string;
  predicted: number;
  measured: number;
}

/** A day with its time compressed. */
export class SimulatedDay {
  readonly usage: Usage;
  private readonly perDay: Record<Action, number>;

  /** @param seconds how long the day takes. The users are as many as this machine carries in it */
  constructor(
    private readonly seconds: number,
    private readonly figures: Figures,
  ) {
    const one = { ...DEFAULTS, users: 1 };
    const busy = (costOf(actionsOf(one), figures).app / 1e6 / seconds) * one.peak;
    this.usage = { ...one, users: Math.floor(BUSY_AT_PEAK / busy) };
    this.perDay = actionsOf(this.usage);
  }

  /** Runs the day. All users have a session before it, as after some days, and some of them are active. */
  async run(site: Site): Promise<Compared[]> {
    const { users, dailyActive } = this.usage;
    const empty = await site.read();
    await site.people.add(users);
    const steps = await withCodes(site.people, this.plan(Math.ceil(users * dailyActive)));
    const [before, rowsBefore] = [await site.read(), await site.rows()];
    const [outcome, evening] = await Promise.all([
      runOpenLoop(site.people, steps),
      this.measureEvening(site),
    ]);
    const [after, rows] = [await site.read(), await site.rows()];
    const { failures, p99 } = outcome;
    say(
      `  ${steps.length.toLocaleString('en')} actions, p99 ${Math.round(p99)} ms, ${failures.length} failed`,
    );
    if (failures[0] !== undefined) say(`  the first failure: ${failures[0]}`);
    const logins = users + this.perDay.login;
    return [
      ...this.compareCosts('the day', 1, difference(after, before), this.seconds),
      ...this.compareCosts('19:00 to 21:00', this.shareOfEvening(), evening, this.eveningSeconds()),
      {
        what: 'memory of Redis',
        unit: 'kB',
        predicted: redisBytesOf({ users, logins }, this.figures) / 1e3,
        measured: (after.redisBytes - empty.redisBytes) / 1e3,
      },
      ...(['upload', 'order'] as const).map((action) => ({
        what: action === 'upload' ? 'recordings' : 'paid orders',
        unit: 'rows',
        predicted: this.perDay[action],
        measured: rows[action] - rowsBefore[action],
      })),
    ];
  }

  /** The actions at their times, each of a random person. */
  private plan(people: number): Arrival[] {
    return ACTIONS.flatMap((action) =>
      arrivals(Math.round(this.perDay[action]), this.seconds * 1_000, this.usage.peak).map(
        (at) => ({
          action,
          at,
          person: Math.floor(Math.random() * people),
        }),
      ),
    ).toSorted((one, other) => one.at - other.at);
  }

  private async measureEvening(site: Site): Promise<Readings> {
    await sleep(EVENING.from * this.seconds * 1_000);
    const before = await site.read();
    await sleep(this.eveningSeconds() * 1_000);
    return difference(await site.read(), before);
  }

  private compareCosts(when: string, share: number, measured: Cost, seconds: number): Compared[] {
    const { figures, perDay } = this;
    const cost = costOf(perDay, figures);
    const compare = (what: string, unit: string, part: keyof Cost, scale: number): Compared => ({
      what: `${when}: ${what}`,
      unit,
      predicted: (cost[part] * share + figures.idle[part] * seconds) / scale / seconds,
      measured: measured[part] / scale / seconds,
    });
    return [
      compare('app', 'cores', 'app', 1e6),
      compare('PostgreSQL', 'cores', 'postgres', 1e6),
      compare('Redis', 'cores', 'redis', 1e6),
      compare('statements', 'per second', 'queries', 1),
      compare('commands to Redis', 'per second', 'commands', 1),
    ];
  }

  private shareOfEvening(): number {
    return shareBetween(EVENING.from, EVENING.to, this.usage.peak);
  }

  private eveningSeconds(): number {
    return (EVENING.to - EVENING.from) * this.seconds;
  }
}
