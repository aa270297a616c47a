import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { wav } from '../support/audio.js';
import { buildApp, runApp } from '../support/built-app.js';
import type { AppProcess } from '../support/built-app.js';
import { onPostgres } from '../support/databases.js';
import { freePort } from '../support/free-port.js';
import { clientOf } from '../support/http.js';
import type { AppResponse, Call } from '../support/http.js';
import { file, uploadTo } from '../support/multipart.js';
import { startPostgres } from '../support/postgres.js';
import type { Postgres } from '../support/postgres.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { environmentFor } from '../support/start.js';
import { checkOutPreviousRelease, describePreviousRelease } from './previous-release.js';

/** One running version of the app. */
interface Version {
  url: string;
  app: AppProcess;
  call: (route: string, call?: Call) => Promise<AppResponse>;
}

const SOUND = wav(1000);

onPostgres('with one PostgreSQL', (bin) =>
  describeRedis('and one Redis', () =>
    describePreviousRelease('the previous release and this one', () => {
      let wechat: WechatSandbox;
      let redis: TestRedis;
      let postgres: Postgres;
      let previousFolder: string;
      let cwd: string;
      let environment: Record<string, string>;
      const running: AppProcess[] = [];
      const versions = {} as Record<'previous' | 'current', Version>;

      beforeAll(async () => {
        [wechat, redis, postgres] = await Promise.all([
          startWechatSandbox(),
          TestRedis.start(),
          startPostgres(bin),
          buildApp(),
        ]);
        previousFolder = checkOutPreviousRelease();
        cwd = mkdtempSync(join(tmpdir(), 'nestjs-wechat-versions-'));
        environment = {
          ...environmentFor(wechat),
          DATABASE_URL: await postgres.createDatabase(),
          REDIS_URL: redis.url,
          JWT_SECRET: 'one secret of both versions, 32 bytes',
          LOGIN_RATE_LIMIT: '0',
        };
        versions.previous = await start('previous'); // on an empty database
        versions.current = await start('current'); // migrates it
        await versions.previous.app.stop();
        versions.previous = await start('previous'); // on the migrated database, as after a rollback
      }, 300_000);
      afterAll(async () => {
        await Promise.all(running.map((app) => app.stop('SIGKILL')));
        await Promise.all([wechat.close(), redis.end(), postgres.stop()]);
        for (const folder of [previousFolder, cwd]) rmSync(folder, { recursive: true });
      });

      const start = async (version: 'previous' | 'current'): Promise<Version> => {
        const PORT = String(await freePort());
        const url = `http://127.0.0.1:${PORT}`;
        const pay = wechat.pay.merchant.env({ notifyUrl: `${url}/wechat/pay/notify` });
        const sources = {
          entry: join(previousFolder, 'apps/sample/src/main.ts'),
          preload: join(previousFolder, 'test/faults/workers/register.mjs'),
        };
        const { entry, preload }: { entry: string; preload?: string } =
          version === 'previous' ? sources : { entry: 'main' };
        const app = runApp(entry, { cwd, env: { ...environment, ...pay, PORT }, preload });
        running.push(app);
        await app.says('Listening');
        return { url, app, call: clientOf(url) };
      };
      const login = async ({ call }: Version, user: SandboxUser): Promise<any> => {
        const { status, body } = await call('POST /auth/login', { body: await user.login() });
        expect(status).toBe(200);
        return body.data;
      };

      describe.each([
        ['previous', 'current'],
        ['current', 'previous'],
      ] as const)('from the %s to the %s version', (from, to) => {
        let one: Version;
        let other: Version;
        let user: SandboxUser;
        beforeEach(() => {
          [one, other] = [versions[from], versions[to]];
          const phoneNumber = from === 'previous' ? '13580006661' : '13580006662';
          user = wechat.users.create({ phoneNumber });
        });

        it('take sessions, logins, refreshes, app tokens and logouts', async () => {
          const { session_rd: first, user: created } = await login(one, user);
          const found = await other.call('GET /me', { token: first });
          expect([found.status, found.body.data.id]).toEqual([200, created.id]);
          const refreshed = await other.call('POST /auth/refresh', { token: first });
          const token = refreshed.body.data.session_rd;
          for (const each of [first, token])
            // the first one in its grace time
            expect((await one.call('GET /me', { token: each })).status).toBe(200);
          expect(await login(other, user)).toMatchObject({ isNewUser: false });

          const unknown = await one.call('POST /auth/phone-login', {
            token,
            body: { code: (await user.getPhoneNumber()).code },
          });
          const { registrationTicket } = unknown.body.data;
          const registered = await other.call('POST /auth/register', {
            token,
            body: { registrationTicket },
          });
          const account = await one.call('GET /account', { token: registered.body.data.token });
          expect([account.status, account.body.data.id]).toEqual([200, created.id]);

          await other.call('POST /auth/logout', { token });
          expect((await one.call('GET /me', { token })).status).toBe(401);
        });

        it('take orders, notifications and refunds', async () => {
          const { session_rd: token } = await login(one, user);
          const body = { productId: 'latte', quantity: 1 };
          const headers = { 'idempotency-key': `${from}-to-${to}` };
          const ordered = await one.call('POST /orders', { token, headers, body });
          const again = await other.call('POST /orders', { token, headers, body });
          expect([ordered.status, again.status]).toEqual([201, 200]);
          const { id } = ordered.body.data;
          expect(again.body.data.id).toBe(id);
          const statusOf = async ({ call }: Version): Promise<string> =>
            (await call(`GET /orders/${id}`, { token })).body.data.status;

          const params = await one.call(`POST /orders/${id}/pay`, { token });
          await user.requestPayment(params.body.data);
          await wechat.settle(); // notifies the version that has prepared the payment
          expect(await statusOf(other)).toBe('paid');
          const refund = await other.call(`POST /orders/${id}/refund`, { token, body: {} });
          expect(refund.status).toBe(200);
          wechat.clock.advance('4s');
          await wechat.settle();
          await until(async () => (await statusOf(one)) === 'refunded');
          expect(await statusOf(other)).toBe('refunded');
        });

        it('take recordings', async () => {
          const { session_rd: token } = await login(one, user);
          const { body } = await uploadTo(one.url)('POST /recordings', token, [
            file(SOUND, 'voice.wav'),
          ]);
          const { id } = body.data;
          const headers = { authorization: `Bearer ${token}` };
          const content = await fetch(`${other.url}/recordings/${id}/content`, { headers });
          expect(Buffer.compare(Buffer.from(await content.arrayBuffer()), SOUND)).toBe(0);
          await other.call(`DELETE /recordings/${id}`, { token });
          expect((await one.call(`GET /recordings/${id}`, { token })).status).toBe(404);
        });
      });
    }),
  ),
);
