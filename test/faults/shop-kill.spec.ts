import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { onPostgres } from '../support/databases.js';
import { clientOf } from '../support/http.js';
import type { AppResponse } from '../support/http.js';
import { startPostgres } from '../support/postgres.js';
import type { Postgres } from '../support/postgres.js';
import { freePort, until } from '../support/redis.js';
import { environmentFor } from '../support/start.js';
import { isFull } from './rows.js';

const WORKERS = join(__dirname, 'workers');
/** Longer than the lease of an order and than the first steps of every schedule. */
const DOWNTIME_MS = 61_000;

/** A client of one process of the reference app, logged in. */
interface Instance {
  child: ChildProcess;
  call: (route: string, body?: object) => Promise<AppResponse>;
}

type Step = 'pay' | 'notify' | 'refund' | 'refunded';

/** Each step of an order, with the calls before and after which the process is killed. */
const POINTS: [Step, string][] = [
  ['pay', 'OrderSteps.requestPay before'],
  ['pay', 'OrderSteps.requestPay after'],
  ['pay', 'PaymentService.prepay after'],
  ['pay', 'OrderSteps.keepPrepayId after'],
  ['notify', 'OrderSteps.pay before'],
  ['notify', 'OrderSteps.pay after'],
  ['refund', 'OrderSteps.startRefund before'],
  ['refund', 'OrderSteps.startRefund after'],
  ['refund', 'RefundService.create after'],
  ['refund', 'OrderSteps.noteRefund before'],
  ['refund', 'OrderSteps.noteRefund after'],
  ['refunded', 'OrderSteps.endRefund before'],
  ['refunded', 'OrderSteps.endRefund after'],
];
const SOME = ['PaymentService.prepay after', 'OrderSteps.pay before', 'RefundService.create after'];

onPostgres('the shop after kill -9', (bin) => {
  let postgres: Postgres;
  let uploads: string;
  const children = new Set<ChildProcess>();

  beforeAll(async () => {
    postgres = await startPostgres(bin);
    uploads = mkdtempSync(join(tmpdir(), 'nestjs-wechat-uploads-'));
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await postgres.stop();
    rmSync(uploads, { recursive: true, force: true });
  });

  async function startInstance(
    env: Record<string, string>,
    user: SandboxUser,
    how: { skewMs: number; killAt?: string },
  ): Promise<Instance> {
    const child = fork(join(WORKERS, 'coffee-shop.ts'), [JSON.stringify({ env, ...how })], {
      execArgv: ['--import', join(WORKERS, 'register.mjs')],
      silent: true,
    });
    children.add(child);
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    const send = clientOf(url);
    const login = await send('POST /auth/login', { body: await user.login() });
    const token = login.body.data.session_rd;
    return { child, call: (route, body) => send(route, { token, body }) };
  }

  it.each(isFull ? POINTS : POINTS.filter(([, point]) => SOME.includes(point)))(
    'Q9 loses no money in the step "%s" at %s',
    async (step, killAt) => {
      const port = await freePort();
      const wechat: WechatSandbox = await startWechatSandbox();
      const user = wechat.users.create();
      const env = {
        ...environmentFor(wechat),
        ...wechat.pay.merchant.env({ notifyUrl: `http://127.0.0.1:${port}/wechat/pay/notify` }),
        DATABASE_URL: await postgres.createDatabase(),
        PORT: String(port),
        UPLOAD_DIR: mkdtempSync(join(uploads, 'of-')),
        LOG_LEVEL: 'silent',
      };
      const doomed = await startInstance(env, user, { skewMs: 0, killAt });
      const killed = once(doomed.child, 'exit');
      const { id, number } = (
        await doomed.call('POST /orders', { productId: 'latte', quantity: 1 })
      ).body.data;
      await actUntil(step, { wechat, user, instance: doomed, id }).catch(() => undefined); // the connection ends with the process
      expect((await killed)[1]).toBe('SIGKILL');

      wechat.clock.advance(DOWNTIME_MS);
      const { call, child } = await startInstance(env, user, { skewMs: DOWNTIME_MS });
      const statusOf = async () => (await call(`GET /orders/${id}`)).body.data.status;
      if (step === 'pay') await pay({ wechat, user, instance: { call, child }, id });
      await until(async () => (await statusOf()) !== 'pending');
      if ((await statusOf()) === 'paid') await call(`POST /orders/${id}/refund`, {});
      wechat.clock.advance('4s');
      await until(async () => {
        await call(`POST /orders/${id}/sync`);
        return (await statusOf()) === 'refunded';
      });
      const refunds = wechat.pay.refunds.map(({ outRefundNo, status }) => [outRefundNo, status]);
      expect(refunds).toEqual([[`${number}-R1`, 'SUCCESS']]);
      expect(wechat.pay.orders).toHaveLength(1);
      child.kill('SIGKILL');
      await wechat.close();
    },
  );
});

interface Act {
  wechat: WechatSandbox;
  user: SandboxUser;
  instance: Instance;
  id: string;
}

async function pay({ wechat, user, instance, id }: Act): Promise<void> {
  const params = (await instance.call(`POST /orders/${id}/pay`)).body.data;
  await user.requestPayment(params);
  await wechat.settle();
}

/** Brings the order to a step, in which the process is killed. */
async function actUntil(step: Step, act: Act): Promise<void> {
  await pay(act);
  if (step === 'refund' || step === 'refunded')
    await act.instance.call(`POST /orders/${act.id}/refund`, {});
  if (step !== 'refunded') return;
  act.wechat.clock.advance('3s');
  await act.wechat.settle();
}
