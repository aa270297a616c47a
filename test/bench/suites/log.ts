import { onceMore, rotated, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor } from '../figures.js';
import type { Findings } from '../figures.js';
import { withReferenceApp } from '../reference-app.js';
import type { ReferenceApp, Surroundings } from '../reference-app.js';
import { allGood, requestsWith } from '../running-server.js';
import type { Measured } from '../running-server.js';

/** `silent`: no line for each request. `read`, `unread`: one line for each, in a pipe that is read or never read. */
const APPS = {
  silent: {},
  read: { stdout: 'pipe', logLevel: 'debug' },
  unread: { stdout: 'pipe', logLevel: 'debug' },
} as const satisfies Record<string, Partial<Surroundings>>;

type Round = Record<keyof typeof APPS, Measured>;

const figure = figuresFor('log');

/** Measures a guarded request of the reference app that writes a log line, and one whose log is never read. */
export function logSuite(scale: Scale): Promise<Findings> {
  return withRedis(async (redis) => {
    const wechat = Child.start('wechat', { place: 'beside' });
    const around = { redis: redis?.url, wechat };
    try {
      return await withReferenceApp({ ...around, ...APPS.silent }, (silent) =>
        withReferenceApp({ ...around, ...APPS.read }, (read) =>
          withReferenceApp({ ...around, ...APPS.unread }, (unread) => {
            read.process.readOutput();
            return inRounds({ silent, read, unread }, scale);
          }),
        ),
      );
    } finally {
      await wechat.stop();
    }
  });
}

async function inRounds(
  apps: Record<keyof typeof APPS, ReferenceApp>,
  scale: Scale,
): Promise<Findings> {
  const rounds: Round[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    say(`  log, round ${round + 1} of ${scale.rounds}`);
    const one: Partial<Round> = {};
    for (const name of rotated(Object.keys(apps) as (keyof Round)[], round)) {
      const { server, credentials } = apps[name];
      const requests = requestsWith(credentials, '/auth/session');
      one[name] = await onceMore(name, async () =>
        allGood(await server.measureWarm(requests, scale)),
      );
    }
    rounds.push(one as Round);
  }
  return {
    figures: [
      ...figure(
        'log unread',
        'guarded request of the app, log never read ÷ log read, requests/s',
        rounds.map(({ unread, read }) => unread.good / read.good),
        { goal: { atLeast: 0.9 } },
      ),
      ...figure(
        'log unread cpu',
        'the same, CPU time per request',
        rounds.map(({ unread, read }) => unread.cpuPerRequest / read.cpuPerRequest),
      ),
      ...figure(
        'log line cpu',
        'guarded request of the app, with a log line ÷ without, CPU time per request',
        rounds.map(({ read, silent }) => read.cpuPerRequest / silent.cpuPerRequest),
      ),
    ],
  };
}
