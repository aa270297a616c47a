import type { TestRedis } from '../../support/redis.js';
import { say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { spreadOf } from '../figures.js';
import type { Figure } from '../figures.js';
import type { Load, Order } from '../load.js';
import type { StackName } from '../stacks.js';
import { measured, onceMore } from './http.js';

const SUITE = 'pieces';

export async function piecesSuite(scale: Scale): Promise<Figure[]> {
  const parts = { decryption, finds: () => growth(scale), heap: () => heapFigure(scale), logins: () => logins(scale) };
  const figures: Figure[] = [];
  for (const [name, part] of Object.entries(parts)) {
    say(`  pieces: ${name}`);
    figures.push(...(await onceMore(name, part)));
  }
  return figures;
}

async function inChild<T>(work: (child: Child) => Promise<T>, execArgv: string[] = []): Promise<T> {
  const child = Child.start('pieces', { execArgv });
  try {
    return await work(child);
  } finally {
    await child.stop();
  }
}

function decryption(): Promise<Figure[]> {
  return inChild(async (child) => {
    const spread = spreadOf(await child.ask<number[]>('decrypt', { rounds: 15, times: 4_000 }));
    return [{ id: 'decrypt', label: 'raw decipher + JSON.parse ÷ decryptOpenData, time', suite: SUITE, spread, goal: { atLeast: 0.78 } }];
  });
}

/** Two stores side by side, asked in turn: on a busy machine one after the other would compare two moments. */
function growth({ sessions }: Scale): Promise<Figure[]> {
  return withRedis((few) =>
    withRedis((many) =>
      inChild(async (child) => {
        await child.ask('fill', { name: 'few', redis: few?.url, count: 1_000 });
        const empty = await usedMemory(many);
        await child.ask('fill', { name: 'many', redis: many?.url, count: sessions });
        const bytes = ((await usedMemory(many)) - empty) / sessions;
        const counts = { count: 2_000 };
        const ratios: { active: number[]; all: number[] } = { active: [], all: [] };
        for (let round = 0; round < 10; round++) {
          const base = await child.ask<number>('findTimes', { name: 'few', ...counts });
          const active = await child.ask<number>('findTimes', { name: 'many', among: 1_000, ...counts });
          const all = await child.ask<number>('findTimes', { name: 'many', ...counts });
          if (round > 0) ratios.active.push(active / base); // the first round warms up
          if (round > 0) ratios.all.push(all / base);
        }
        return growthFigures(sessions, ratios, many ? bytes : undefined);
      }),
    ),
  );
}

function growthFigures(sessions: number, { active, all }: { active: number[]; all: number[] }, bytes?: number): Figure[] {
  const at = `find() p50 at ${sessions.toLocaleString('en')} sessions ÷ at 1,000`;
  return [
    { id: 'find active', label: `${at}, 1,000 of them active`, suite: SUITE, spread: spreadOf(active), goal: { atMost: 1.1 } },
    { id: 'find all', label: `${at}, all of them active`, suite: SUITE, spread: spreadOf(all) },
    ...(bytes === undefined
      ? []
      : [
          {
            id: 'used memory',
            label: `Redis used_memory per login, both records, at ${sessions.toLocaleString('en')}`,
            suite: SUITE,
            spread: spreadOf([bytes]),
            unit: 'bytes',
          },
        ]),
  ];
}

async function usedMemory(redis: TestRedis | undefined): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(String(await redis?.run('INFO', 'memory')))?.[1]);
}

function heapFigure({ finds }: Scale): Promise<Figure[]> {
  const label = `heap growth over ${finds.toLocaleString('en')} finds of 20,000 users`;
  return withRedis((redis) =>
    inChild(
      async (child) => {
        const grown = await child.ask<number>('heapGrowth', { redis: redis?.url, finds });
        return [{ id: 'heap', label, suite: SUITE, spread: spreadOf([grown]), unit: 'MB', goal: { atMost: 20 } }];
      },
      ['--expose-gc'],
    ),
  );
}

/**
 * A login asks WeChat, which runs in a process of its own here: of the CPU time, only what our process spends is counted.
 * Beside it, logins that WeChat answers in no time.
 */
function logins(scale: Scale): Promise<Figure[]> {
  return withRedis(async (redis) => {
    const wechat = Child.start('wechat');
    try {
      const ground = { redis: redis?.url, wechat: await wechat.ask('open') };
      const rounds = [];
      for (let round = 0; round < Math.min(3, scale.rounds); round++) rounds.push(await loginRound(ground, wechat, scale));
      return loginFigures(rounds);
    } finally {
      await wechat.stop();
    }
  });
}

type LoginRound = Record<'bare' | 'login' | 'instantLogin', Load & { cpuPerRequest: number }>;

async function loginRound(ground: object, wechat: Child, scale: Scale): Promise<LoginRound> {
  const codes = (await wechat.ask<string[]>('codes', 2 * scale.logins)).map(loginWith);
  const [first, second] = [codes.slice(0, scale.logins), codes.slice(scale.logins)];
  const timed = (requests: Order['requests']): [Part, Part] => [
    { requests, seconds: scale.warmUp },
    { requests, seconds: scale.seconds },
  ];
  return {
    bare: await measureServer('bare', ground, timed(Array.from({ length: scale.tokens }, () => ({ path: '/hello' })))),
    login: await measureServer('login', ground, [{ requests: first }, { requests: second }]), // a code works once
    instantLogin: await measureServer('instantLogin', ground, timed(first)),
  };
}

type Part = Omit<Order, 'url'>;

function loginWith(code: string): Order['requests'][number] {
  return { path: `/login?code=${code}`, method: 'POST' };
}

async function measureServer(stack: StackName, ground: object, [warmUp, part]: [Part, Part]): Promise<LoginRound['bare']> {
  const server = Child.start('server', { args: [stack, ground] });
  const load = Child.start('load');
  try {
    const { url } = await server.ask<{ url: string }>('open', 1);
    await load.ask('run', { url, ...warmUp });
    const result = await measured(server, () => load.ask<Load>('run', { url, ...part }));
    if (result.bad > 0) throw new Error(`${stack}: a good request was refused`);
    return result;
  } finally {
    await Promise.all([server.stop(), load.stop()]);
  }
}

function loginFigures(rounds: LoginRound[]): Figure[] {
  const of = (value: (round: LoginRound) => number): Figure['spread'] => spreadOf(rounds.map(value));
  return [
    {
      id: 'login',
      label: 'login, WeChat answering in no time ÷ bare route, requests/s',
      suite: SUITE,
      spread: of(({ instantLogin, bare }) => instantLogin.good / bare.good),
      goal: { atLeast: 0.35 },
    },
    {
      id: 'instant login µs',
      label: 'login: CPU per login, WeChat answering in no time, µs',
      suite: SUITE,
      spread: of(({ instantLogin }) => instantLogin.cpuPerRequest),
    },
    {
      id: 'login cpu',
      label: 'bare route ÷ login with the call to WeChat, CPU time of our process',
      suite: SUITE,
      spread: of(({ login, bare }) => bare.cpuPerRequest / login.cpuPerRequest),
    },
    {
      id: 'login µs',
      label: 'login: CPU per login, the call to WeChat included, µs',
      suite: SUITE,
      spread: of(({ login }) => login.cpuPerRequest),
    },
  ];
}
