import { onceMore, rotated, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor } from '../figures.js';
import type { Figure, Findings } from '../figures.js';
import { allGood, requestsWith, RunningServer } from '../running-server.js';
import type { Measured } from '../running-server.js';
import { bearers } from '../stacks/stack.js';

const FEW = 1_000;
/** More users than requests during the measurement, so that few users send two requests. */
const SPREAD = 65_536;
const FINDS = 2_000;

/** The store of the users, and how many of them send requests. */
const CROWDS = {
  few: { name: 'few', among: FEW },
  active: { name: 'many', among: FEW },
  all: { name: 'many', among: SPREAD },
} as const;
type Crowd = keyof typeof CROWDS;
type Round<T> = Record<Crowd, T>;

/** Measures whether many stored sessions slow down a request. It measures a small and a large store in turn. */
export function growthSuite(scale: Scale): Promise<Findings> {
  return withRedis((few) =>
    withRedis(async (many) => {
      const pieces = Child.start('pieces');
      try {
        say(`  growth, ${scale.many.toLocaleString('en')} logins first`);
        const urls = { few: few?.url, many: many?.url };
        await pieces.ask('fill', { name: 'few', redis: urls.few, count: FEW });
        await pieces.ask('fill', { name: 'many', redis: urls.many, count: scale.many });
        const http =
          few && many ? await overHttp(pieces, { few: few.url, many: many.url }, scale) : [];
        return { figures: figuresOf(scale.many, http, await inProcess(pieces, scale)) };
      } finally {
        await pieces.stop();
      }
    }),
  );
}

async function overHttp(
  pieces: Child,
  urls: Record<'few' | 'many', string>,
  scale: Scale,
): Promise<Round<Measured>[]> {
  const measure = async (crowd: Crowd): Promise<Measured> => {
    const { name, among } = CROWDS[crowd];
    const requests = requestsWith(bearers(await pieces.ask('someTokens', { name, count: among })));
    return RunningServer.with({ stack: 'guarded', ground: { redis: urls[name] } }, async (server) =>
      allGood(await server.measureWarm(requests, scale)),
    );
  };
  return inRounds(scale.rounds, measure, 'growth over HTTP');
}

/** The first round is the warm-up. */
async function inProcess(pieces: Child, { rounds }: Scale): Promise<Round<number>[]> {
  const measure = (crowd: Crowd): Promise<number> =>
    pieces.ask('findTime', { ...CROWDS[crowd], count: FINDS });
  return (await inRounds(2 * rounds + 1, measure)).slice(1);
}

async function inRounds<T>(
  count: number,
  measure: (crowd: Crowd) => Promise<T>,
  said?: string,
): Promise<Round<T>[]> {
  const rounds: Round<T>[] = [];
  for (let i = 0; i < count; i++) {
    if (said) say(`  ${said}, round ${i + 1} of ${count}`);
    const round: Partial<Round<T>> = {};
    for (const crowd of rotated(Object.keys(CROWDS) as Crowd[], i))
      round[crowd] = await onceMore(crowd, () => measure(crowd));
    rounds.push(round as Round<T>);
  }
  return rounds;
}

const figure = figuresFor('growth');

function figuresOf(many: number, http: Round<Measured>[], finds: Round<number>[]): Figure[] {
  const at = `at ${many.toLocaleString('en')} sessions ÷ at ${FEW.toLocaleString('en')}`;
  const active = `${FEW.toLocaleString('en')} of them active`;
  const all = 'all of them active';
  const ratios = <T>(rounds: Round<T>[], crowd: Crowd, of: (one: T) => number): number[] =>
    rounds.map(({ few, [crowd]: other }) => of(other) / of(few));
  const p50 = ({ p50: time }: Measured): number => time;
  const good = ({ good: perSecond }: Measured): number => perSecond;
  const goal = { atMost: 1.1 };
  return [
    ...figure('growth active', `guarded p50 ${at}, ${active}`, ratios(http, 'active', p50), {
      goal,
    }),
    ...figure('growth all', `guarded p50 ${at}, ${all}`, ratios(http, 'all', p50), { goal }),
    ...figure(
      'growth active rate',
      `guarded requests/s ${at}, ${active}`,
      ratios(http, 'active', good),
    ),
    ...figure('growth all rate', `guarded requests/s ${at}, ${all}`, ratios(http, 'all', good)),
    ...figure('find active', `find() p50 ${at}, ${active}`, ratios(finds, 'active', Number)),
    ...figure('find all', `find() p50 ${at}, ${all}`, ratios(finds, 'all', Number)),
  ];
}
