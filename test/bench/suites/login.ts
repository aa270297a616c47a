import { onceMore, rotated, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor } from '../figures.js';
import type { Findings } from '../figures.js';
import type { Ground } from '../library.js';
import type { HttpRequest } from '../order.js';
import { allGood, requestsWith, RunningServer } from '../running-server.js';
import type { Measured } from '../running-server.js';

const MEASURED = ['bare', 'login', 'instantLogin'] as const;

type Round = Record<(typeof MEASURED)[number], Measured>;

/**
 * Measures logins. The sandbox runs in another process, so the CPU time is only the server's.
 * The suite also measures logins without the call to WeChat ("instant").
 */
export function loginSuite(scale: Scale): Promise<Findings> {
  return withRedis(async (redis) => {
    const wechat = Child.start('wechat', { place: 'beside' });
    try {
      const ground = {
        redis: redis?.url,
        wechat: await wechat.ask<NonNullable<Ground['wechat']>>('open'),
      };
      const rounds: Round[] = [];
      for (let round = 0; round < scale.rounds; round++) {
        say(`  login, round ${round + 1} of ${scale.rounds}`);
        rounds.push(
          await onceMore('login', () =>
            measureRound(rotated([...MEASURED], round), ground, wechat, scale),
          ),
        );
      }
      return { figures: figuresOf(rounds) };
    } finally {
      await wechat.stop();
    }
  });
}

async function measureRound(
  names: (typeof MEASURED)[number][],
  ground: Ground,
  wechat: Child,
  scale: Scale,
): Promise<Round> {
  const codes = await wechat.ask<string[]>('codes', 2 * scale.logins);
  const round: Partial<Round> = {};
  for (const name of names)
    round[name] = await (name === 'login'
      ? eachOnce(ground, codes)
      : again(name, ground, codes, scale));
  return round as Round;
}

/** A code works once. */
function eachOnce(ground: Ground, codes: string[]): Promise<Measured> {
  return RunningServer.with({ stack: 'login', ground }, async (server) => {
    const half = codes.length / 2;
    await server.measure(codes.slice(0, half).map(loginWith));
    return allGood(await server.measure(codes.slice(half).map(loginWith)));
  });
}

function again(
  stack: 'bare' | 'instantLogin',
  ground: Ground,
  codes: string[],
  scale: Scale,
): Promise<Measured> {
  return RunningServer.with({ stack, ground }, async (server) => {
    const requests =
      stack === 'bare'
        ? requestsWith(await server.credentials(scale.clients))
        : codes.map(loginWith);
    return allGood(await server.measureWarm(requests, scale));
  });
}

function loginWith(code: string): HttpRequest {
  return { path: `/login?code=${code}`, method: 'POST' };
}

const figure = figuresFor('login');

function figuresOf(rounds: Round[]): Findings['figures'] {
  const ratio = rounds.map(({ instantLogin, bare }) => instantLogin.good / bare.good);
  const whole = rounds.map(({ login, bare }) => bare.cpuPerRequest / login.cpuPerRequest);
  const spent = (name: keyof Round): number[] =>
    rounds.map(({ [name]: { cpuPerRequest } }) => cpuPerRequest);
  return [
    ...figure('login', 'login without the call to WeChat ÷ bare route, requests/s', ratio, {
      goal: { atLeast: 0.35 },
    }),
    ...figure(
      'instant login µs',
      'login: CPU per login, without the call to WeChat',
      spent('instantLogin'),
      { unit: 'µs' },
    ),
    ...figure(
      'login cpu',
      'bare route ÷ login with the call to WeChat, CPU time of the server',
      whole,
    ),
    ...figure('login µs', 'login: CPU per login, with the call to WeChat', spent('login'), {
      unit: 'µs',
    }),
  ];
}
