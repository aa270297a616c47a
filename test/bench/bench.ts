import { TestRedis } from '../support/redis.js';
import { hasRedis, pin } from './machine.js';

/** How much is measured. */
export interface Scale {
  rounds: number;
  /** Seconds of load before a server is measured, and while it is. */
  warmUp: number;
  seconds: number;
  /** Users that a server has, where nothing else is said. */
  clients: number;
  logins: number;
  /** Logins in Redis: to weigh them, and to see whether their number slows a request. */
  weighed: number;
  many: number;
  /** Requests between two looks at the heap. */
  soak: number;
  /** Starts that are timed. */
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

/** A Redis for one suite, or `undefined` where none is installed. */
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

/** A busy machine makes Redis miss the library's deadline; such a part says nothing, and is measured anew, once. */
export function onceMore<T>(part: string, work: () => Promise<T>): Promise<T> {
  return work().catch((error: Error) => {
    say(`  MEASURED ANEW, ${part}: ${error.message.split('\n')[0]}`);
    return work();
  });
}

/** A machine gets slower and faster while it runs; nobody is always first. */
export function rotated<T>(list: T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
