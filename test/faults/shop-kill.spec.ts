import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { mp3 } from '../support/audio.js';
import { buildApp } from '../support/built-app.js';
import { createOnPostgres, onPostgres } from '../support/databases.js';
import { freePort } from '../support/free-port.js';
import { file, uploadTo } from '../support/multipart.js';
import { PUSH } from '../support/push-messages.js';
import { until } from '../support/redis.js';
import { environmentFor } from '../support/start.js';
import { actUntilKilled, killAppInstances, startAppInstance } from './app-instance.js';
import type { AppInstance } from './app-instance.js';
import { isFull } from './rows.js';

/** Longer than the lease of an order and than the first steps of every schedule. */
const DOWNTIME_MS = 61_000;

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
const SHIPPING_POINTS = [
  'OrderSteps.pickUp after',
  'OrderSteps.startShipping after',
  'ShippingService.upload after',
  'OrderSteps.endShipping after',
];
const REVOCATION_POINTS = [
  'AccountPushes.keep after',
  'AccountPushes.workOn before',
  'AccountPushes.apply before',
  'AccountPushes.apply after',
];
/** The points of a run that is not full. */
const SOME = [
  'PaymentService.prepay after',
  'OrderSteps.pay after',
  'RefundService.create after',
  'ShippingService.upload after',
  'AccountPushes.workOn before',
];
const chosen = (points: string[]): string[] =>
  points.filter((point) => isFull || SOME.includes(point));

const TEMPLATE = { id: 'order_paid', title: '付款成功', keys: ['amount2'] };
const PAID_MESSAGE = JSON.stringify({ templateId: TEMPLATE.id, data: { amount2: '{amount}' } });

onPostgres('the reference app after kill -9', (bin) => {
  let uploads: string;

  beforeAll(async () => {
    uploads = mkdtempSync(join(tmpdir(), 'nestjs-wechat-uploads-'));
    await buildApp(); // it starts in half of the CPU time that it takes to compile each file when Node loads it
  }, 300_000);
  afterAll(() => {
    killAppInstances();
    rmSync(uploads, { recursive: true, force: true });
  });

  /** A sandbox, its user, and the variables of the instances, which have one database. */
  async function prepare(): Promise<Prepared> {
    const port = await freePort();
    const app = { appId: PUSH.appId, secret: 'a'.repeat(32), templates: [TEMPLATE] };
    const wechat = await startWechatSandbox({ apps: [app] });
    const { appId, token, aesKey } = PUSH;
    wechat.configurePush(appId, { url: `http://127.0.0.1:${port}/wechat/push`, token, aesKey });
    const env = {
      ...environmentFor(wechat),
      ...wechat.pay.merchant.env({ notifyUrl: `http://127.0.0.1:${port}/wechat/pay/notify` }),
      WECHAT_PUSH_TOKEN: token,
      WECHAT_PUSH_AES_KEY: aesKey,
      SUBSCRIBE_ORDER_PAID: PAID_MESSAGE,
      DATABASE_URL: (await createOnPostgres(bin)).config.url,
      PORT: String(port),
      UPLOAD_DIR: mkdtempSync(join(uploads, 'of-')),
      LOG_LEVEL: 'silent',
    };
    return { wechat, env, user: wechat.users.create() };
  }

  /** Runs an instance that kills itself, and then another one, to which it returns the client. */
  async function replaceKilled(
    { wechat, env, user }: Prepared,
    killAt: string,
    act: (doomed: AppInstance) => Promise<unknown>,
  ): Promise<AppInstance> {
    await actUntilKilled(await startAppInstance(env, user, { killAt }), act);
    wechat.clock.advance(DOWNTIME_MS);
    return startAppInstance(env, user, { skewMs: DOWNTIME_MS });
  }

  const newOrder = async ({ call }: AppInstance) =>
    (await call('POST /orders', { productId: 'latte', quantity: 1 })).body.data;

  it.each(POINTS.filter(([, point]) => chosen([point]).length > 0))(
    'Q9 loses no money in the step "%s" at %s',
    async (step, killAt) => {
      const prepared = await prepare();
      const { wechat, user } = prepared;
      await user.requestSubscribeMessage([TEMPLATE.id]);
      let order = { id: '', number: '' };
      const instance = await replaceKilled(prepared, killAt, async (doomed) => {
        order = await newOrder(doomed);
        await actUntil(step, { wechat, user, instance: doomed, id: order.id });
      });
      const { call } = instance;
      const { id, number } = order;
      const statusOf = async () => (await call(`GET /orders/${id}`)).body.data.status;
      if (step === 'pay') await pay({ wechat, user, instance, id });
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
      await until(async () => user.messages.length > 0); // the intention to send it survives
      expect(user.messages).toMatchObject([{ data: { amount2: '22.00' } }]);
      instance.child.kill('SIGKILL');
      await wechat.close();
    },
  );

  it.each(chosen(SHIPPING_POINTS))(
    'Q9 uploads the shipping information of a picked-up order once at %s',
    async (killAt) => {
      const prepared = await prepare();
      const { wechat, user } = prepared;
      let id = '';
      const { call, child } = await replaceKilled(prepared, killAt, async (doomed) => {
        ({ id } = await newOrder(doomed));
        await pay({ wechat, user, instance: doomed, id });
        await doomed.call(`POST /orders/${id}/pickup`);
      });
      await until(async () => (await call(`GET /orders/${id}`)).body.data.shipped === true);
      const { orderBook, merchant, shipments, orders } = wechat.pay;
      const shipment = shipments.of(orderBook.find(merchant, orders[0]!.outTradeNo)!);
      expect(shipment).toMatchObject({ isComplete: true, isCorrected: false });
      expect(wechat.requestsTo('/wxa/sec/order/upload_shipping_info').length).toBeLessThan(3);
      child.kill('SIGKILL');
      await wechat.close();
    },
  );

  it.each(chosen(REVOCATION_POINTS))(
    'Q11 deletes what a user has withdrawn, once WeChat has a response to its push, at %s',
    async (killAt) => {
      const prepared = await prepare();
      const { wechat, user } = prepared;
      const instance = await replaceKilled(prepared, killAt, async (doomed) => {
        await uploadTo(doomed.url)('POST /recordings', doomed.token, [file(mp3(1000))]);
        const revoke = { Event: 'user_authorization_revoke', RevokeInfo: '5' };
        await wechat.push(PUSH.appId, { ...revoke, OpenID: user.openid() });
      });
      const { call, child, token, url } = instance;
      await uploadTo(url)('POST /recordings', token, [file(mp3(2000))]); // after the push, so it stays
      const durations = async (): Promise<number[]> =>
        (await call('GET /recordings')).body.data.map((one: { duration: number }) =>
          Math.round(one.duration / 1000),
        );
      await until(async () => (await durations()).length < 2);
      expect(await durations()).toEqual([2]);
      child.kill('SIGKILL');
      await wechat.close();
    },
  );
});

interface Prepared {
  wechat: WechatSandbox;
  env: Record<string, string>;
  user: SandboxUser;
}

interface Act {
  wechat: WechatSandbox;
  user: SandboxUser;
  instance: AppInstance;
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
