import { TestRedis } from '../support/redis.js';
import { hasRedis, pin } from './machine.js';

/** How much is measured. */
export interface Scale {
  rounds: number;
  /** Seconds of load before the measurement of a server, and during it. */
  warmUp: number;
  seconds: number;
  /** The default number of users of a server. */
  clients: number;
  logins: number;
  /** Logins in Redis, to measure their memory and whether their number slows down a request. */
  weighed: number;
  many: number;
  /** Requests between two measurements of the heap. */
  soak: number;
  /** Number of timed starts. */
  starts: number;
}

export const FULL: Scale = {
  rounds: 5,
  warmUp: 1,
  seconds: 2,
  clients: 1_024,
  logins: 1_536,
  weighed: 100_000,
  many: 1_000_000,
  soak: 1_000_000,
  starts: 5,
};
export const QUICK: Scale = {
  rounds: 1,
  warmUp: 0,
  seconds: 0.3,
  clients: 1_024,
  logins: 256,
  weighed: 2_000,
  many: 5_000,
  soak: 10_000,
  starts: 0,
};

/** Starts a Redis for one suite. Passes `undefined` if Redis is not installed. */
export async function withRedis<T>(work: (redis: TestRedis | undefined) => Promise<T>): Promise<T> {
  const redis = hasRedis ? await TestRedis.start() : undefined;
  try {
    if (redis) pin(Number(/process_id:(\d+)/.exec(await infoOf(redis, 'server'))![1]), 'beside');
    return await work(redis);
  } finally {
    await redis?.end();
  }
}

export async function infoOf(redis: TestRedis, section: string): Promise<string> {
  return String(await redis.run('INFO', section));
}

/** Counts the commands that Redis ran for `work`, without the benchmark's own commands, the handshake of a connection and the clock's TIME. */
export async function commandsDuring(
  redis: TestRedis,
  work: () => Promise<unknown>,
): Promise<Record<string, number>> {
  await redis.run('CONFIG', 'RESETSTAT');
  await work();
  const stats = (await infoOf(redis, 'commandstats')).matchAll(/cmdstat_([\w|]+):calls=(\d+)/g);
  const all = [...stats].map(([, name, calls]) => [name!, Number(calls)] as const);
  return Object.fromEntries(
    all.filter(([name]) => !/^(config|info|hello|client|ping|time)/.test(name)),
  );
}

/** Repeats a part once if it failed. On a busy machine Redis can miss the library's deadline, and then the result is useless. */
export function onceMore<T>(part: string, work: () => Promise<T>): Promise<T> {
  return work().catch((error: Error) => {
    say(`  MEASURED ANEW, ${part}: ${error.message.split('\n')[0]}`);
    return work();
  });
}

/** Rotates the order in each round, because the speed of a machine changes during the run. */
export function rotated<T>(list: T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
