import type { TestRedis } from '../../support/redis.js';
import { commandsDuring, infoOf, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor } from '../figures.js';
import type { Figure, Findings, Table } from '../figures.js';
import { forgedToken } from '../library.js';
import { RunningServer } from '../running-server.js';

/** The memory of one key in Redis. */
interface KeyCost {
  key: string;
  keyBytes: number;
  valueBytes: number;
  /** Bytes that Redis adds: entry, expiry, string headers and rounding by its allocator. */
  overhead: number;
  total: number;
}

const figure = figuresFor('memory');

/** Measures the Redis commands of a guarded request, and the Redis memory of a login. */
export async function memorySuite({ weighed }: Scale): Promise<Findings> {
  say('  Redis commands and bytes');
  const { figures, keys } = await withRedis((redis) => oneLogin(redis!));
  const perLogin = await withRedis((redis) => bytesPerLogin(redis!, weighed));
  const label = `Redis used_memory per login, both records, at ${weighed.toLocaleString('en')}`;
  const all = [
    ...figures,
    ...bytes(keys),
    ...figure('used memory', label, [perLogin], { unit: 'bytes' }),
  ];
  return { figures: all, tables: [tableOf(keys)] };
}

function oneLogin(redis: TestRedis): Promise<{ figures: Figure[]; keys: KeyCost[] }> {
  return RunningServer.with({ stack: 'guarded', ground: { redis: redis.url } }, async (server) => {
    const { values } = await server.credentials(1);
    const keys = await costs(redis);
    return { keys, figures: await commands(redis, `${await server.url()}/hello`, values[0]!) };
  });
}

async function bytesPerLogin(redis: TestRedis, count: number): Promise<number> {
  const pieces = Child.start('pieces');
  try {
    const empty = await usedMemory(redis);
    await pieces.ask('fill', { name: 'weighed', redis: redis.url, count });
    return ((await usedMemory(redis)) - empty) / count;
  } finally {
    await pieces.stop();
  }
}

async function usedMemory(redis: TestRedis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await infoOf(redis, 'memory'))![1]);
}

const REQUESTS = 200;

async function commands(redis: TestRedis, url: string, authorization: string): Promise<Figure[]> {
  const spent = (valueOf: () => string): Promise<Record<string, number>> =>
    commandsDuring(redis, async () => {
      for (let i = 0; i < REQUESTS; i++)
        await fetch(url, { headers: { authorization: valueOf() } });
    });
  const perRequest = (
    id: string,
    label: string,
    calls: Record<string, number>,
    atMost: number,
  ): Figure[] => {
    const total = Object.values(calls).reduce((a, b) => a + b, 0);
    return figure(id, label, [total / REQUESTS], {
      goal: { atMost },
      note: Object.keys(calls).join(', '),
    });
  };
  return [
    ...perRequest(
      'commands',
      'Redis commands per guarded request',
      await spent(() => authorization),
      1,
    ),
    ...perRequest(
      'commands forged',
      'Redis commands per forged token',
      await spent(() => `Bearer ${forgedToken()}`),
      0,
    ),
    ...perRequest(
      'commands malformed',
      'Redis commands per malformed token',
      await spent(() => 'Bearer malformed'),
      0,
    ),
  ];
}

async function costs(redis: TestRedis): Promise<KeyCost[]> {
  const keys = ((await redis.run('KEYS', '*')) as string[]).toSorted();
  return Promise.all(
    keys.map(async (key) => {
      const [valueBytes, total] = [
        Number(await redis.run('STRLEN', key)),
        Number(await redis.run('MEMORY', 'USAGE', key)),
      ];
      return {
        key: key.replace(/[^:]+$/, '…'),
        keyBytes: key.length,
        valueBytes,
        total,
        overhead: total - key.length - valueBytes,
      };
    }),
  );
}

function bytes(keys: KeyCost[]): Figure[] {
  const record = keys.find(({ key }) => key.startsWith('wx:s:'))!;
  const all = keys.reduce((sum, { total }) => sum + total, 0);
  const weight = { unit: 'bytes' };
  return [
    ...figure('bytes record', 'Redis bytes of the session record (MEMORY USAGE)', [record.total], {
      ...weight,
      goal: { atMost: 300 },
    }),
    ...figure('bytes login', 'Redis bytes of all records of one login', [all], {
      ...weight,
      goal: { atMost: 600 },
    }),
  ];
}

function tableOf(keys: KeyCost[]): Table {
  const rows = keys.map(({ key, keyBytes, valueBytes, overhead, total }) => [
    key,
    ...[keyBytes, valueBytes, overhead, total].map(String),
  ]);
  return { head: ['key', 'key name', 'value', 'added by Redis', 'bytes'], rows };
}
