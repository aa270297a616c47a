import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import type { Cost } from '../../../tools/capacity/figures.js';
import { findPostgres, startPostgres } from '../../support/postgres.js';
import type { TestRedis } from '../../support/redis.js';
import { infoOf, withRedis } from '../bench.js';
import { Child } from '../child.js';
import { withReferenceApp } from '../reference-app.js';
import { People } from './people.js';

/** What processes have used so far: CPU time in microseconds, statements, commands; and the memory of Redis in bytes. */
export interface Readings extends Cost {
  redisBytes: number;
}

/** The reference app with PostgreSQL, Redis and the sandbox, each with its meters. */
export class Site {
  constructor(
    readonly people: People,
    private readonly database: Client,
    private readonly app: Child,
    private readonly redis: TestRedis,
    private readonly postgresPid: number,
  ) {}

  async read(): Promise<Readings> {
    const cpu = await infoOf(this.redis, 'cpu');
    const memory = await infoOf(this.redis, 'memory');
    return {
      app: await this.app.ask<number>('cpu'),
      postgres: cpuOf(this.postgresPid),
      redis: (numberIn(cpu, 'used_cpu_sys') + numberIn(cpu, 'used_cpu_user')) * 1e6,
      queries: await this.queries(),
      commands: numberIn(await infoOf(this.redis, 'stats'), 'total_commands_processed'),
      redisBytes: numberIn(memory, 'used_memory'),
    };
  }

  /** The rows that the actions add. */
  async rows(): Promise<Record<'upload' | 'order', number>> {
    const { rows } = await this.database.query<{ recordings: string; orders: string }>(
      "SELECT (SELECT count(*) FROM recordings) AS recordings, (SELECT count(*) FROM orders WHERE status = 'paid') AS orders",
    );
    return { upload: Number(rows[0]?.recordings), order: Number(rows[0]?.orders) };
  }

  private async queries(): Promise<number> {
    const { rows } = await this.database.query<{ calls: string }>(
      'SELECT sum(calls) AS calls FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()',
    );
    return Number(rows[0]?.calls);
  }
}

/** Passes `undefined` if Redis or PostgreSQL is not installed. */
export function withSite<T>(work: (site: Site | undefined) => Promise<T>): Promise<T> {
  const bin = findPostgres();
  return withRedis(async (redis) => {
    if (!redis || bin === undefined) return work(undefined);
    const postgres = await startPostgres(bin, ['shared_preload_libraries=pg_stat_statements']);
    const wechat = Child.start('wechat', { place: 'beside' });
    const databaseUrl = await postgres.createDatabase();
    const database = new Client(databaseUrl);
    try {
      await database.connect();
      await database.query('CREATE EXTENSION pg_stat_statements');
      const merchant = await wechat.ask<Record<string, string>>('merchant');
      const env = (url: string) => ({
        ...merchant,
        PUBLIC_URL: url,
        UPLOAD_QUOTA: '100GB',
        UPLOAD_MAX_FILES: '100000',
      });
      return await withReferenceApp(
        { redis: redis.url, wechat, databaseUrl, env },
        async ({ server, process }) => {
          const people = new People(await server.url(), wechat);
          return work(new Site(people, database, process, redis, postgres.pid));
        },
      );
    } finally {
      await database.end();
      await wechat.stop();
      await postgres.stop();
    }
  });
}

export function difference(after: Readings, before: Readings): Readings {
  const entries = Object.entries(after) as [keyof Readings, number][];
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value - before[name]]),
  ) as unknown as Readings;
}

function numberIn(info: string, name: string): number {
  return Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
}

/** The unit of /proc: Linux reports CPU time in hundredths of a second. */
const TICK_US = 10_000;

/** CPU time of a process, its children, and those that have ended. */
function cpuOf(pid: number): number {
  const [user, system, endedUser, endedSystem] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .split(') ')[1]!
    .split(' ')
    .slice(11, 15)
    .map(Number) as [number, number, number, number];
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const running = children === '' ? [] : children.split(' ').map((child) => cpuOf(Number(child)));
  const own = (user + system + endedUser + endedSystem) * TICK_US;
  return running.reduce((sum, cpu) => sum + cpu, own);
}
