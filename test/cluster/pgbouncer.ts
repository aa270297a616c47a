import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../support/free-port.js';
import { describeWith } from '../support/needs.js';
import { serverUser } from '../support/postgres.js';
import { until } from '../support/redis.js';

const CONFIGURATION = join(__dirname, '../../etc/pgbouncer.ini');

/** `describe` for tests that need PgBouncer. */
export const describePgBouncer = (title: string, stories: () => void): void =>
  describeWith(
    {
      name: 'PgBouncer',
      isInstalled: spawnSync('pgbouncer', ['--version']).status === 0,
      package: 'pgbouncer',
    },
    title,
    stories,
  );

/** PgBouncer with the settings of `etc/pgbouncer.ini`, in front of a server of the tests, which has no passwords. */
export class TestPgBouncer {
  private readonly folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-pgbouncer-'));
  private server?: ChildProcess;
  private readonly endWithUs = (): void => void this.server?.kill('SIGKILL');

  private constructor(readonly port: number) {
    process.once('exit', this.endWithUs);
  }

  /** @param databaseUrl a database of the server */
  static async start(databaseUrl: string): Promise<TestPgBouncer> {
    const pgBouncer = new TestPgBouncer(await freePort());
    chmodSync(pgBouncer.folder, 0o755); // PgBouncer refuses to run as root
    writeFileSync(pgBouncer.file, settingsFor(Number(new URL(databaseUrl).port), pgBouncer.port));
    await pgBouncer.start();
    return pgBouncer;
  }

  /** The URL of a database behind it. */
  urlOf(databaseUrl: string): string {
    return `postgres://app@127.0.0.1:${this.port}${new URL(databaseUrl).pathname}`;
  }

  /** Starts it, also after `stop()`. */
  async start(): Promise<void> {
    this.server = spawn('pgbouncer', [this.file], { ...serverUser(), stdio: 'ignore' });
    await until(() => this.command('SHOW VERSION').then(yes, no));
  }

  /** Ends it at once, with all its connections. */
  async stop(): Promise<void> {
    if (this.server?.exitCode !== null) return;
    const exit = once(this.server, 'exit');
    this.server.kill('SIGTERM');
    await exit;
  }

  /** Runs a command of its console: `PAUSE`, `RESUME`, `SHOW …`. */
  async command(text: string): Promise<Record<string, string>[]> {
    const admin = new Client({
      connectionString: `postgres://app@127.0.0.1:${this.port}/pgbouncer`,
    });
    admin.on('error', () => {}); // the query reports it, too
    try {
      await admin.connect();
      return (await admin.query<Record<string, string>>(text)).rows;
    } finally {
      await admin.end();
    }
  }

  async end(): Promise<void> {
    await this.stop();
    process.off('exit', this.endWithUs);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.folder, 'pgbouncer.ini');
  }
}

/** The committed settings with the addresses of this machine, and without passwords. */
function settingsFor(postgresPort: number, port: number): string {
  return readFileSync(CONFIGURATION, 'utf8')
    .replace(/^\* = .*$/m, `* = host=127.0.0.1 port=${postgresPort} user=postgres`)
    .replace(/^listen_addr = .*$/m, 'listen_addr = 127.0.0.1\nunix_socket_dir =')
    .replace(/^listen_port = .*$/m, `listen_port = ${port}`)
    .replace(/^auth_type = .*$/m, 'auth_type = any\nadmin_users = app')
    .replace(/^auth_file = .*$\n/m, '');
}

const yes = (): boolean => true;
const no = (): boolean => false;
