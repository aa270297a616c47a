import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { buildApp, runApp } from '../support/built-app.js';
import type { AppProcess } from '../support/built-app.js';
import { clientOf } from '../support/http.js';
import { environmentFor } from '../support/start.js';

const SECONDS = 1000;

/** The compiled app as a process of its own, which jest's CommonJS cannot show. */
describe('the compiled app', () => {
  let cwd: string;
  let running: AppProcess[] = [];
  beforeAll(() => buildApp(), 120 * SECONDS);
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'nestjs-wechat-app-'));
  });
  afterEach(async () => {
    await Promise.all(running.map((app) => app.stop('SIGKILL')));
    running = [];
    rmSync(cwd, { recursive: true });
  });

  const run = (...args: Parameters<typeof runApp>): AppProcess => {
    const app = runApp(...args);
    running.push(app);
    return app;
  };

  describe('with the sandbox (npm start)', () => {
    it('prints a walk that works as printed, keeps its users over a restart, and ends with 0', async () => {
      const PORT = await freePort();
      const ids: string[] = [];
      for (let starts = 0; starts < 2; starts++) {
        const app = run('demo', { cwd, env: { PORT } });
        const output = await app.says('Ctrl-C');
        const walk = output
          .split('\n')
          .filter((line) => line.startsWith('  ') && /curl/.test(line))
          .join('\n');
        const { stdout } = await promisify(execFile)('sh', ['-c', walk]);
        expect(JSON.parse(stdout)).toMatchObject({
          code: 200,
          success: true,
          data: { id: expect.any(String) },
        });
        ids.push(JSON.parse(stdout).data.id);
        expect(await app.stop('SIGINT')).toBe(0);
        expect(app.output()).toBe(output); // nothing but the welcome
      }
      expect(ids[0]).toBe(ids[1]);
    }, 60_000);

    it('keeps a second one out of the same database', async () => {
      const first = run('demo', { cwd, env: { PORT: await freePort() } });
      await first.says('Ctrl-C');
      const second = run('demo', { cwd, env: { PORT: await freePort() } });
      expect(await second.exit).toBe(1);
      expect(second.output()).toMatch(
        /\nThe embedded database in \.\/var\/db is in use by process \d+\..*\n$/,
      );
    }, 60_000);
  });

  describe('without it (npm run start:prod)', () => {
    let wechat: WechatSandbox;
    beforeAll(async () => {
      wechat = await startWechatSandbox();
    });
    afterAll(() => wechat.close());

    it('does not start in a wrong environment, says all that is wrong, and no secret', async () => {
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

    it('reads a .env file, warns once of what production lacks, and finishes what is under way when it is told to stop', async () => {
      const PORT = await freePort();
      const env = {
        ...environmentFor(wechat),
        NODE_ENV: 'production',
        JWT_SECRET: 'canary-jwt-secret',
        PORT,
      };
      writeFileSync(
        join(cwd, '.env'),
        Object.entries(env)
          .map(([name, value]) => `${name}='${value}'\n`)
          .join(''),
      );
      const app = run('main', { cwd });
      const output = await app.says('Listening');
      expect(output.match(/REDIS_URL/g)).toHaveLength(1);
      expect(output.match(/DATABASE_URL/g)).toHaveLength(1);

      const call = clientOf(`http://127.0.0.1:${PORT}`);
      const user = wechat.users.create();
      wechat.next('/sns/jscode2session', { delay: 800 });
      const login = call('POST /auth/login', { body: await user.login() });
      while (wechat.requests.length === 0 && app.running())
        await new Promise((resolve) => setTimeout(resolve, 5));
      const since = Date.now();
      const stopped = app.stop();
      expect((await login).status).toBe(200);
      expect(await stopped).toBe(0);
      expect(Date.now() - since).toBeLessThan(5 * SECONDS); // not the deadline that ends it anyway
      expect(app.output()).not.toContain('canary');
      expect(app.output()).not.toContain(user.sessionKey());
    }, 60_000);
  });
});

async function freePort(): Promise<string> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return String(port);
}
