import type { TestRedis } from '../../support/redis.js';
import { commandsDuring, onceMore, rotated, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor } from '../figures.js';
import type { Figure, Findings } from '../figures.js';
import type { HttpRequest } from '../order.js';
import type { LoopDelay, LoopDelayOrder, OpeningTimes, Payer } from '../pay-pieces.js';
import { allGood, requestsWith, RunningServer } from '../running-server.js';
import type { Measured } from '../running-server.js';

const figure = figuresFor('pay');

/** What WeChat Pay costs: a notification, a refusal, a duplicate, a signature, and a request that has nothing to do with it. */
export async function paySuite(scale: Scale): Promise<Findings> {
  const parts: Record<string, () => Promise<Figure[]>> = {
    notifications: () => opening(scale),
    prepays: () => signing(scale),
    duplicates: () => withRedis((redis) => duplicates(redis, scale)),
    'guarded requests': () => withRedis((redis) => guarded(redis, scale)),
  };
  const figures: Figure[] = [];
  for (const [name, measure] of Object.entries(parts)) {
    say(`  pay, ${name}`);
    figures.push(...(await onceMore(name, measure)));
  }
  return { figures };
}

async function opening({ rounds }: Scale): Promise<Figure[]> {
  const pieces = Child.start('pay-pieces', { place: 'server' });
  try {
    const measured = await pieces.ask<OpeningTimes[]>('timesOfOpening', {
      rounds: rounds * 8,
      times: 400,
    });
    const ratio = (over: keyof OpeningTimes, under: keyof OpeningTimes): number[] =>
      measured.map(({ [over]: a, [under]: b }) => a / b);
    const spent = (way: keyof OpeningTimes): number[] => measured.map(({ [way]: time }) => time);
    const refusal = (way: keyof OpeningTimes, label: string): Figure[] =>
      figure(`pay ${way}`, `opened by hand ÷ refused: ${label}, CPU time`, ratio('bare', way), {
        goal: { atLeast: 10 },
      });
    const µs = { unit: 'µs' };
    return [
      ...figure(
        'pay open',
        'notification: verify + GCM + JSON.parse by hand ÷ open(), CPU time',
        ratio('bare', 'ours'),
        { goal: { atLeast: 0.85 } },
      ),
      ...figure(
        'pay open nodeV3',
        'notification: wechatpay-node-v3 ÷ open(), CPU time',
        ratio('nodeV3', 'ours'),
        { goal: { atLeast: 3 } },
      ),
      ...figure(
        'pay open axiosPlugin',
        'notification: wechatpay-axios-plugin ÷ open(), CPU time',
        ratio('axiosPlugin', 'ours'),
        { goal: { atLeast: 3 } },
      ),
      ...refusal('unknownSerial', 'unknown serial'),
      ...refusal('stale', 'too old'),
      ...refusal('probe', 'SIGNTEST'),
      ...figure('pay open µs', 'notification: open()', spent('ours'), µs),
      ...figure('pay bare µs', 'notification: opened by hand', spent('bare'), µs),
      ...figure(
        'pay refused µs',
        'notification refused: unknown serial',
        spent('unknownSerial'),
        µs,
      ),
    ];
  } finally {
    await pieces.stop();
  }
}

const PREPAYS_PER_SECOND = 200;
const PAYERS: Payer[] = ['nothing', 'ours', 'axiosPlugin'];

async function signing({ rounds, seconds }: Scale): Promise<Figure[]> {
  const wechat = Child.start('pay-wechat', { place: 'beside' });
  const pieces = Child.start('pay-pieces', { place: 'server' });
  // Not bound to one core: on one core the threads that sign take turns with the event loop.
  const unbound = Child.start('pay-pieces');
  const delays: Record<Payer, number[]> = { nothing: [], ours: [], axiosPlugin: [] };
  const unboundDelays: number[] = [];
  try {
    const options = await wechat.ask<LoopDelayOrder['options']>('options');
    const order = { options, perSecond: PREPAYS_PER_SECOND, seconds };
    for (let round = 0; round < rounds; round++) {
      for (const payer of rotated(PAYERS, round)) {
        const { p99, perSecond } = await pieces.ask<LoopDelay>('loopDelay', { ...order, payer });
        if (payer !== 'nothing' && perSecond < 0.9 * PREPAYS_PER_SECOND)
          say(`  ${payer}: ${Math.round(perSecond)} per second only`);
        delays[payer].push(p99);
      }
      const ours = { ...order, payer: 'ours' };
      unboundDelays.push((await unbound.ask<LoopDelay>('loopDelay', ours)).p99);
    }
  } finally {
    await Promise.all([wechat.stop(), pieces.stop(), unbound.stop()]);
  }
  const label = `event loop delay, p99, at ${PREPAYS_PER_SECOND} prepays per second`;
  return [
    ...figure('pay loop', `${label}: prepayWithRequestPayment`, delays.ours, {
      unit: 'ms',
      goal: { atMost: 5 },
    }),
    ...figure('pay loop unbound', 'the same, the process on all cores', unboundDelays, {
      unit: 'ms',
    }),
    ...figure('pay loop axiosPlugin', `${label}: wechatpay-axios-plugin`, delays.axiosPlugin, {
      unit: 'ms',
    }),
    ...figure('pay loop nothing', 'event loop delay, p99, of an idle process', delays.nothing, {
      unit: 'ms',
    }),
  ];
}

/** Deliveries of notifications that are done, through the endpoint. */
function duplicates(redis: TestRedis | undefined, scale: Scale): Promise<Figure[]> {
  const ground = { redis: redis?.url };
  return RunningServer.with({ stack: 'payEndpoint', ground }, async (server) => {
    const requests = await server.requests();
    allGood(await server.measure(requests)); // the first deliveries
    const asked = redis ? await commandsPerDelivery(redis, server, requests) : [];
    const measured: Measured[] = [];
    for (let round = 0; round < scale.rounds; round++)
      measured.push(allGood(await server.measureWarm(requests, scale)));
    const store = redis ? 'Redis' : 'in memory';
    return [
      ...asked,
      ...figure(
        'pay duplicate',
        `duplicates of a done notification through the endpoint, per second (${store})`,
        measured.map(({ good }) => good),
      ),
      ...figure(
        'pay duplicate µs',
        'the same, CPU time of the server',
        measured.map(({ cpuPerRequest }) => cpuPerRequest),
        { unit: 'µs' },
      ),
    ];
  });
}

async function commandsPerDelivery(
  redis: TestRedis,
  server: RunningServer,
  requests: HttpRequest[],
): Promise<Figure[]> {
  const refused = requests.map((request) => ({
    ...request,
    headers: { ...request.headers, 'wechatpay-serial': 'PUB_KEY_ID_unknown' },
  }));
  const perRequest = async (sent: HttpRequest[]): Promise<number> => {
    const commands = await commandsDuring(redis, () => server.measure(sent));
    return Object.values(commands).reduce((a, b) => a + b, 0) / sent.length;
  };
  return [
    ...figure(
      'pay duplicate commands',
      'Redis commands per duplicate of a done notification',
      [await perRequest(requests)],
      { goal: { atMost: 1 } },
    ),
    ...figure(
      'pay refused commands',
      'Redis commands per refused notification',
      [await perRequest(refused)],
      { goal: { atMost: 0 } },
    ),
  ];
}

const STACKS = ['guarded', 'guardedWithPay'] as const;
/** Short turns, because a machine gets slower and faster: each ratio compares two neighbours. */
const TURNS_PER_ROUND = 4;

/** A guarded request that has nothing to do with payments, in an application with and without them. */
function guarded(redis: TestRedis | undefined, scale: Scale): Promise<Figure[]> {
  const ground = { redis: redis?.url };
  const [without, withPay] = STACKS;
  return RunningServer.with({ stack: without, ground }, (plain) =>
    RunningServer.with({ stack: withPay, ground }, async (paid) => {
      const servers = [plain, paid];
      const requests = await Promise.all(
        servers.map(async (server) => requestsWith(await server.credentials(scale.clients))),
      );
      for (const i of [0, 1]) await servers[i]!.measure(requests[i]!, Math.max(1, scale.warmUp));
      const turns: Measured[][] = [];
      for (let turn = 0; turn < scale.rounds * TURNS_PER_ROUND; turn++) {
        const measured: Measured[] = [];
        for (const i of rotated([0, 1], turn))
          measured[i] = allGood(await servers[i]!.measure(requests[i]!, scale.seconds / 2));
        turns.push(measured);
      }
      const ratio = (of: (measured: Measured) => number): number[] =>
        turns.map(([a, b]) => of(b!) / of(a!));
      const label = 'guarded request with WeChat Pay mounted ÷ without';
      return [
        ...figure(
          'pay guarded',
          `${label}, requests/s`,
          ratio(({ good }) => good),
          {
            goal: { atLeast: 0.98 },
          },
        ),
        ...figure(
          'pay guarded cpu',
          'the same, CPU time per request',
          ratio(({ cpuPerRequest }) => cpuPerRequest),
        ),
      ];
    }),
  );
}
