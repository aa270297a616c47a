import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from './free-port.js';

/** A PostgreSQL server for one test. */
export interface Postgres {
  /** The process that starts those of the connections. */
  readonly pid: number;
  /** A new, empty database on it. */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

const DEBIAN = '/usr/lib/postgresql';
const SETTINGS = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'max_connections=300',
];
const argumentsOf = (settings: string[]): string[] =>
  [...SETTINGS, ...settings].flatMap((setting) => ['-c', setting]);

/** Returns the folder of the newest server programs of Debian's package, or `undefined` if it is not installed. */
export function findPostgres(): string | undefined {
  const versions = existsSync(DEBIAN)
    ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a))
    : [];
  return versions
    .map((version) => join(DEBIAN, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')));
}

/**
 * Starts a server with an empty data folder.
 * @param settings further ones, as `shared_preload_libraries=pg_stat_statements`
 */
export async function startPostgres(bin: string, settings: string[] = []): Promise<Postgres> {
  const { server, port, folder } = await launchPostgres(bin, settings);
  return {
    pid: server.pid ?? 0,
    createDatabase: () => createDatabase(port),
    async stop() {
      if (server.exitCode !== null) return;
      const exit = once(server, 'exit');
      server.kill('SIGINT'); // PostgreSQL's fast shutdown
      await exit;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the process of a server in a folder in /tmp. It does not sync to disk, because the data need not survive the test. */
export async function launchPostgres(
  bin: string,
  settings: string[] = [],
): Promise<{ server: ChildProcess; port: number; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-pg-'));
  const as = serverUser();
  if (as.uid !== undefined && as.gid !== undefined) chownSync(folder, as.uid, as.gid);
  const data = join(folder, 'data');
  const init = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'],
    {
      ...as,
      cwd: folder,
    },
  );
  if (init.status !== 0) throw new Error(`initdb: ${String(init.stderr)}`);
  const port = await freePort();
  const server = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder, ...argumentsOf(settings)],
    {
      ...as,
      cwd: folder,
      stdio: 'ignore',
    },
  );
  await untilReady(urlOf(port, 'postgres'), server);
  return { server, port, folder };
}

/**
 * Creates a database on the server with this port.
 * @param template the name of the database to copy. @default an empty one
 * @returns its URL
 */
export async function createDatabase(port: number, template = 'template1'): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await query(urlOf(port, 'postgres'), `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return urlOf(port, name);
}

/** Removes a database, with the connections to it. Does nothing if it was removed before. */
export async function dropDatabase(url: string): Promise<void> {
  const { port, pathname } = new URL(url);
  const sql = `DROP DATABASE IF EXISTS ${pathname.slice(1)} WITH (FORCE)`;
  await query(urlOf(Number(port), 'postgres'), sql);
}

/** Ends the connections to a database that are between two queries, as an operator does. Returns how many there were. */
export async function endConnections(url: string): Promise<number> {
  const { port, pathname } = new URL(url);
  return query(
    urlOf(Number(port), 'postgres'),
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${pathname.slice(1)}' AND state LIKE 'idle%'`,
  );
}

const urlOf = (port: number, database: string): string =>
  `postgres://postgres@127.0.0.1:${port}/${database}`;

/** PostgreSQL refuses to run as root. Debian's package creates a user for it. */
export function serverUser(): Pick<SpawnOptions, 'uid' | 'gid'> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(String(spawnSync('id', [flag, 'postgres']).stdout)),
  );
  return { uid, gid };
}

async function untilReady(url: string, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200 && server.exitCode === null; tries++) {
    if (
      await query(url, 'SELECT 1').then(
        () => true,
        () => false,
      )
    )
      return;
    await sleep(50);
  }
  throw new Error('PostgreSQL did not start.');
}

/** @returns the number of rows */
async function query(url: string, sql: string): Promise<number> {
  const client = new Client(url);
  client.on('error', () => {}); // the query reports it, too
  try {
    await client.connect();
    const { rowCount } = await client.query(sql);
    return rowCount ?? 0;
  } finally {
    await client.end();
  }
}
