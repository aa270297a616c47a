import type { TestRedis } from '../../support/redis.js';
import { say } from '../bench.js';
import { Child } from '../child.js';
import { spreadOf } from '../figures.js';
import type { Figure } from '../figures.js';
import { invented } from './http.js';

/** What one key costs Redis. */
export interface KeyCost {
  key: string;
  keyBytes: number;
  valueBytes: number;
  /** What Redis adds: entry, expiry, headers of strings, rounding up of its allocator. */
  overhead: number;
  total: number;
}

/** What a guarded request asks Redis for, and what a login leaves there. */
export async function redisSuite(redis: TestRedis): Promise<{ figures: Figure[]; keys: KeyCost[] }> {
  say('  commands and bytes of Redis');
  await redis.run('FLUSHALL');
  const server = Child.start('server', { args: ['guarded', { redis: redis.url }] });
  try {
    const { url, tokens } = await server.ask<{ url: string; tokens: string[] }>('open', 1);
    const keys = await costs(redis);
    return { figures: [...(await commands(redis, `${url}/hello`, tokens[0]!)), ...bytes(keys)], keys };
  } finally {
    await server.stop();
  }
}

const REQUESTS = 200;

async function commands(redis: TestRedis, url: string, token: string): Promise<Figure[]> {
  const spent = async (tokenOf: () => string): Promise<Record<string, number>> => {
    await redis.run('CONFIG', 'RESETSTAT');
    for (let i = 0; i < REQUESTS; i++) await fetch(url, { headers: { authorization: `Bearer ${tokenOf()}` } });
    return callsIn(String(await redis.run('INFO', 'commandstats')));
  };
  const good = await spent(() => token);
  const wrong = await spent(invented);
  const malformed = await spent(() => 'nothing-of-ours');
  const total = (calls: Record<string, number>): Figure['spread'] => spreadOf([Object.values(calls).reduce((a, b) => a + b, 0) / REQUESTS]);
  const figure = (id: string, label: string, calls: Record<string, number>, atMost: number): Figure => ({
    id,
    label,
    suite: 'redis',
    spread: total(calls),
    goal: { atMost },
    note: Object.keys(calls).join(', '),
  });
  return [
    figure('commands', 'Redis commands per guarded request', good, 1),
    figure('commands invented', 'Redis commands per invented token', wrong, 0),
    figure('commands malformed', 'Redis commands per malformed token', malformed, 0),
  ];
}

/** Without what we ask ourselves, how a client greets, and the clock's TIME now and then. */
function callsIn(commandstats: string): Record<string, number> {
  const all = [...commandstats.matchAll(/cmdstat_([\w|]+):calls=(\d+)/g)].map(([, name, calls]) => [name!, Number(calls)] as const);
  return Object.fromEntries(all.filter(([name]) => !/^(config|info|hello|client|ping|time)/.test(name)));
}

async function costs(redis: TestRedis): Promise<KeyCost[]> {
  const keys = ((await redis.run('KEYS', '*')) as string[]).toSorted();
  return Promise.all(
    keys.map(async (key) => {
      const [valueBytes, total] = [Number(await redis.run('STRLEN', key)), Number(await redis.run('MEMORY', 'USAGE', key))];
      return { key: key.replace(/[^:]+$/, '…'), keyBytes: key.length, valueBytes, total, overhead: total - key.length - valueBytes };
    }),
  );
}

function bytes(keys: KeyCost[]): Figure[] {
  const record = keys.find(({ key }) => key.startsWith('wx:s:'))!;
  const all = keys.reduce((sum, { total }) => sum + total, 0);
  const figure = (id: string, label: string, value: number, atMost: number): Figure => ({
    id,
    label,
    suite: 'redis',
    spread: spreadOf([value]),
    unit: 'bytes',
    goal: { atMost },
  });
  return [
    figure('bytes record', 'Redis bytes of the session record (MEMORY USAGE)', record.total, 300),
    figure('bytes login', 'Redis bytes of all that one login leaves', all, 600),
  ];
}
