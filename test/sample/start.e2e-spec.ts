import autocannon from 'autocannon';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { DEFAULT_APPS, startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { mp3 } from '../support/audio.js';
import { buildApp, compiled, runApp } from '../support/built-app.js';
import type { AppProcess } from '../support/built-app.js';
import { copyEmbeddedTo, createAppDatabase, databaseEnvironment } from '../support/databases.js';
import { freePort } from '../support/free-port.js';
import { clientOf } from '../support/http.js';
import type { AppResponse } from '../support/http.js';
import { BOUNDARY, file, multipart } from '../support/multipart.js';
import { until } from '../support/redis.js';
import { environmentFor } from '../support/start.js';

const SECONDS = 1000;
/** The log line of a request that took a second or longer on a busy machine. */
const SLOW_REQUEST = /^\{"level":"warn".*"ms":\d{4,},"msg":"request"\}\n/gm;
const NO_ID = '5b0f6b1c-7f0e-4c55-9a57-3f2c7f6a1d20';

const newPort = async (): Promise<string> => String(await freePort());

/** Tests the compiled app in its own process, because jest runs CommonJS and production runs ES modules. */
describe('the compiled app', () => {
  let cwd: string;
  let running: AppProcess[] = [];
  beforeAll(() => buildApp(), 300 * SECONDS);
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'nestjs-wechat-app-'));
  });
  afterEach(async () => {
    await Promise.all(running.map((app) => app.stop('SIGKILL')));
    running = [];
    rmSync(cwd, { recursive: true });
  });

  const expectRefused = async (second: AppProcess): Promise<void> => {
    expect(await second.exit).toBe(1);
    expect(second.output()).toMatch(
      /^The embedded database in \.\/var\/db is in use by process \d+\..*$/m, // stdout is another pipe
    );
  };
  const run = (...args: Parameters<typeof runApp>): AppProcess => {
    const app = runApp(...args);
    running.push(app);
    return app;
  };

  describe('with the sandbox (npm start)', () => {
    it('prints commands that work as printed, keeps its users over a restart and kill -9, refuses a second process on its database, and exits with 0', async () => {
      const PORT = await newPort();
      const ids: string[] = [];
      for (const end of ['SIGKILL', 'SIGINT'] as const) {
        const app = run('demo', { cwd, env: { PORT } });
        const output = await app.says('Ctrl-C');
        const [, sandbox = ''] = /(http\S+)\/sandbox/.exec(output) ?? [];
        const alice = clientOf(`${sandbox}/sandbox/users/alice`);
        const templateIds = DEFAULT_APPS[0]!.templates!.map(({ id }) => id);
        await alice('POST /requestSubscribeMessage', { body: { templateIds } });
        const walk = output
          .split('\n')
          .filter((line) => line.startsWith('  ') && /curl/.test(line))
          .join('\n');
        const { stdout } = await promisify(execFile)('sh', ['-c', walk]);
        const [me, payment, order] = stdout.split(/(?<=\})(?=\{)/).map((json) => JSON.parse(json));
        expect(me).toMatchObject({ code: 200, success: true, data: { id: expect.any(String) } });
        expect(payment).toEqual({ errMsg: 'requestPayment:ok' });
        expect(order).toMatchObject({ code: 200, data: { status: 'paid', amount: 2200 } });
        ids.push(me.data.id);
        const { id, number } = order.data;
        await until(async () => (await alice('GET /messages')).body.length > 0);
        expect((await alice('GET /messages')).body).toMatchObject([
          {
            page: `pages/order/order?id=${id}`,
            data: { thing1: '拿铁', amount2: '22.00', character_string4: number },
          },
        ]);
        if (end === 'SIGINT')
          await expectRefused(run('demo', { cwd, env: { PORT: await newPort() } }));
        expect(await app.stop(end)).toBe(end === 'SIGINT' ? 0 : null);
        expect(app.output().replace(SLOW_REQUEST, '')).toBe(output); // only the welcome text
      }
      expect(ids[0]).toBe(ids[1]);
    });
  });

  describe('with a .env file of a production', () => {
    it('uses neither its servers nor its folder for uploads (npm start)', async () => {
      const production = join(cwd, 'production');
      const recording = join(production, 'recordings', NO_ID);
      mkdirSync(dirname(recording), { recursive: true });
      writeFileSync(recording, 'x');
      utimesSync(recording, 0, 0);
      const others = {
        UPLOAD_DIR: production,
        DATABASE_URL: 'postgres://127.0.0.1:1/production',
        REDIS_URL: 'redis://127.0.0.1:1',
        REDIS_WAIT_REPLICAS: '1',
        CACHE_REDIS_URL: 'redis://127.0.0.1:1',
        STORAGE_URL: 's3://production?endpoint=http://127.0.0.1:1',
        STORAGE_REDIRECT: 'on',
      };
      writeFileSync(
        join(cwd, '.env'),
        Object.entries(others)
          .map(([name, value]) => `${name}='${value}'\n`)
          .join(''),
      );
      await copyEmbeddedTo(join(cwd, 'var/db'));
      const app = run('demo', { cwd, env: { PORT: await newPort() } });
      await app.says('Ctrl-C');
      expect(await app.stop('SIGINT')).toBe(0);
      expect(readdirSync(production, { recursive: true })).toEqual([
        'recordings',
        join('recordings', NO_ID),
      ]);
      expect(readdirSync(join(cwd, 'var/demo-uploads'))).toContain('recordings');
    });
  });

  describe('without it (npm run start:prod)', () => {
    let wechat: WechatSandbox;
    beforeAll(async () => {
      wechat = await startWechatSandbox();
    });
    afterAll(() => wechat.close());

    it('does not start with invalid variables, and lists all problems without a secret', async () => {
      const app = run('main', {
        cwd,
        env: {
          NODE_ENV: 'production',
          WECHAT_MINI_APP_SECRET: 'canary',
          PORT: 'x',
          WECHAT_SESSION_TTL: '30x',
        },
      });
      expect(await app.exit).toBe(1);
      for (const name of ['WECHAT_MINI_APP_ID', 'JWT_SECRET', 'PORT', 'WECHAT_SESSION_TTL'])
        expect(app.output()).toContain(name);
      expect(app.output()).not.toContain('canary');
    });

    it('reads a .env file, warns once of each missing production setting, and finishes running requests at SIGTERM', async () => {
      const PORT = await newPort();
      const env = {
        ...environmentFor(wechat),
        NODE_ENV: 'production',
        JWT_SECRET: 'canary-jwt-secret-of-at-least-32-bytes',
        PORT,
      };
      writeFileSync(
        join(cwd, '.env'),
        Object.entries(env)
          .map(([name, value]) => `${name}='${value}'\n`)
          .join(''),
      );
      await copyEmbeddedTo(join(cwd, 'var/db'));
      const app = run('main', { cwd, env: { SHUTDOWN_DRAIN: '1s' } });
      const output = await app.says('Listening');
      expect(output.match(/REDIS_URL/g)).toHaveLength(1);
      expect(output.match(/DATABASE_URL/g)).toHaveLength(1);

      const call = clientOf(`http://127.0.0.1:${PORT}`);
      const user = wechat.users.create();
      wechat.next('/sns/jscode2session', { delay: 1500 }); // longer than the drain
      const login = call('POST /auth/login', { body: await user.login() });
      while (wechat.requests.length === 0 && app.running())
        await new Promise((resolve) => setTimeout(resolve, 5));
      const since = Date.now();
      const stopped = app.stop();
      void app.stop(); // npm and systemd send it twice
      let ready!: AppResponse;
      await until(async () => {
        ready = await call('GET /health/ready');
        return ready.status === 503;
      });
      expect([ready.body.msg, ready.headers.get('connection')]).toEqual([
        'not ready: shutting down',
        'close',
      ]);
      expect((await call('GET /health/live')).status).toBe(200);
      expect((await login).status).toBe(200);
      expect(await stopped).toBe(0);
      expect(Date.now() - since).toBeLessThan(5 * SECONDS); // earlier than the deadline of the shutdown
      expect(app.output()).not.toContain('canary');
      expect(app.output()).not.toContain(user.sessionKey());
    });

    it('serves guarded requests while its log is not read, and counts the dropped lines in the first line after the gap', async () => {
      const PORT = await newPort();
      const database = await createAppDatabase();
      const env = {
        ...environmentFor(wechat),
        ...databaseEnvironment(database),
        PORT,
        LOG_LEVEL: 'debug',
      };
      const app = run('main', { cwd, env });
      await app.says('Listening');
      const url = `http://127.0.0.1:${PORT}`;
      const { body } = await clientOf(url)('POST /auth/login', {
        body: await wechat.users.create().login(),
      });
      const headers = { authorization: `Bearer ${body.data.session_rd}` };
      const requests = 30_000; // more lines than the pipe and the app hold
      app.pause();
      const load = { url: `${url}/auth/session`, headers, connections: 32, amount: requests };
      expect(await autocannon(load)).toMatchObject({ '2xx': requests, errors: 0, timeouts: 0 });
      app.resume();
      const lines = (await app.says('were dropped.*\n'))
        .split('\n')
        .filter((line) => line.includes('"/auth/session"') || line.includes('were dropped'));
      const { lines: dropped, level } = JSON.parse(lines.at(-1) ?? '{}');
      expect([level, lines.length - 1 + dropped]).toEqual(['error', requests]);
      await clientOf(url)('GET /unknown');
      await app.says('"unmatched"');
      await app.stop('SIGKILL');
      await database.remove();
    });

    describe('when the process ends', () => {
      /** Writes 1,000 lines, 2 MB, and ends as `end` says. */
      const logAndEnd = (end: string): AppProcess => {
        const script = join(cwd, 'logs.mjs');
        writeFileSync(
          script,
          `import { createLogger } from ${JSON.stringify(pathToFileURL(compiled('common/logging.js')))};
           const logger = createLogger('info');
           for (let i = 0; i < 1000; i++) logger.info({ i }, 'x'.repeat(1900));
           ${end}`,
        );
        return run(script, { cwd });
      };

      it.each(['process.exit(3)', 'throw new Error("fatal")'])(
        'writes every line before %s',
        async (end) => {
          const app = logAndEnd(end);
          expect(await app.exit).toBe(end.includes('3') ? 3 : 1);
          expect(app.output().match(/"i":\d+/g)).toHaveLength(1000);
        },
      );

      it('does not wait longer than a second for a reader', async () => {
        const app = logAndEnd('process.exit(3)');
        app.pause();
        while (app.running()) await new Promise((resolve) => setTimeout(resolve, 20));
        app.resume();
        expect(await app.exit).toBe(3);
        expect(app.output().match(/"i":\d+/g)?.length).toBeLessThan(1000);
      });
    });

    describe('during an upload that does not end', () => {
      const parts = () =>
        readdirSync(join(cwd, 'var/uploads/parts')).filter((name) => name.endsWith('.part'));
      /** Sends a frame every few milliseconds until the connection ends, and returns what the app responds. */
      const uploadForEver = async (port: string, token: string) => {
        const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
        let response = '';
        socket.on('data', (chunk) => (response += String(chunk)));
        const head = multipart([file(mp3(1000))]).subarray(0, 1000);
        socket.write(
          `POST /recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 20000000\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
        );
        socket.write(head);
        const timer = setInterval(() => socket.write(mp3(36)), 20);
        const ended = new Promise<string>((resolve) =>
          socket.once('close', () => {
            clearInterval(timer);
            resolve(response);
          }),
        );
        while (parts().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        return { ended };
      };
      const startUpload = async () => {
        const PORT = await newPort();
        const database = databaseEnvironment(await createAppDatabase());
        const env = { ...environmentFor(wechat), ...database, PORT };
        const app = run('main', { cwd, env });
        await app.says('Listening');
        const login = await clientOf(`http://127.0.0.1:${PORT}`)('POST /auth/login', {
          body: await wechat.users.create().login(),
        });
        return { app, env, ...(await uploadForEver(PORT, login.body.data.session_rd)) };
      };

      it('responds with 503 after SIGTERM, and deletes the part of the file', async () => {
        const { app, ended } = await startUpload();
        const since = Date.now();
        expect(await app.stop()).toBe(0);
        expect(Date.now() - since).toBeLessThan(8 * SECONDS); // earlier than the deadline of the shutdown
        expect(await ended).toMatch(/^HTTP\/1.1 503 /);
        expect(parts()).toEqual([]);
      });

      it('deletes the part of the file at a start ten minutes after kill -9', async () => {
        const { app, env } = await startUpload();
        await app.stop('SIGKILL');
        const [name = ''] = parts();
        const tenMinutesAgo = new Date(Date.now() - 601 * SECONDS);
        utimesSync(join(cwd, 'var/uploads/parts', name), tenMinutesAgo, tenMinutesAgo);
        expect(parts()).toEqual([name]);
        const next = run('main', { cwd, env });
        await next.says('Listening');
        while (parts().length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
      });
    });
  });
});
