import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { Client } from 'pg';
import { buildApp, runApp } from '../support/built-app.js';
import type { AppProcess } from '../support/built-app.js';
import { freePort } from '../support/free-port.js';
import { startPostgres } from '../support/postgres.js';
import type { Postgres } from '../support/postgres.js';
import { TestCluster, until } from '../support/redis.js';
import { TestS3 } from '../support/s3.js';
import { environmentFor } from '../support/start.js';
import { startHaproxy } from './haproxy.js';
import type { Haproxy } from './haproxy.js';
import { TestPgBouncer } from './pgbouncer.js';

const INSTANCES = 3;

/** The servers that the instances use. */
interface Servers {
  wechat: WechatSandbox;
  redis: TestCluster;
  postgres: Postgres;
  pgBouncer: TestPgBouncer;
  haproxy: Haproxy;
  s3: TestS3;
}

/** Three instances of the compiled reference app behind HAProxy, with a Redis Cluster, S3, and PostgreSQL behind PgBouncer. */
export class Site {
  readonly wechat: WechatSandbox;
  readonly pgBouncer: TestPgBouncer;
  /** The URL of HAProxy. */
  readonly url: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-site-'));
  private readonly running: AppProcess[] = [];

  private constructor(
    private readonly servers: Servers,
    private readonly ports: number[],
    private readonly databaseUrl: string,
    private readonly drain: string,
  ) {
    ({ wechat: this.wechat, pgBouncer: this.pgBouncer } = servers);
    this.url = servers.haproxy.url;
  }

  /**
   * Starts all instances at once, on an empty database.
   * @param bin the folder of PostgreSQL's programs
   * @param drain SHUTDOWN_DRAIN of the instances
   */
  static async start(bin: string, drain: string): Promise<Site> {
    const ports = await Promise.all(Array.from({ length: INSTANCES }, freePort));
    await buildApp();
    const haproxy = await startHaproxy(ports);
    const [wechat, redis, postgres, s3] = await Promise.all([
      startWechatSandbox(),
      TestCluster.start(),
      startPostgres(bin),
      TestS3.start(),
    ]);
    const databaseUrl = await postgres.createDatabase();
    const pgBouncer = await TestPgBouncer.start(databaseUrl);
    const servers = { wechat, redis, postgres, haproxy, pgBouncer, s3 };
    const site = new Site(servers, ports, databaseUrl, drain);
    await Promise.all(ports.map((_, i) => site.startInstance(i)));
    return site;
  }

  /** Resolves when the instance is ready. */
  async startInstance(i: number): Promise<void> {
    const PORT = String(this.ports[i]);
    const instance = runApp('main', { cwd: this.folder, env: { ...this.environment(), PORT } });
    this.running[i] = instance;
    await instance.says('Listening');
    const ready = `http://127.0.0.1:${PORT}/health/ready`;
    await until(async () => (await fetch(ready)).status === 200);
  }

  /** Ends an instance by SIGTERM, and starts it again when it has ended. Returns its exit code. */
  async restart(i: number): Promise<number | null> {
    const code = await this.running[i]!.stop();
    await this.startInstance(i);
    return code;
  }

  /** Ends an instance by SIGKILL. */
  async kill(i: number): Promise<void> {
    await this.running[i]!.stop('SIGKILL');
  }

  /** Runs a query at PostgreSQL itself. */
  async query(sql: string): Promise<Record<string, string>[]> {
    const client = new Client(this.databaseUrl);
    await client.connect();
    try {
      return (await client.query<Record<string, string>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async end(): Promise<void> {
    const { wechat, redis, postgres, pgBouncer, haproxy, s3 } = this.servers;
    await Promise.all(this.running.map((instance) => instance.stop('SIGKILL')));
    await Promise.all([wechat.close(), redis.end(), pgBouncer.end(), haproxy.stop()]);
    await Promise.all([postgres.stop(), s3.close()]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private environment(): Record<string, string> {
    const { wechat, redis, pgBouncer, haproxy, s3 } = this.servers;
    return {
      ...environmentFor(wechat),
      ...wechat.pay.merchant.env({ notifyUrl: `${haproxy.url}/wechat/pay/notify` }),
      NODE_ENV: 'production',
      PUBLIC_URL: haproxy.url,
      TRUST_PROXY: '1',
      JWT_SECRET: 'one secret of all instances, 32 bytes',
      DATABASE_URL: pgBouncer.urlOf(this.databaseUrl),
      DATABASE_PREPARED_STATEMENTS: 'off',
      REDIS_URL: redis.urls.join(','),
      ...s3.env(),
      UPLOAD_MAX_FILES: '100000',
      UPLOAD_QUOTA: '10GB',
      LOGIN_RATE_LIMIT: '0', // all clients of the test have one address
      ORDER_RATE_LIMIT: '0',
      SHUTDOWN_DRAIN: this.drain,
    };
  }
}
