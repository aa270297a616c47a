import fc from 'fast-check';
import { FIGURES } from './documents.js';
import { figuresOf, IDS, readFigures, takeFigures } from './figures.js';
import type { Figures } from './figures.js';
import { planFor, redisBytesOf } from './model.js';
import type { Plan } from './model.js';
import { DEFAULTS } from './usage.js';
import type { Usage } from './usage.js';

const costOf = (app: number) => ({ app, postgres: 100, redis: 10, queries: 1, commands: 1 });
const FIGURES_OF_TEST: Figures = {
  costs: {
    request: costOf(500),
    login: costOf(1_000),
    upload: costOf(5_000),
    order: costOf(10_000),
  },
  idle: costOf(1_000),
  bytes: { user: 500, recording: 700, order: 900, firstLogin: 475, login: 250 },
};
const usage: fc.Arbitrary<Usage> = fc.record({
  users: fc.integer({ min: 1, max: 10_000_000_000 }),
  dailyActive: fc.double({ min: 0.0001, max: 1, noNaN: true }),
  peak: fc.double({ min: 1, max: 100, noNaN: true }),
  requests: fc.double({ min: 0, max: 1_000, noNaN: true }),
  logins: fc.double({ min: 0, max: 20, noNaN: true }),
  uploads: fc.double({ min: 0, max: 20, noNaN: true }),
  orders: fc.double({ min: 0, max: 20, noNaN: true }),
  recordingKb: fc.double({ min: 1, max: 20_480, noNaN: true }),
  days: fc.integer({ min: 1, max: 36_500 }),
});

/** The amounts that are counted in whole units. */
const wholeOf = ({ app, redis, database, storage, calls, perDay }: Plan): number[] => [
  app.instances,
  ...[redis.sessions, redis.bytes, redis.memory, redis.commands, redis.masters, redis.nodes],
  ...[database.queries, database.cores, database.bytes, database.connections],
  ...Object.values(database.rows),
  ...Object.values(storage),
  ...Object.values(calls).map((call) => call.perDay),
  ...Object.values(perDay),
];
const allOf = (plan: Plan): number[] => [
  ...wholeOf(plan),
  ...[plan.app.busyCores, plan.database.busyCores],
  ...Object.values(plan.perSecond),
];

describe('the capacity model', () => {
  it('gives whole numbers of what is counted, and no amount that is negative or not finite', () => {
    fc.assert(
      fc.property(usage, (given) => {
        const plan = planFor(given, FIGURES_OF_TEST);
        expect(wholeOf(plan).every(Number.isInteger)).toBe(true);
        expect(allOf(plan).every((amount) => Number.isFinite(amount) && amount >= 0)).toBe(true);
        expect(plan.ends.every(({ users }) => Number.isInteger(users) && users >= 0)).toBe(true);
      }),
    );
  });

  it('never needs less for more users, or for a higher peak', () => {
    fc.assert(
      fc.property(usage, fc.integer({ min: 1, max: 1_000 }), (given, times) => {
        const needs = allOf(planFor(given, FIGURES_OF_TEST));
        for (const more of [
          { ...given, users: given.users * times },
          { ...given, peak: given.peak * times },
        ])
          allOf(planFor(more, FIGURES_OF_TEST)).forEach((need, i) =>
            expect(need).toBeGreaterThanOrEqual(needs[i]! * (1 - 1e-9)),
          );
      }),
    );
  });

  it('reaches the first limit at the number of users that it names', () => {
    fc.assert(
      fc.property(usage, (given) => {
        const [first] = planFor(given, FIGURES_OF_TEST).ends;
        if (first === undefined || first.users < 1_000) return;
        const [then] = planFor({ ...given, users: first.users }, FIGURES_OF_TEST).ends;
        expect(then!.used / then!.limit).toBeCloseTo(1, 2);
      }),
    );
  });

  it('keeps two instances and one Redis server with a replica for few users', () => {
    const { app, redis, database } = planFor({ ...DEFAULTS, users: 10 }, FIGURES_OF_TEST);
    expect(app.instances).toBe(2);
    expect([redis.masters, redis.nodes]).toEqual([1, 2]);
    expect(database.needsPooler).toBe(false);
  });

  it('computes what a million users need', () => {
    const given = { ...DEFAULTS, users: 1_000_000, dailyActive: 0.2, peak: 5 };
    const { perSecond, app, redis, storage, ends } = planFor(given, FIGURES_OF_TEST);
    expect(perSecond.request).toBeCloseTo((200_000 * 20 * 5) / 86_400, 6);
    expect(app.instances).toBe(2);
    expect(redis.sessions).toBe(1_400_000);
    expect(redis.bytes).toBe(1_000_000 * 475 + 400_000 * 250);
    expect(storage).toEqual({ files: 7_300_000, bytes: 7_300_000 * 300_000 });
    expect(ends[0]).toMatchObject({ id: 'mediaChecks', used: 20_000, users: 10_000_000 });
  });

  it('counts the record of a user once', () => {
    expect(redisBytesOf({ users: 10, logins: 4 }, FIGURES_OF_TEST)).toBe(4 * 475);
    expect(redisBytesOf({ users: 10, logins: 30 }, FIGURES_OF_TEST)).toBe(10 * 475 + 20 * 250);
  });
});

describe('etc/capacity-figures.json', () => {
  it('has every figure, with its unit, how it was measured, the machine and the date', () => {
    const file = readFigures(FIGURES);
    expect(() => figuresOf(file)).not.toThrow();
    expect(file.machine).toMatchObject({ date: expect.any(String), cpu: expect.any(String) });
    for (const id of IDS) expect(file.figures[id]).toMatchObject({ measured: expect.any(String) });
  });

  it('is not written without a figure', () => {
    const findings = { machine: {}, figures: [] };
    expect(() => takeFigures([findings])).toThrow(
      /^The figure ".+" is missing\. Measure it with: /,
    );
  });
});
