import { spawnSync } from 'node:child_process';
import { TestRedis } from '../support/redis.js';

/** How much is measured. */
export interface Scale {
  rounds: number;
  warmUp: number;
  seconds: number;
  tokens: number;
  logins: number;
  sessions: number;
  finds: number;
}

export const FULL: Scale = { rounds: 5, warmUp: 1, seconds: 2, tokens: 1_024, logins: 1_536, sessions: 100_000, finds: 200_000 };
export const QUICK: Scale = { rounds: 1, warmUp: 0.5, seconds: 0.5, tokens: 1_024, logins: 256, sessions: 10_000, finds: 20_000 };

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A Redis for one suite, or `undefined` where none is installed. */
export async function withRedis<T>(work: (redis: TestRedis | undefined) => Promise<T>): Promise<T> {
  const redis = hasRedis ? await TestRedis.start() : undefined;
  try {
    return await work(redis);
  } finally {
    await redis?.end();
  }
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
