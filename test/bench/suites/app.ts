import { onceMore, rotated, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor, numberText, rangeText, spreadOf } from '../figures.js';
import type { Figure, Findings, Table } from '../figures.js';
import { bodyWith, withPostgres, withReferenceApp } from '../reference-app.js';
import type { ReferenceApp } from '../reference-app.js';
import { allGood, requestsWith, RunningServer } from '../running-server.js';
import type { Measured } from '../running-server.js';

const ROUTES = {
  live: '/health/live',
  session: '/auth/session',
  me: '/me',
  unknown: '/unknown',
} as const;
const DATABASES = { app: 'PostgreSQL', embedded: 'embedded database' } as const;
const FLOORS = { bare: 'bare Nest route', passportJwt: 'passport-jwt route' } as const;

type Route = keyof typeof ROUTES | 'login';
type Database = keyof typeof DATABASES;
type Floor = keyof typeof FLOORS;
type Subject = Floor | `${Database} ${Route}`;
type Round = Partial<Record<Subject, Measured>>;

/** Measures a route once. */
type Measurement = [subject: Subject, measure: () => Promise<Measured>];

const figure = figuresFor('app');

/**
 * Measures the routes of the compiled reference app, on both databases, beside a bare Nest route and a passport-jwt route.
 * All servers run for the whole suite, and are measured in turns.
 */
export function appSuite(scale: Scale): Promise<Findings> {
  return withRedis((redis) =>
    withPostgres(async (databaseUrl) => {
      const wechat = Child.start('wechat', { place: 'beside' });
      const around = { redis: redis?.url, wechat };
      try {
        return await withFloor('bare', scale, (bare) =>
          withFloor('passportJwt', scale, (jwt) =>
            withReferenceApp(around, async (embedded) => {
              const measurements = [bare, jwt, ...routesOf(embedded, 'embedded', wechat, scale)];
              if (!databaseUrl) return inRounds(measurements, scale);
              return withReferenceApp({ ...around, databaseUrl }, (server) =>
                inRounds([...measurements, ...routesOf(server, 'app', wechat, scale)], scale),
              );
            }),
          ),
        );
      } finally {
        await wechat.stop();
      }
    }),
  );
}

function withFloor<T>(
  stack: Floor,
  scale: Scale,
  work: (measurement: Measurement) => Promise<T>,
): Promise<T> {
  return RunningServer.with({ stack, ground: {} }, async (server) => {
    const requests = requestsWith(await server.credentials(scale.clients));
    return work([stack, async () => allGood(await server.measureWarm(requests, scale))]);
  });
}

function routesOf(
  { server, credentials }: ReferenceApp,
  database: Database,
  wechat: Child,
  scale: Scale,
): Measurement[] {
  const routes = Object.entries(ROUTES).map(([name, path]): Measurement => {
    const requests = requestsWith(credentials, path);
    const measure = () => server.measureWarm(requests, scale);
    return [
      `${database} ${name as keyof typeof ROUTES}`,
      name === 'unknown' ? measure : async () => allGood(await measure()),
    ];
  });
  const logins = async (): Promise<Measured> => {
    const codes = await wechat.ask<string[]>('codes', scale.logins / 4);
    const requests = codes.map((code) => ({
      method: 'POST' as const,
      path: '/auth/login',
      ...bodyWith(code),
    }));
    return allGood(await server.measure(requests));
  };
  return [...routes, [`${database} login`, logins]];
}

async function inRounds(measurements: Measurement[], { rounds }: Scale): Promise<Findings> {
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    say(`  app, round ${round + 1} of ${rounds}`);
    const one: Round = {};
    for (const [subject, measure] of rotated(measurements, round * 3))
      one[subject] = await onceMore(subject, measure);
    measured.push(one);
  }
  return { figures: figuresOf(measured), tables: [tableOf(measured)] };
}

type Value = (measured: Measured) => number;
const perSecond: Value = ({ good, bad }) => good + bad;
const cpu: Value = ({ cpuPerRequest }) => cpuPerRequest;
const p99: Value = ({ p99: milliseconds }) => milliseconds;

const valuesOf = (rounds: Round[], subject: Subject, of: Value): number[] =>
  rounds.flatMap(({ [subject]: measured }) => (measured ? [of(measured)] : []));

const ratios = (rounds: Round[], over: Subject, under: Subject, of: Value): number[] =>
  rounds.flatMap(({ [over]: a, [under]: b }) => (a && b ? [of(a) / of(b)] : []));

const ALL = (Object.keys(DATABASES) as Database[]).flatMap((database) =>
  (['live', 'session', 'me', 'unknown', 'login'] as const).map((route) => ({
    subject: `${database} ${route}` as const,
    label: `${labelOf(route)}, ${DATABASES[database]}`,
  })),
);

function labelOf(route: Route): string {
  if (route === 'login') return 'POST /auth/login';
  return route === 'unknown' ? 'unknown route' : `GET ${ROUTES[route]}`;
}

function figuresOf(rounds: Round[]): Figure[] {
  const compared = (over: Subject, under: Subject, of: Value, goal?: Figure['goal']): Figure[] => {
    const unit = of === cpu ? 'CPU time per request' : 'requests/s';
    const label = `${nameOf(over)} ÷ ${nameOf(under)}, ${unit}`;
    const id = `${over}/${under}${of === cpu ? ' cpu' : ''}`;
    return figure(id, label, ratios(rounds, over, under, of), { goal });
  };
  return [
    ...compared('app live', 'bare', perSecond, { atLeast: 0.85 }),
    ...compared('app live', 'bare', cpu),
    ...compared('app session', 'app live', cpu),
    ...compared('app session', 'passportJwt', perSecond),
    ...compared('app session', 'passportJwt', cpu),
    ...compared('app me', 'app session', cpu, { atMost: 3 }),
    ...compared('app unknown', 'app live', cpu, { atMost: 2 }),
    ...compared('embedded live', 'app live', cpu, { atMost: 1.1 }),
    ...compared('embedded session', 'app session', cpu, { atMost: 1.1 }),
    ...compared('embedded me', 'embedded session', cpu),
    ...ALL.flatMap(({ subject, label }) => [
      ...figure(
        `${subject} of bare`,
        `${label} ÷ bare`,
        ratios(rounds, subject, 'bare', perSecond),
        {
          tabled: true,
        },
      ),
      ...figure(`${subject} µs`, `${label}: CPU per request`, valuesOf(rounds, subject, cpu), {
        unit: 'µs',
        tabled: true,
      }),
      ...figure(`${subject} p99`, `${label}: p99`, valuesOf(rounds, subject, p99), {
        unit: 'ms',
        tabled: true,
      }),
    ]),
  ];
}

const floors = (): { subject: Floor; label: string }[] =>
  Object.entries(FLOORS).map(([subject, label]) => ({ subject: subject as Floor, label }));

const nameOf = (subject: Subject): string =>
  [...ALL, ...floors()].find((one) => one.subject === subject)!.label;

function tableOf(rounds: Round[]): Table {
  const median = (values: number[]): string => numberText(spreadOf(values).median);
  const rows = [...floors(), ...ALL]
    .filter(({ subject }) => valuesOf(rounds, subject, cpu).length > 0)
    .map(({ subject, label }) => {
      const speed = ratios(rounds, subject, 'bare', perSecond);
      return [
        label,
        median(speed),
        rangeText(spreadOf(speed)),
        median(valuesOf(rounds, subject, cpu)),
        median(valuesOf(rounds, subject, p99)),
      ];
    });
  return {
    head: ['reference app', 'requests/s ÷ bare', 'min - max', 'CPU per request, µs', 'p99, ms'],
    rows,
  };
}
