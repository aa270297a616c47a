import { onceMore, rotated, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { BODY } from '../body.js';
import { figuresFor, numberText, rangeText, spreadOf } from '../figures.js';
import type { Figure, Findings, Table } from '../figures.js';
import { forgedToken } from '../library.js';
import { allGood, requestsWith, RunningServer } from '../running-server.js';
import type { Measured } from '../running-server.js';
import { bearers } from '../stacks/stack.js';
import type { Credentials } from '../stacks/stack.js';
import { CONTENDERS } from './guard.contenders.js';
import type { Contender, ContenderName } from './guard.contenders.js';

type Round = Partial<Record<ContenderName, Measured>>;

const ALL = Object.entries(CONTENDERS) as [ContenderName, Contender][];

/** Compares the guarded request with its alternatives, on Fastify and Express, with and without Redis. */
export function guardSuite(scale: Scale): Promise<Findings> {
  return withRedis(async (redis) => {
    const able = ALL.filter(([, { store }]) => redis || store !== 'redis');
    const rounds: Round[] = [];
    for (let round = 0; round < scale.rounds; round++) {
      say(`  guard, round ${round + 1} of ${scale.rounds}`);
      rounds.push(await measureRound(rotated(able, round * 4), redis?.url, scale));
    }
    return {
      figures: figuresOf(rounds),
      tables: [tableOf('fastify', rounds), tableOf('express', rounds)],
    };
  });
}

async function measureRound(
  contenders: typeof ALL,
  redis: string | undefined,
  scale: Scale,
): Promise<Round> {
  const round: Round = {};
  for (const [name, contender] of contenders)
    round[name] = await onceMore(name, () => measureOne(contender, redis, scale));
  return round;
}

function measureOne(
  contender: Contender,
  redis: string | undefined,
  scale: Scale,
): Promise<Measured> {
  const ground = contender.store === 'redis' ? { redis } : {};
  return RunningServer.with({ ...contender, ground }, async (server) => {
    const credentials = await server.credentials(scale.clients);
    await checkResponses(await server.url(), contender, credentials);
    const requests = requestsWith(contender.flooded ? withTenthForged(credentials) : credentials);
    const measured = await server.measureWarm(requests, scale);
    return contender.flooded ? measured : allGood(measured);
  });
}

function withTenthForged({ values, ...rest }: Credentials): Credentials {
  const forged = bearers(values.map(forgedToken)).values;
  return { ...rest, values: values.map((value, i) => (i % 10 === 0 ? forged[i]! : value)) };
}

const EXPECTED = JSON.stringify(BODY);

/** Checks that each guard accepts good and refuses bad credentials. A guard without checks would be fast. */
async function checkResponses(
  url: string,
  { stack, open }: Contender,
  { header, values }: Credentials,
): Promise<void> {
  const get = async (value?: string): Promise<string> => {
    const response = await fetch(`${url}/hello`, {
      headers: value === undefined ? {} : { [header]: value },
    });
    return response.status === 200 ? await response.text() : String(response.status);
  };
  const refused = open ? EXPECTED : '401';
  const found = [
    await get(),
    await get(tampered(values[0]!)),
    await get(values[0]),
    await get(values.at(-1)),
  ];
  if (found.join() !== [refused, refused, EXPECTED, EXPECTED].join())
    throw new Error(`${stack} returns wrong responses: ${found.join(' ')}`);
}

function tampered(value: string): string {
  return value.replace(
    /.{4}(.)$/,
    (end) => `${end.startsWith('AAAA') ? 'BBBB' : 'AAAA'}${end.slice(-1)}`,
  );
}

const figure = figuresFor('guard');

const good = (measured: Measured): number => measured.good;
const cpu = (measured: Measured): number => measured.cpuPerRequest;
const p99 = (measured: Measured): number => measured.p99;
const busy = (measured: Measured): number => measured.busy;
const serverBusy = ({ cpuPerRequest, good: right, bad }: Measured): number =>
  (cpuPerRequest * (right + bad)) / 1_000_000;

/** Computes one ratio for each round, only from the values of that round. */
function ratios(
  rounds: Round[],
  over: ContenderName,
  under: ContenderName,
  of: (measured: Measured) => number,
): number[] {
  return rounds.flatMap(({ [over]: a, [under]: b }) => (a && b ? [of(a) / of(b)] : []));
}

function valuesOf(
  rounds: Round[],
  name: ContenderName,
  of: (measured: Measured) => number,
): number[] {
  return rounds.flatMap(({ [name]: measured }) => (measured ? [of(measured)] : []));
}

type Goal = Figure['goal'];

function figuresOf(rounds: Round[]): Figure[] {
  const perSecond = (over: ContenderName, under: ContenderName, goal?: Goal): Figure[] =>
    figure(
      `${over}/${under}`,
      `${labelOf(over)} ÷ ${labelOf(under)}`,
      ratios(rounds, over, under, good),
      { goal },
    );
  const spent = (over: ContenderName, under: ContenderName, goal?: Goal): Figure[] =>
    figure(
      `${over}/${under} cpu`,
      `${labelOf(over)} ÷ ${labelOf(under)}, CPU time per request`,
      ratios(rounds, over, under, cpu),
      {
        goal,
      },
    );
  return [
    ...perSecond('public', 'bare', { atLeast: 0.97 }),
    ...perSecond('guarded', 'public', { atLeast: 0.9 }),
    ...figure('guarded/public p99', 'the same, p99', ratios(rounds, 'guarded', 'public', p99), {
      goal: { atMost: 1.3 },
    }),
    ...spent('guarded', 'public', { atMost: 1.2 }),
    ...perSecond('passport', 'public', { atLeast: 0.75 }),
    ...perSecond('guarded', 'floor'),
    ...perSecond('guarded', 'sealedFloor', { atLeast: 1.2 }),
    ...perSecond('guarded', 'passportJwt', { atLeast: 2 }),
    ...perSecond('guarded', 'nestJwt'),
    ...perSecond('guarded', 'fastifyJwt', { atLeast: 1.8 }),
    ...figure(
      'flooded',
      '10 % forged tokens: good responses ÷ without forged tokens',
      ratios(rounds, 'flooded', 'guarded', good),
      {
        goal: { atLeast: 0.85 },
      },
    ),
    ...spent('flooded', 'guarded'),
    ...perSecond('guarded in memory', 'public in memory'),
    ...perSecond('passport in memory', 'public in memory'),
    ...perSecond('express public', 'express bare'),
    ...perSecond('express guarded', 'express public'),
    ...perSecond('express passport', 'express public'),
    ...perSecond('express guarded', 'express passportJwt'),
    ...perSecond('express guarded', 'express expressSession'),
    ...perSecond('express guarded in memory', 'express public'),
    ...spent('passportJwt', 'guarded'),
    ...spent('fastifyJwt', 'guarded'),
    ...(['bare', 'guarded', 'express guarded'] as const).flatMap((name) => [
      ...figure(
        `${name} server`,
        `cores that the server kept busy, ${labelOf(name)}`,
        valuesOf(rounds, name, serverBusy),
      ),
      ...figure(
        `${name} load`,
        `cores that the load generator kept busy, ${labelOf(name)}`,
        valuesOf(rounds, name, busy),
      ),
    ]),
    ...ALL.flatMap(([name, { http }]) => [
      ...figure(
        `${name} of bare`,
        `${labelOf(name)} ÷ bare`,
        ratios(rounds, name, BARE[http], good),
        { tabled: true },
      ),
      ...figure(
        `${name} µs`,
        `${labelOf(name)}: CPU per request, µs`,
        valuesOf(rounds, name, cpu),
        { tabled: true },
      ),
      ...figure(`${name} p99`, `${labelOf(name)}: p99, ms`, valuesOf(rounds, name, p99), {
        tabled: true,
      }),
    ]),
  ];
}

const BARE = { fastify: 'bare', express: 'express bare' } as const;

const labelOf = (name: ContenderName): string => CONTENDERS[name].label;

function tableOf(http: Contender['http'], rounds: Round[]): Table {
  const here = ALL.filter(
    ([name, contender]) => contender.http === http && valuesOf(rounds, name, good).length > 0,
  );
  const median = (values: number[]): string => numberText(spreadOf(values).median);
  const rows = here.map(([name, { label, revocable = '' }]) => {
    const speed = ratios(rounds, name, BARE[http], good);
    return [
      label,
      median(speed),
      rangeText(spreadOf(speed)),
      median(valuesOf(rounds, name, cpu)),
      median(valuesOf(rounds, name, p99)),
      revocable,
    ];
  });
  return {
    head: [
      `on ${http}`,
      'requests/s ÷ bare',
      'min - max',
      'CPU per request, µs',
      'p99, ms',
      'revocable',
    ],
    rows,
  };
}
