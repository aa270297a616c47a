import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import { Client } from 'pg';
import type { QueryConfig } from 'pg';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { DataSource } from 'typeorm';
import type { DataSourceOptions, MigrationInterface, QueryRunner } from 'typeorm';
import { AccountPushes } from '../../apps/sample/src/account/account-pushes.js';
import { AvatarsService } from '../../apps/sample/src/avatars/avatars.service.js';
import { Shutdown } from '../../apps/sample/src/common/shutdown.js';
import { ContentOperator } from '../../apps/sample/src/content/content-operator.js';
import { Contents } from '../../apps/sample/src/content/contents.js';
import { MediaChecks } from '../../apps/sample/src/content/media-checks.js';
import { Verdicts } from '../../apps/sample/src/content/verdicts.js';
import { migrateAndConnect } from '../../apps/sample/src/database/migrate.js';
import { FOLDERS } from '../../apps/sample/src/files/file-store.js';
import { OrderMessages } from '../../apps/sample/src/shop/order-messages.js';
import { Reconciliation } from '../../apps/sample/src/shop/reconciliation.js';
import { UsersService } from '../../apps/sample/src/users/users.service.js';
import { ConfigError, readConfig } from '../../apps/sample/src/config.js';
import { mp3 } from '../support/audio.js';
import { waitingOf } from '../support/coffee-shop.js';
import { expectDatabaseDown } from '../support/database-down.js';
import { onPostgres } from '../support/databases.js';
import { statusesOf } from '../support/http.js';
import { file, uploadTo } from '../support/multipart.js';
import { person, registered } from '../support/people.js';
import { PNG_PICTURE } from '../support/pictures.js';
import { endConnections, startPostgres } from '../support/postgres.js';
import type { Postgres } from '../support/postgres.js';
import { until } from '../support/redis.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** The variables of the app and of the library. */
const VARIABLES = [
  ...[
    'PORT',
    'DATABASE_URL',
    'DATABASE_PREPARED_STATEMENTS',
    'CACHE_REDIS_URL',
    'REDIS_URL',
    'REDIS_WAIT_REPLICAS',
    'JWT_SECRET',
    'JWT_TTL',
    'UPLOAD_DIR',
    'LOGIN_RATE_LIMIT',
    'QRCODE_RATE_LIMIT',
    'ORDER_RATE_LIMIT',
    'CONTENT_CHECK_LIMIT',
    'API_DOCS',
    'TRUST_PROXY',
    'LOG_LEVEL',
  ],
  ...[
    'MINI_APP_ID',
    'MINI_APP_SECRET',
    'MOBILE_APP_ID',
    'MOBILE_APP_SECRET',
    'APPS',
    'API_BASE_URL',
    'API_TIMEOUT',
  ].map((name) => `WECHAT_${name}`),
  ...['ACCESS_TOKEN_MODE', 'OPEN_DATA_MAX_AGE', 'ENCRYPTION_KEYS'].map((name) => `WECHAT_${name}`),
  ...['TTL', 'MAX_AGE', 'REFRESH_GRACE', 'MAX_PER_USER'].map((name) => `WECHAT_SESSION_${name}`),
];

const APP = { WECHAT_MINI_APP_ID: 'wx5a4db0c1e2f37608', WECHAT_MINI_APP_SECRET: 'canary-secret' };

const problemsOf = (env: Record<string, string>): string[] => {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    return (error as ConfigError).problems;
  }
};

describe('the environment', () => {
  it('requires one WeChat app and nothing else', () => {
    expect(readConfig(APP)).toMatchObject({
      port: 3000,
      production: false,
      database: { dir: './var/db' },
      uploadDir: './var/uploads',
      loginRateLimit: 120,
      logLevel: 'info',
      jwt: { ttlMs: 12 * 3600_000 },
    });
  });

  it('is refused with all problems at once, of the app and of the library, with names of variables and no value', () => {
    const env = {
      NODE_ENV: 'production',
      PORT: 'canary',
      DATABASE_URL: 'mysql://canary:canary@host',
      LOGIN_RATE_LIMIT: '-1',
      TRUST_PROXY: 'canary.example',
      LOG_LEVEL: 'canary',
      JWT_TTL: 'canary',
      WECHAT_MINI_APP_ID: 'wx5a4db0c1e2f37608',
      WECHAT_SESSION_TTL: '30x-canary',
      REDIS_URL: 'redis://:canary%@host',
      CACHE_REDIS_URL: 'redis://:canary%@host',
    };
    const message = problemsOf(env).join('\n');
    for (const name of [
      'PORT',
      'DATABASE_URL',
      'LOGIN_RATE_LIMIT',
      'TRUST_PROXY',
      'LOG_LEVEL',
      'JWT_TTL',
      'JWT_SECRET',
      'WECHAT_MINI_APP_SECRET',
      'WECHAT_SESSION_TTL',
      'REDIS_URL',
      'CACHE_REDIS_URL',
    ])
      expect(message).toContain(name);
    expect(message).not.toContain('canary');
  });

  it.each(['3', '10.0.0.1', '10.0.0.0/8, 127.0.0.1', '::1', 'fd00::/8', 'loopback,uniquelocal'])(
    'accepts %s as TRUST_PROXY',
    (TRUST_PROXY) => {
      expect(problemsOf({ ...APP, TRUST_PROXY })).toEqual([]);
    },
  );

  it.each(['true', '1.5', '10.0.0.0/33', 'proxy', ',', '10.0.0.1/8/8'])(
    'refuses %s as TRUST_PROXY',
    (TRUST_PROXY) => {
      expect(problemsOf({ ...APP, TRUST_PROXY })).toHaveLength(1);
    },
  );

  it('is explained in .env.example: every variable, with values that work', () => {
    const lines = [...readFileSync('.env.example', 'utf8').matchAll(/^(\w+)=(.*)$/gm)];
    const example = Object.fromEntries(lines.map(([, name, value]) => [name, value]));
    expect(Object.keys(example)).toEqual(expect.arrayContaining(VARIABLES));
    expect(problemsOf({ ...example, ...APP, JWT_SECRET: 'x'.repeat(32) })).toEqual([]);
  });

  it('requires JWT_SECRET in production', () => {
    expect(problemsOf({ ...APP, NODE_ENV: 'production', JWT_SECRET: ' ' })).toEqual([
      expect.stringMatching(/^JWT_SECRET is required/),
    ]);
    expect(problemsOf({ ...APP, NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(32) })).toEqual([]);
  });
});

describe('the app', () => {
  let s: Started;
  beforeAll(async () => {
    s = await start({ env: { LOG_LEVEL: 'info' } });
  });
  beforeEach(() => s.log.splice(0));
  afterEach(() => {
    s.wechat.clear();
    jest.restoreAllMocks();
  });
  afterAll(() => s.close());

  const JSCODE2SESSION = '/sns/jscode2session';
  const login = async () =>
    s.call('POST /auth/login', { body: await s.wechat.users.create().login() });

  it.each([
    ['a quota that is used up', { errcode: 45011 }, 429, 45011, 'ERR_WECHAT_RATE_LIMIT'],
    ['a user whom WeChat blocks', { errcode: 40226 }, 403, 40226, 'ERR_WECHAT_BLOCKED'],
    ['an AppSecret that WeChat refuses', { errcode: 40125 }, 500, 500, 'ERR_WECHAT_CONFIG'],
    ['a response that is not JSON', { body: '<html>canary' }, 502, 502, 'ERR_WECHAT_RESPONSE'],
    ['a connection that breaks', { reset: true as const }, 503, 503, 'ERR_WECHAT_UNAVAILABLE'],
  ])('reports %s in the envelope', async (_, fault, status, code, error) => {
    s.wechat.next(JSCODE2SESSION, fault);
    const response = await login();
    expect([response.status, response.body]).toEqual([
      status,
      { code, msg: expect.any(String), data: null, success: false, error },
    ]);
    expect(response.headers.has('retry-after')).toBe(status === 429 || status === 503);
    expect(response.body.msg).not.toContain('canary');
  });

  it('returns 503 and never 401 while the store is down', async () => {
    const { session_rd: token } = await s.login();
    jest.spyOn(s.app.get(WechatStore), 'get').mockRejectedValue(new StoreUnavailableError());
    for (const route of [
      'GET /me',
      'GET /auth/session',
      'POST /auth/refresh',
      'POST /auth/logout',
    ]) {
      const { status, headers, body } = await s.call(route, { token });
      expect([route, status, headers.get('retry-after'), body.error]).toEqual([
        route,
        503,
        '1',
        'ERR_STORE_UNAVAILABLE',
      ]);
    }
  });

  it('does not describe an unexpected error to the client, and logs it without the data of the request', async () => {
    const { session_rd: token } = await s.login();
    const error = Object.assign(new Error('boom\u2028'), {
      query: 'SELECT canary',
      parameters: ['canary'],
    });
    jest.spyOn(s.app.get(UsersService), 'resolve').mockRejectedValue(error);
    const { status, body } = await s.call('GET /me', { token });
    expect([status, body]).toEqual([
      500,
      { code: 500, msg: 'internal error', data: null, success: false, error: 'ERR_INTERNAL' },
    ]);
    expect(s.log.join('')).toContain('boom\\u2028');
    expect(s.log.join('')).not.toContain('canary');
  });

  describe('health', () => {
    it('is live and ready, and does not call WeChat', async () => {
      await s.login();
      const before = s.wechat.requests.length;
      expect((await s.call('GET /health/live')).body).toEqual({
        code: 200,
        msg: 'ok',
        data: { status: 'ok' },
        success: true,
      });
      expect((await s.call('GET /health/ready')).body).toEqual({
        code: 200,
        msg: 'ok',
        data: { status: 'ok' },
        success: true,
      });
      expect(s.wechat.requests).toHaveLength(before);
    });

    it('is ready but degraded if only WeChat is down', async () => {
      s.wechat.next(JSCODE2SESSION, { reset: true });
      expect((await login()).status).toBe(503);
      const { status, body } = await s.call('GET /health/ready');
      expect([status, body.data]).toEqual([200, { status: 'degraded' }]);
      await s.login();
      expect((await s.call('GET /health/ready')).body.data).toEqual({ status: 'ok' });
    });

    it('is live but not ready if the store accepts no writes', async () => {
      jest.spyOn(s.app.get(WechatStore), 'add').mockRejectedValue(new StoreUnavailableError());
      const { status, body } = await s.call('GET /health/ready');
      expect([status, body.msg, body.error]).toEqual([
        503,
        'not ready: store',
        'ERR_STORE_UNAVAILABLE',
      ]);
      expect((await s.call('GET /health/live')).status).toBe(200);
    });
  });

  describe('docs', () => {
    it('are an HTML page without an envelope', async () => {
      const { status, headers } = await s.call('GET /docs');
      expect([status, headers.get('content-type')]).toEqual([
        200,
        expect.stringContaining('text/html'),
      ]);
    });

    it('show every route with the JSON of its response', async () => {
      const { body } = await s.call('GET /docs-json');
      const operations = Object.entries<Record<string, any>>(body.paths).flatMap(
        ([path, methods]) =>
          Object.entries<any>(methods).map(([method, operation]) => ({
            route: `${method.toUpperCase()} ${path}`,
            operation,
          })),
      );
      expect(operations.map(({ route }) => route)).toEqual(
        expect.arrayContaining([
          'POST /auth/login',
          'POST /auth/refresh',
          'GET /auth/session',
          'GET /auth/sessions',
          'DELETE /auth/sessions/{id}',
          'POST /auth/logout',
          'POST /auth/logout-all',
          'GET /me',
          'PUT /me/profile',
          'GET /health/live',
          'GET /health/ready',
        ]),
      );
      for (const { route, operation } of operations.filter(({ route: one }) =>
        /auth|me|health/.test(one),
      )) {
        expect([route, operation.summary]).toEqual([route, expect.any(String)]);
        expect([
          route,
          operation.responses[200].content['application/json'].schema.example,
        ]).toEqual([route, expect.objectContaining({ code: 200, success: true })]);
      }
      expect(
        body.paths['/auth/login'].post.responses[401].content['application/json'].examples
          .ERR_WECHAT_CODE.value,
      ).toEqual({
        code: 40029,
        msg: 'invalid parameter: code',
        data: null,
        success: false,
        error: 'ERR_WECHAT_CODE',
      });
      expect(body.paths['/me'].get.security).toEqual([{ bearer: [] }]);
    });
  });

  describe('log', () => {
    /** Without the lines of requests that succeeded after more than a second, on a busy machine. */
    const lines = () =>
      s.log
        .map((line) => JSON.parse(line))
        .filter(({ msg, status, ms }) => !(msg === 'request' && status < 400 && ms > 1000));

    it('has no line for a request that succeeds', async () => {
      const { session_rd: token } = await s.login();
      await s.call('GET /me', { token });
      expect(lines()).toEqual([]);
    });

    it('has one line for a refused request, with the pattern of the route only', async () => {
      const { session_rd: token } = await s.login();
      await s.call('DELETE /auth/sessions/canary?canary=1', {
        token,
        headers: { 'user-agent': 'canary' },
      });
      await s.call('GET /canary/canary');
      expect(lines()).toEqual([
        {
          level: 'warn',
          time: expect.any(String),
          method: 'DELETE',
          route: '/auth/sessions/:id',
          status: 404,
          ms: expect.any(Number),
          msg: 'request',
        },
        {
          level: 'warn',
          time: expect.any(String),
          method: 'GET',
          route: 'unmatched',
          status: 404,
          ms: expect.any(Number),
          msg: 'request',
        },
      ]);
    });
  });

  it('D1 closes twice', async () => {
    const other = await start();
    await other.app.close();
    await other.close();
  });
});

describe('the login limit', () => {
  let s: Started;
  afterEach(() => s.close());
  const login = async (forwardedFor: string) =>
    s.call('POST /auth/login', {
      body: { code: 'unknown' },
      headers: { 'x-forwarded-for': forwardedFor },
    });

  it('counts the logins of an IP address, and ignores its X-Forwarded-For', async () => {
    s = await start({ env: { LOGIN_RATE_LIMIT: '3' } });
    const { session_rd: token } = await s.login();
    expect([await login('1.1.1.1'), await login('2.2.2.2')].map(({ status }) => status)).toEqual([
      401, 401,
    ]);
    const before = s.wechat.requests.length;
    const { status, headers, body } = await login('3.3.3.3');
    expect([status, body]).toEqual([
      429,
      {
        code: 429,
        msg: 'too many requests',
        data: null,
        success: false,
        error: 'ERR_WECHAT_RATE_LIMIT',
      },
    ]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(s.wechat.requests).toHaveLength(before);
    expect((await s.call('GET /me', { token })).status).toBe(200);
  });

  it('does not count a login whose body is invalid', async () => {
    s = await start({ env: { LOGIN_RATE_LIMIT: '1' } });
    for (const body of [{}, { code: 1 }, { code: '' }, { code: '<junk>' }])
      expect((await s.call('POST /auth/login', { body })).status).toBe(400);
    expect([(await login('1.1.1.1')).status, (await login('1.1.1.1')).status]).toEqual([401, 429]);
  });

  it.each(['1', 'loopback'])(
    'counts the IP address that a trusted proxy reports: TRUST_PROXY=%s',
    async (TRUST_PROXY) => {
      s = await start({ env: { LOGIN_RATE_LIMIT: '1', TRUST_PROXY } });
      const statuses = [
        await login('1.1.1.1'),
        await login('2.2.2.2'),
        await login('6.6.6.6, 1.1.1.1'),
      ].map(({ status }) => status);
      expect(statuses).toEqual([401, 401, 429]);
    },
  );

  it('counts a /64 network of IPv6 as one client, and an IPv4 address in IPv6 form as itself', async () => {
    s = await start({ env: { LOGIN_RATE_LIMIT: '1', TRUST_PROXY: '1' } });
    const statuses: number[] = [];
    for (const address of [
      '2001:db8::1',
      '2001:db8:0:0:ffff::2',
      '2001:db8:0:1::1',
      '::ffff:1.1.1.1',
      '1.1.1.1',
    ])
      statuses.push((await login(address)).status);
    expect(statuses).toEqual([401, 429, 401, 401, 429]);
  });

  it('control: a limit by the text of the address does not count 1,000 addresses of one client', async () => {
    const naive = new RateLimiterMemory({ points: 1, duration: 60 });
    const attempts = Array.from({ length: 1000 }, (_, n) => naive.consume(`2001:db8::${n}`));
    await expect(Promise.all(attempts)).resolves.toHaveLength(1000);
  });
});

describe('the shutdown', () => {
  it('finishes what is under way, and refuses the rest with the envelope', async () => {
    const s = await start();
    const slow = { body: await s.wechat.users.create().login() };
    s.wechat.next('/sns/jscode2session', { delay: '500ms' });
    const login = s.call('POST /auth/login', slow);
    const socket = connect(Number(new URL(s.url).port), '127.0.0.1');
    let response = '';
    socket.on('data', (chunk) => (response += String(chunk)));
    socket.write('GET /me HTTP/1.1\r\nHost: x\r\n');
    await until(() => s.wechat.requests.length > 0);
    const closed = s.close();
    await until(() => s.app.get(Shutdown).isClosing);
    socket.write('\r\n');
    await once(socket, 'close');
    expect(response).toMatch(/^HTTP\/1.1 503 /);
    expect(response).toMatch(/\r\nretry-after: 1\r\n/i);
    expect(response).toContain('"error":"ERR_STORE_UNAVAILABLE"');
    expect((await login).status).toBe(200);
    await closed;
  });
});

/** The plan of a statement for tables that are large: these are empty, and PostgreSQL would read them whole. */
async function planOf({ app }: Started, statement: string, values?: unknown[]): Promise<string> {
  const plan = await app.get(DataSource).transaction(async (db) => {
    await db.query('SET LOCAL enable_seqscan = off');
    await db.query('SET LOCAL enable_bitmapscan = off');
    return db.query<Record<string, string>[]>(`EXPLAIN ${statement}`, values);
  });
  return plan.map((line) => line['QUERY PLAN']).join('\n');
}

onPostgres('a PostgreSQL server', (bin) => {
  let postgres: Postgres;
  let apps: Started[] = [];
  beforeAll(async () => {
    postgres = await startPostgres(bin);
  });
  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()));
    apps = [];
  });
  afterAll(() => postgres.stop());

  it('is migrated once if three instances start together', async () => {
    const url = await postgres.createDatabase();
    apps = await Promise.all([1, 2, 3].map(() => start({ database: { url } })));
    for (const app of apps) await expect(app.login()).resolves.toMatchObject({ isNewUser: true });
  });

  it('runs a migration that is slower than the timeouts of a query and of an idle transaction once, for five instances', async () => {
    class Slow1900000000000 implements MigrationInterface {
      async up(db: QueryRunner): Promise<void> {
        await db.query('SELECT pg_sleep(2)');
        await db.query('CREATE TABLE slow ()');
      }
      async down(): Promise<void> {}
    }
    const options: DataSourceOptions = {
      type: 'postgres',
      url: await postgres.createDatabase(),
      migrations: [Slow1900000000000],
      extra: { query_timeout: 1000, options: '-c idle_in_transaction_session_timeout=1000' },
    };
    const started = await Promise.all([1, 2, 3, 4, 5].map(() => migrateAndConnect(options)));
    expect(await started[4]!.query('SELECT count(*) FROM migrations')).toEqual([{ count: '1' }]);
    const locks = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`;
    expect(await started[4]!.query(locks)).toEqual([{ count: '0' }]);
    await Promise.all(started.map((dataSource) => dataSource.destroy()));
  });

  describe('after a query in a transaction that took too long', () => {
    const rowsAfterTimeout = async (
      open: (options: DataSourceOptions) => Promise<DataSource>,
    ): Promise<unknown> => {
      const url = await postgres.createDatabase();
      const other = new Client(url);
      await other.connect();
      await other.query('CREATE TABLE written ()');
      const extra = { query_timeout: 400, max: 1 };
      const db = await open({ type: 'postgres', url, extra });
      const slow = db.transaction((rows) => rows.query('SELECT pg_sleep(2)')); // longer than the timeouts of the query and of its ROLLBACK
      await expect(slow).rejects.toThrow('Query read timeout');
      const write = () => db.query('INSERT INTO written DEFAULT VALUES');
      await until(() => write().then(Boolean, () => false));
      const { rows } = await other.query('SELECT count(*)::int FROM written');
      await other.end();
      await db.destroy();
      return rows[0].count;
    };

    it('gives no other request its connection', async () => {
      expect(await rowsAfterTimeout(migrateAndConnect)).toBe(1);
    });

    it('control: without it a confirmed row is lost', async () => {
      const naive = (options: DataSourceOptions) => new DataSource(options).initialize();
      expect(await rowsAfterTimeout(naive)).toBe(0);
    });
  });

  it('leaves no file of uploads whose rows it does not write in time, so they do not escape the quota', async () => {
    const url = await postgres.createDatabase();
    const s = await start({ database: { url } });
    apps = [s];
    const { session_rd: token } = await s.login();
    const upload = (route: string, content: Buffer) =>
      uploadTo(s.url)(route, token, [file(content)]);
    const both = () =>
      Promise.all([upload('POST /recordings', mp3(1000)), upload('PUT /me/avatar', PNG_PICTURE)]);
    const files = async (): Promise<number[]> =>
      (await Promise.all(FOLDERS.map((folder) => readdir(join(s.uploads, folder))))).map(
        ({ length }) => length,
      );
    const other = new Client(url);
    await other.connect();
    await other.query('BEGIN');
    await other.query('SELECT FROM users FOR UPDATE');
    expect([statusesOf(await both()), await files()]).toEqual([
      [503, 503],
      [0, 0],
    ]);
    await other.query('ROLLBACK');
    await other.end();
    expect([statusesOf(await both()), await files()]).toEqual([
      [200, 201],
      [1, 1],
    ]);
  });

  it('answers 503 to the request that ends a deadlock: a recording is deleted while its verdict is stored', async () => {
    const url = await postgres.createDatabase();
    const s = await start({ database: { url } });
    apps = [s];
    const { session_rd: token } = await s.login();
    const { id } = (await uploadTo(s.url)('POST /recordings', token, [file(mp3(1000))])).body.data;
    const verdict = new Client(url);
    await verdict.connect();
    await verdict.query(`INSERT INTO content_checks (app_id, trace_id, content_id, created_at)
      SELECT app_id, 'trace', id, now() FROM contents`);
    await verdict.query('BEGIN');
    await verdict.query(`UPDATE content_checks SET verdict = 'pass'`);
    const remove = () => s.call(`DELETE /recordings/${id}`, { token });
    const first = remove();
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
    await until(async () => (await verdict.query(waiting)).rows.length > 0);
    await verdict.query('SELECT FROM contents FOR KEY SHARE'); // as the foreign key of a verdict does
    const { status, headers } = await first;
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
    await verdict.query('COMMIT');
    await verdict.end();
    expect((await remove()).status).toBe(200);
  });

  it('returns the pages of a list from an index, without a sort', async () => {
    const s = await start({ database: { url: await postgres.createDatabase() } });
    apps = [s];
    for (const table of ['recordings', 'orders']) {
      const page = `SELECT * FROM ${table} WHERE user_id = $1 AND (created_at, id) < (SELECT created_at, id FROM ${table} WHERE id = $2)
         ORDER BY created_at DESC, id DESC LIMIT 50`;
      const plan = await planOf(s, page, [randomUUID(), randomUUID()]);
      expect(plan).toContain('Index Scan Backward');
      expect(plan).not.toContain('Sort');
    }
  });

  it('answers every statement of the jobs and of the operator from an index', async () => {
    const database = { url: await postgres.createDatabase() };
    const s = await start({ database, shop: true, push: true });
    apps = [s];
    const query = jest.spyOn(Client.prototype, 'query');
    for (const job of [AccountPushes, MediaChecks, OrderMessages, Reconciliation])
      await s.app.get(job, { strict: false }).run();
    await s.app.get(Reconciliation, { strict: false }).forgetOpenids();
    await s.app.get(Verdicts, { strict: false }).forget();
    await s.app.get(Contents, { strict: false }).onApplicationBootstrap();
    await s.app.get(ContentOperator, { strict: false }).list();
    await waitingOf(s);
    const calls = query.mock.calls as unknown as [text: unknown, values?: unknown[]][];
    query.mockRestore();
    const plans: string[] = [];
    for (const [text, values] of calls)
      if (
        typeof text === 'string' &&
        /(contents|content_checks|orders|account_pushes)"? /.test(text)
      )
        plans.push(await planOf(s, text, values));
    expect(plans.filter((plan) => plan.includes('Seq Scan'))).toEqual([]);
    const used = plans.flatMap((plan) => [...plan.matchAll(/(?:using|Scan on) (\w+)/g)]);
    expect(used.map(([, index]) => index)).toEqual(
      expect.arrayContaining([
        ...['orders_due', 'orders_with_message', 'contents_due', 'account_pushes_due'],
        ...['orders_without_account', 'content_checks_by_age', 'contents_published_unchecked'],
        ...['contents_in_review', 'orders_waiting'],
      ]),
    );
  });

  it.each([
    ['on', 'user-by-identity'],
    ['off', undefined],
  ])(
    'gets one query for GET /me, with DATABASE_PREPARED_STATEMENTS=%s as prepared statement %s',
    async (setting, name) => {
      const s = await start({
        database: { url: await postgres.createDatabase() },
        env: { DATABASE_PREPARED_STATEMENTS: setting },
      });
      apps = [s];
      const { session_rd: token, user } = await s.login();
      const { openid } = (await s.call('GET /auth/session', { token })).body.data;
      const query = jest.spyOn(Client.prototype, 'query');
      for (let i = 0; i < 2; i++)
        expect((await s.call('GET /me', { token })).body.data).toEqual(user);
      const queries = query.mock.calls.map(([config]) => config as unknown as QueryConfig);
      query.mockRestore();
      // The start also compares files and rows meanwhile.
      const own = queries.filter(({ values }) => values?.includes(openid));
      expect(own.map((config) => config.name)).toEqual([name, name]);
    },
  );

  it('that ends a connection in the moment it is open leads to 503, and the app works on', async () => {
    const url = await postgres.createDatabase();
    const proxy = await TcpProxy.start(Number(new URL(url).port));
    const { host } = new URL(proxy.url);
    const s = await start({ database: { url: url.replace(/127\.0\.0\.1:\d+/, host) } });
    apps = [s];
    const isReady = () => s.call('GET /health/ready');
    await endConnections(url);
    await until(() => proxy.connections === 0);
    proxy.always({ kind: 'hold' }); // so that "ready for query" and the error arrive in one packet, as on a busy machine
    let hasResponse = false;
    const response = isReady().finally(() => (hasResponse = true));
    await until(async () => {
      await endConnections(url);
      return hasResponse;
    });
    expect((await response).body).toMatchObject({ code: 503, msg: 'not ready: database' });
    proxy.pass();
    await until(async () => (await isReady()).status === 200);
    await proxy.close();
  });

  it('that ends the connection of an open transaction leads to 503, and to no change', async () => {
    const url = await postgres.createDatabase();
    const s = await start({ database: { url } });
    apps = [s];
    const token = await registered(s, await person(s));
    const avatars = s.app.get(AvatarsService);
    jest.spyOn(avatars, 'filesOf').mockImplementationOnce(async (db, userId) => {
      const files = await avatars.filesOf(db, userId);
      const connection: Client = await db.queryRunner?.connect();
      const ended = new Promise((resolve) => connection.once('end', resolve)); // `once` of Node rejects at an error
      await endConnections(url);
      await ended;
      return files;
    });
    const close = () => s.call('DELETE /account', { token });
    const { status, headers, body } = await close();
    expect([status, headers.get('retry-after'), body.error]).toEqual([
      503,
      '1',
      'ERR_STORE_UNAVAILABLE',
    ]);
    expect((await close()).status).toBe(200);
  });

  it('that is down leads to 503 only on routes that need it, and to 503 of the readiness check', async () => {
    const s = await start({ database: { url: await postgres.createDatabase() } });
    apps = [s];
    const { session_rd: token } = await s.login();
    await postgres.stop();
    await expectDatabaseDown(s, token);
  });
});
