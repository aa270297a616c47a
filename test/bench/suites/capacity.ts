import { setTimeout as sleep } from 'node:timers/promises';
import { ACTIONS } from '../../../tools/capacity/figures.js';
import type { Action, Cost } from '../../../tools/capacity/figures.js';
import { say } from '../bench.js';
import type { Scale } from '../bench.js';
import { runOpenLoop, withCodes } from '../capacity/open-loop.js';
import type { Arrival } from '../capacity/open-loop.js';
import { difference, withSite } from '../capacity/site.js';
import type { Readings, Site } from '../capacity/site.js';
import { figuresFor, numberText, spreadOf } from '../figures.js';
import type { Figure, Findings, Table } from '../figures.js';

/**
 * Actions per second. An action costs less at a higher rate, because actions at the same time share wakeups and writes. So these are rates
 * between the mean and the peak of a day that this machine carries.
 */
const RATES: Record<Action, number> = { request: 100, login: 25, upload: 5, order: 6 };
const MAX_ROUNDS = 3;
const PEOPLE = 1_000;
/** The share of actions that may fail: on a busy machine Redis can miss the library's deadline. */
const FAILED = 0.05;

const COSTS: Record<keyof Cost, { label: string; unit: string }> = {
  app: { label: 'CPU time of the app', unit: 'µs' },
  postgres: { label: 'CPU time of PostgreSQL', unit: 'µs' },
  redis: { label: 'CPU time of Redis', unit: 'µs' },
  queries: { label: 'statements to PostgreSQL', unit: '' },
  commands: { label: 'commands to Redis', unit: '' },
};
const LABELS: Record<Action | 'idle', string> = {
  request: 'GET /me',
  login: 'POST /auth/login of a known user',
  upload: 'POST /recordings with 300 kB',
  order: 'POST /orders, POST /orders/:id/pay and the notification',
  idle: 'one second without requests',
};

type Costs = Record<Action | 'idle', Readings[]>;

const figure = figuresFor('capacity');

/**
 * Measures what the actions of users cost the reference app, PostgreSQL and Redis, at a rate that leaves most of a core free. The capacity
 * model computes with these figures.
 */
export function capacitySuite({ rounds, seconds }: Scale): Promise<Findings> {
  return withSite(async (site) => {
    if (!site) return { figures: [] };
    const firstLogin = await bytesOf(site, () => site.people.add(PEOPLE), PEOPLE);
    const costs: Costs = { idle: [], request: [], login: [], upload: [], order: [] };
    const length = seconds * 4;
    await roundOf(site, length / 2); // warm-up
    for (let round = 0; round < Math.min(rounds, MAX_ROUNDS); round++) {
      say(`  capacity, round ${round + 1} of ${Math.min(rounds, MAX_ROUNDS)}`);
      const measured = await roundOf(site, length);
      for (const each of Object.keys(costs) as (keyof Costs)[]) costs[each].push(measured[each]);
    }
    return { figures: figuresOf(costs, firstLogin), tables: [tableOf(costs)] };
  });
}

async function roundOf(site: Site, seconds: number): Promise<Record<keyof Costs, Readings>> {
  const idle = await costDuring(site, () => sleep(seconds * 1_000), seconds);
  const costs = { idle } as Record<keyof Costs, Readings>;
  for (const action of ACTIONS) {
    const arrivals = await withCodes(site.people, evenly(action, seconds, site.people.count));
    const spent = await costDuring(site, () => run(site, arrivals), arrivals.length);
    costs[action] = mapped(
      spent,
      (value, part) => value - (idle[part] * seconds) / arrivals.length,
    );
  }
  return costs;
}

function evenly(action: Action, seconds: number, people: number): Arrival[] {
  const count = Math.ceil(RATES[action] * seconds);
  return Array.from({ length: count }, (_, i) => ({
    action,
    at: (i * 1_000) / RATES[action],
    person: Math.floor(Math.random() * people),
  }));
}

async function run({ people }: Site, arrivals: Arrival[]): Promise<void> {
  const { failures } = await runOpenLoop(people, arrivals);
  if (failures.length > arrivals.length * FAILED)
    throw new Error(`${failures.length} failed, the first: ${failures[0]}`);
}

/** What `count` actions cost, divided by their number. */
async function costDuring(
  site: Site,
  work: () => Promise<unknown>,
  count: number,
): Promise<Readings> {
  const before = await site.read();
  await work();
  return mapped(difference(await site.read(), before), (value) => value / count);
}

async function bytesOf(site: Site, work: () => Promise<unknown>, count: number): Promise<number> {
  return (await costDuring(site, work, count)).redisBytes;
}

function mapped(
  readings: Readings,
  change: (value: number, part: keyof Readings) => number,
): Readings {
  const entries = Object.entries(readings) as [keyof Readings, number][];
  return Object.fromEntries(
    entries.map(([part, value]) => [part, change(value, part)]),
  ) as unknown as Readings;
}

const valuesOf = (readings: Readings[], part: keyof Readings): number[] =>
  readings.map((reading) => Math.max(0, reading[part]));

function figuresOf(costs: Costs, firstLogin: number): Figure[] {
  const bytes = { unit: 'bytes' };
  return [
    ...(Object.keys(costs) as (keyof Costs)[]).flatMap((each) =>
      (Object.keys(COSTS) as (keyof Cost)[]).flatMap((part) =>
        figure(
          `capacity ${each} ${part}`,
          `${LABELS[each]}: ${COSTS[part].label}`,
          valuesOf(costs[each], part),
          { unit: COSTS[part].unit, tabled: true },
        ),
      ),
    ),
    ...figure(
      'capacity first login bytes',
      'Redis used_memory per first login of a user',
      [firstLogin],
      bytes,
    ),
    ...figure(
      'capacity login bytes',
      'Redis used_memory per further login',
      valuesOf(costs.login, 'redisBytes'),
      bytes,
    ),
  ];
}

function tableOf(costs: Costs): Table {
  const rows = (Object.keys(costs) as (keyof Costs)[]).map((each) => [
    LABELS[each],
    ...(Object.keys(COSTS) as (keyof Cost)[]).map((part) =>
      numberText(spreadOf(valuesOf(costs[each], part)).median),
    ),
  ]);
  const head = Object.values(COSTS).map(({ label, unit }) =>
    unit === '' ? label : `${label}, ${unit}`,
  );
  return { head: ['one action', ...head], rows };
}
