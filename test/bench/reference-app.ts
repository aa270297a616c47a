import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { migrateAndConnect } from '../../apps/sample/src/database/migrate.js';
import { MIGRATIONS } from '../../apps/sample/src/database/migrations/index.js';
import { freePort } from '../support/free-port.js';
import { findPostgres, startPostgres } from '../support/postgres.js';
import { onceMore } from './bench.js';
import { Child } from './child.js';
import type { Ground } from './library.js';
import { RunningServer } from './running-server.js';
import { bearers } from './stacks/stack.js';
import type { Credentials } from './stacks/stack.js';

/** What the reference app needs around it. */
export interface Surroundings {
  redis: string | undefined;
  /** The sandbox. */
  wechat: Child;
  /** Without it the app uses its embedded database. */
  databaseUrl?: string;
  /** @default ignore */
  stdout?: 'ignore' | 'pipe';
  logLevel?: string;
  /** The program of this folder that runs the app. @default app */
  program?: string;
  execArgv?: string[];
  /** Further variables of the app. */
  env?: (url: string) => Record<string, string>;
}

/** The reference app with users that have logged in. */
export interface ReferenceApp {
  server: RunningServer;
  process: Child;
  credentials: Credentials;
}

const CLIENTS = 256;
/** Logins at a time: the embedded database has one connection. */
const AT_ONCE = 16;

/** Starts the compiled reference app in an empty folder, and logs its users in over HTTP. */
export async function withReferenceApp<T>(
  {
    redis,
    wechat,
    databaseUrl,
    stdout = 'ignore',
    logLevel = 'info',
    program = 'app',
    execArgv,
    env: further,
  }: Surroundings,
  work: (app: ReferenceApp) => Promise<T>,
): Promise<T> {
  const cwd = await mkdtemp(join(tmpdir(), 'wechat-bench-'));
  const { url, apps } = await wechat.ask<NonNullable<Ground['wechat']>>('open');
  const miniProgram = apps.find(({ kind }) => kind === 'mini-program')!;
  const port = await freePort();
  const env = {
    ...further?.(`http://127.0.0.1:${port}`),
    PORT: String(port),
    JWT_SECRET: 'the-secret-of-a-benchmark-with-32-bytes',
    LOGIN_RATE_LIMIT: '0',
    LOG_LEVEL: logLevel,
    WECHAT_API_BASE_URL: url,
    WECHAT_MINI_APP_ID: miniProgram.appId,
    WECHAT_MINI_APP_SECRET: miniProgram.secret,
    REDIS_URL: redis ?? '',
    DATABASE_URL: databaseUrl ?? '',
  };
  const process = Child.start(program, { execArgv, env, cwd, stdout, place: 'server' });
  try {
    return await RunningServer.in(process, async (server) => {
      const appUrl = await server.url();
      const tokens = await onceMore('logins', async () =>
        logIn(appUrl, await wechat.ask<string[]>('codes', CLIENTS)),
      );
      return work({ server, process, credentials: bearers(tokens) });
    });
  } finally {
    await rm(cwd, { recursive: true });
  }
}

/** Runs `work` with a new database of a PostgreSQL server, or with `undefined` if PostgreSQL is not installed. */
export async function withPostgres<T>(work: (url: string | undefined) => Promise<T>): Promise<T> {
  const bin = findPostgres();
  if (!bin) return work(undefined);
  const postgres = await startPostgres(bin);
  try {
    return await work(await postgres.createDatabase());
  } finally {
    await postgres.stop();
  }
}

/** Creates the tables of the app, and runs `work` with a connection to their database. */
export async function withTables<T>(url: string, work: (db: Client) => Promise<T>): Promise<T> {
  const migrated = await migrateAndConnect({
    type: 'postgres',
    url,
    migrations: MIGRATIONS,
    installExtensions: false,
  });
  await migrated.destroy();
  const db = new Client(url);
  await db.connect();
  try {
    return await work(db);
  } finally {
    await db.end();
  }
}

async function logIn(url: string, codes: string[]): Promise<string[]> {
  const tokens: string[] = [];
  for (let at = 0; at < codes.length; at += AT_ONCE)
    tokens.push(
      ...(await Promise.all(codes.slice(at, at + AT_ONCE).map((code) => sessionOf(url, code)))),
    );
  return tokens;
}

async function sessionOf(url: string, code: string): Promise<string> {
  const response = await fetch(`${url}/auth/login`, { method: 'POST', ...bodyWith(code) });
  if (!response.ok) throw new Error(`login: ${response.status} ${await response.text()}`);
  const { data } = (await response.json()) as { data: { session_rd: string } };
  return data.session_rd;
}

/** The body of a login. */
export function bodyWith(code: string): { body: string; headers: Record<string, string> } {
  return { body: JSON.stringify({ code }), headers: { 'content-type': 'application/json' } };
}
