import { Logger } from '@nestjs/common';
import { PaymentService } from 'nestjs-wechat/pay';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Inbox } from '../../libs/wechat/src/inbox/inbox.js';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { Canaries } from '../security/canaries.js';
import { observe } from '../support/observed.js';
import {
  MERCHANT,
  notification,
  notificationBody,
  paidOrder,
  payOptions,
  signedMessage,
} from '../support/pay-messages.js';
import type { PayMessage } from '../support/pay-messages.js';
import { sandboxPayOptions, startPayServices } from '../support/pay-services.js';
import type { PayServices } from '../support/pay-services.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { startShop } from '../support/shop-app.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { isFull, Lag, often, trials } from './rows.js';

/** Headers of WeChat Pay with a signature of another key. */
function forgedHeaders(): Record<string, string> {
  const { headers } = notification();
  return { ...headers, 'wechatpay-signature': randomBytes(256).toString('base64') };
}

const PAIRS = isFull ? 1_000 : 20;
const PATH = '/wechat/pay/notify';
const WORKERS = join(__dirname, 'workers');

beforeAll(() => Logger.overrideLogger(false));

describeRedis('notifications of WeChat Pay on two instances', () => {
  let redis: TestRedis;
  let stores: RedisStore[];
  let instances: PayServices[];
  const children = new Set<ChildProcess>();

  beforeAll(async () => {
    redis = await TestRedis.start();
    stores = await Promise.all([1, 2].map(() => RedisStore.open({ url: redis.url })));
    instances = await Promise.all(stores.map((store) => startPayServices(payOptions({ store }))));
  });
  beforeEach(() => {
    for (const { shop } of instances) {
      shop.received.length = 0;
      shop.handle = () => undefined;
    }
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(instances.map(({ close }) => close()));
    await Promise.all(stores.map((store) => store.close()));
    await redis.end();
  });

  const deliver = (message = notification(), to = instances) =>
    Promise.all(to.map(({ notifications }) => notifications.handle(message)));
  const runs = (): number => instances.reduce((sum, { shop }) => sum + shop.received.length, 0);

  it(`Q2 runs the handler once if both get the same notification at once${often(PAIRS)}`, async () => {
    let atOnce = 0;
    let most = 0;
    for (const { shop } of instances)
      shop.handle = async () => {
        most = Math.max(most, ++atOnce);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        atOnce--;
      };
    for (let i = 0; i < PAIRS; i++) {
      const statuses = (await deliver()).map(({ status }) => status);
      expect([statuses, runs(), most]).toEqual([[204, 204], i + 1, 1]);
    }
  });

  it('Q3 handles one payment once although the id, nonce and event differ, and handles a refund separately', async () => {
    const order = paidOrder();
    await deliver(notification(order));
    await deliver(notification(order));
    await deliver(notification({ ...order, out_trade_no: 'OTHER-0001' })); // the same transaction_id
    expect(runs()).toBe(1);
    await deliver(notification(paidOrder()));
    expect(runs()).toBe(2);
  });

  it.each(trials(20, 1))(
    'Q4 responds with 503 after 4 s, and the next delivery joins the run',
    async () => {
      let finish!: () => void;
      for (const { shop } of instances)
        shop.handle = () => new Promise<void>((resolve) => (finish = resolve));
      const message = notification();
      const startedAt = performance.now();
      const [late] = await deliver(message, [instances[0]!]);
      const ms = performance.now() - startedAt;
      expect([late!.status, ms > 3_900 && ms < 6_000]).toEqual([503, true]);
      const joined = deliver(message);
      finish();
      expect((await joined).map(({ status }) => status)).toEqual([204, 204]);
      expect(runs()).toBe(1);
    },
  );

  it.each(isFull ? [3_000, 6_000, 12_000] : [100])(
    'Q4 runs a handler that takes %i ms once, whichever instance gets the repeats',
    async (ms) => {
      for (const { shop } of instances) shop.handle = () => sleep(ms);
      const message = notification();
      const statuses: number[] = [];
      for (let i = 0; statuses.at(-1) !== 204; i++)
        statuses.push((await deliver(message, [instances[i % 2]!]))[0]!.status);
      expect(new Set(statuses.slice(0, -1))).toEqual(new Set(ms > 4_000 ? [503] : []));
      expect(runs()).toBe(1);
    },
  );

  /** How often a handler runs that takes three leases, if both instances get its notification. */
  async function runsBeyondLease(times: { lease: number; renewEvery: number }): Promise<number> {
    const inboxes = stores.map(
      (store) => new Inbox(store, 'wx:lease:', { ...times, pollEvery: 20 }),
    );
    const identity = randomUUID();
    let ran = 0;
    const work = async (): Promise<Buffer> => {
      ran++;
      await sleep(3 * times.lease);
      return Buffer.alloc(0);
    };
    await Promise.all(inboxes.map((inbox) => inbox.process(identity, work)));
    return ran;
  }

  it.each(trials(20))(
    'Q2 renews the claim of a handler that runs beyond its lease, and no other instance runs it',
    async () => expect(await runsBeyondLease({ lease: 1_000, renewEvery: 100 })).toBe(1),
  );

  it('Q2 control: another instance runs it too if the claim is not renewed', async () =>
    expect(await runsBeyondLease({ lease: 200, renewEvery: 60_000 })).toBe(2));

  const FORGERIES: [string, () => PayMessage][] = [
    ['forged', () => ({ ...notification(), headers: forgedHeaders() })],
    ['stale', () => signedMessage(notificationBody(paidOrder()), { age: 300 })],
    ['tampered', () => ({ ...notification(), body: notificationBody(paidOrder()) })],
    ["another merchant's", () => notification(paidOrder({ mchid: '1900009999' }))],
  ];
  const REPEATS = isFull ? 100 : 5;

  it.each(FORGERIES)(
    `Q7 runs no handler for a notification that is %s${often(REPEATS)}`,
    async (_, forge) => {
      for (let i = 0; i < REPEATS; i++)
        for (const { status } of await deliver(forge())) expect([401, 403]).toContain(status);
      expect(runs()).toBe(0);
    },
  );

  it(`Q7 runs no handler again for a notification that is replayed${often(REPEATS)}`, async () => {
    const message = notification();
    for (let i = 0; i < REPEATS; i++)
      expect((await deliver(message)).map(({ status }) => status)).toEqual([204, 204]);
    expect(runs()).toBe(1);
  });

  it(`Q5 responds with 500 if the handler throws, and any later delivery runs it again${often(isFull ? 100 : 3)}`, async () => {
    for (let i = 0; i < (isFull ? 100 : 3); i++) {
      const message = notification();
      for (const { shop } of instances)
        shop.handle = () => Promise.reject(new Error('the database is down'));
      expect((await deliver(message, [instances[0]!]))[0]!.status).toBe(500);
      for (const { shop } of instances) shop.handle = () => undefined;
      expect((await deliver(message, [instances[1]!]))[0]!.status).toBe(204);
      expect(runs()).toBe(i + 1);
    }
  });

  /** @param handlerMs how long the handler runs after its effect */
  async function startProcess(handlerMs: number) {
    const options = payOptions({ redis: { url: redis.url } });
    const child = fork(join(WORKERS, 'pay-shop.ts'), [JSON.stringify({ options, handlerMs })], {
      execArgv: ['--import', join(WORKERS, 'register.mjs')],
      env: { ...process.env, NO_COLOR: '1' },
      silent: true,
    });
    children.add(child);
    const ran: string[] = [];
    child.on('message', (message: { ran?: string }) => message.ran && ran.push(message.ran));
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    return { child, ran, url };
  }

  it.each(trials(20, 1))(
    'Q1 runs the handler again after kill -9 between its effect and the response, once the claim has expired',
    async () => {
      const { child, ran, url } = await startProcess(60_000);
      const message = notification();
      const lost = fetch(url + PATH, {
        method: 'POST',
        headers: message.headers,
        body: new Uint8Array(message.body),
      }).catch(() => undefined);
      await until(() => ran.length === 1);
      child.kill('SIGKILL');
      await lost;
      expect((await deliver(message, [instances[0]!]))[0]!.status).toBe(503); // the claim of the killed process
      expect(runs()).toBe(0);
      await until(async () => (await deliver(message, [instances[0]!]))[0]!.status === 204);
      expect(runs()).toBe(1);
      expect((await deliver(message)).map(({ status }) => status)).toEqual([204, 204]);
      expect(runs()).toBe(1);
    },
  );

  it.each(trials(20, 1))(
    'Q1 runs the handler once over a slow store, and returns 503 without a run over one that is too slow',
    async () => {
      const proxy = await TcpProxy.start(Number(new URL(redis.url).port));
      const store = await RedisStore.open({ url: proxy.url });
      const slow = await startPayServices(payOptions({ store }));
      try {
        proxy.always({ kind: 'delay', ms: 50 });
        const statuses = (await deliver(notification(), [slow, instances[0]!])).map(
          ({ status }) => status,
        );
        expect([statuses, runs() + slow.shop.received.length]).toEqual([[204, 204], 1]);
        slow.shop.received.length = 0;
        proxy.always({ kind: 'delay', ms: 2_000 });
        expect((await deliver(notification(), [slow]))[0]!.status).toBe(503);
        expect(slow.shop.received).toEqual([]);
      } finally {
        await slow.close();
        await proxy.close();
        await store.close();
      }
    },
  );

  it('Q1 returns 503 while the store is down or frozen, and no handler runs', async () => {
    for (const fault of ['SIGSTOP', 'kill'] as const) {
      const message = notification();
      await (fault === 'kill' ? redis.kill() : redis.freeze());
      const startedAt = performance.now();
      expect((await deliver(message)).map(({ status }) => status)).toEqual([503, 503]);
      expect(performance.now() - startedAt).toBeLessThan(4_500);
      expect(runs()).toBe(0);
      await (fault === 'kill' ? redis.start() : redis.thaw());
      await until(async () => (await deliver(message))[0]!.status === 204);
      expect(runs()).toBe(1);
      for (const { shop } of instances) shop.received.length = 0;
    }
  });
});

describe('WeChat Pay that fails', () => {
  let wechat: WechatSandbox;
  let pay: PayServices;
  let alice: SandboxUser;
  let number = 0;
  const order = () => ({
    openid: alice.openid(),
    outTradeNo: `FAULTS-${++number}`,
    description: 'Latte',
    amount: 2200,
  });
  const optionsOf = () => sandboxPayOptions(wechat);

  beforeAll(async () => {
    wechat = await startWechatSandbox({ pay: { merchants: [{}] } });
    alice = wechat.users.create();
    wechat.everyDelivery({ drop: true });
    pay = await startPayServices(optionsOf());
  });
  afterEach(() => wechat.clear());
  afterAll(async () => {
    await pay.close();
    await wechat.close();
  });

  it.each([
    ['a lost response', { reset: 'after-work' as const }],
    ['HTTP 500', { status: 500 }],
    ['garbage', { status: 502, body: '<html>' }],
  ])('Q8 repeats a prepay, a query and a close with the same number after %s', async (_, fault) => {
    const prepay = order();
    const jsapi = '/v3/pay/transactions/jsapi';
    wechat.next(jsapi, fault);
    await pay.payments.prepay(prepay);
    const bodies = wechat
      .requestsTo(jsapi)
      .slice(-2)
      .map(({ body }) => JSON.stringify(body));
    expect(bodies[0]).toBe(bodies[1]);
    wechat.next('/v3/pay/transactions/out-trade-no/:no', fault);
    expect(await pay.payments.query(prepay)).toMatchObject({ state: 'NOTPAY' });
    wechat.next('/v3/pay/transactions/out-trade-no/:no/close', fault);
    await pay.payments.close(prepay.outTradeNo);
    expect(await pay.payments.query(prepay)).toMatchObject({ state: 'CLOSED' });
  });

  it('Q8 returns 503 within the deadline while WeChat Pay does not respond', async () => {
    wechat.next('/v3/pay/transactions/jsapi', { delay: '5s', times: 5 });
    const api = { baseUrl: wechat.url, timeout: '1s' as const };
    const impatient = await startPayServices(sandboxPayOptions(wechat, { api }));
    const lag = new Lag();
    const startedAt = performance.now();
    await expect(impatient.payments.prepay(order())).rejects.toMatchObject({
      code: 'ERR_WECHAT_UNAVAILABLE',
    });
    expect(performance.now() - startedAt).toBeLessThan(1_500 + lag.end());
    await impatient.close();
  });

  it(`Q8 makes one refund of 50 parallel requests with one number${often(50)}`, async () => {
    const prepay = order();
    await alice.requestPayment((await pay.payments.prepayWithRequestPayment(prepay)).params);
    const request = {
      outRefundNo: `R-${number}`,
      outTradeNo: prepay.outTradeNo,
      refund: 2200,
      total: 2200,
    };
    const refunds = await Promise.all(
      Array.from({ length: 50 }, () => pay.refunds.create(request)),
    );
    expect(new Set(refunds.map(({ refundId }) => refundId)).size).toBe(1);
    expect(new Set(refunds.map(({ status }) => status))).toEqual(new Set(['PROCESSING']));
  });

  const SWITCHES = isFull ? 1_000 : 30;

  it(`Q10 verifies every response and notification while the keys are switched from 0 to 100 percent${often(SWITCHES)}`, async () => {
    const switching = await startWechatSandbox({
      pay: { merchants: [{ verifyWith: 'switching' }] },
    });
    const payer = switching.users.create();
    const { app, shop } = await startShop(switching, {
      pay: { appId: switching.apps[0]!.appId },
    });
    const payments = app.get(PaymentService);
    for (let i = 0; i < SWITCHES; i++) {
      switching.pay.switchTo(Math.round((100 * i) / SWITCHES));
      const { params } = await payments.prepayWithRequestPayment({
        openid: payer.openid(),
        outTradeNo: `SWITCH-${i}`,
        description: 'x',
        amount: 1,
      });
      await payer.requestPayment(params);
      await switching.settle();
    }
    const statuses = switching.deliveries.flatMap(({ attempts }) =>
      attempts.map(({ status }) => status),
    );
    expect(statuses).toEqual(Array(SWITCHES).fill(204));
    const verifiers = new Set(shop.received.map(({ verifiedBy }) => verifiedBy));
    expect([verifiers.size, shop.received.length]).toEqual([2, SWITCHES]);
    await app.close();
    await switching.close();
  });

  it('Q12 shows no key, prepay id or openid in a log, an error, a span, a metric, an inspected object or a key of the store', async () => {
    const observed = observe();
    const canaries = new Canaries();
    const { privateKey, apiV3Key } = optionsOf();
    const keys: string[] = [];
    const { MemoryStore } = await import('../../libs/wechat/src/store/memory.store.js');
    class Spied extends MemoryStore {}
    const store = new Spied();
    const add = store.add;
    store.add = (key, value, ttl) => {
      keys.push(key);
      return add.call(store, key, value, ttl);
    };
    const lines: unknown[] = [];
    const logger = {
      log: (...a: unknown[]) => lines.push(a),
      error: (...a: unknown[]) => lines.push(a),
      warn: (...a: unknown[]) => lines.push(a),
      debug: (...a: unknown[]) => lines.push(a),
    };
    const shop = await startPayServices({
      ...optionsOf(),
      store,
      apiV3Key: MERCHANT.apiV3Key,
      publicKeys: [{ id: MERCHANT.wechatKeyId, pem: MERCHANT.wechatKey }],
    });
    const known = await startPayServices({ ...optionsOf(), store });
    Logger.overrideLogger(logger);
    const { prepayId } = await known.payments.prepay(order());
    const openid = order().openid;
    canaries.add('privateKey', privateKey.split('\n')[3]!);
    canaries.add('apiV3Key', apiV3Key);
    canaries.add('prepayId', prepayId);
    canaries.add('openid', openid);
    const errors: unknown[] = [];
    for (const payCode of [
      'SIGN_ERROR',
      'PARAM_ERROR',
      'SYSTEM_ERROR',
      'FREQUENCY_LIMITED',
      'ORDERPAID',
    ]) {
      wechat.next('/v3/pay/transactions/jsapi', { payCode });
      await known.payments.prepay(order()).catch((error: unknown) => errors.push(error));
    }
    wechat.next('/v3/pay/transactions/jsapi', { tamper: 'body' });
    await known.payments.prepay(order()).catch((error: unknown) => errors.push(error));
    const mine = { ...paidOrder({ payer: { openid } }), mchid: optionsOf().mchId };
    await shop.notifications.handle(notification(mine));
    await known.notifications.handle({ headers: {}, body: Buffer.from(openid) });
    Logger.overrideLogger(false);
    const inspected = [known.payments, known.refunds, known.client, known.notifications].map(
      (object) => inspect(object, { depth: 20 }),
    );
    const spans = observed
      .spans()
      .map(({ name, attributes, events, status }) => [name, attributes, events, status]);
    const shown = inspect([lines, errors, inspected, keys, spans, await observed.metrics()], {
      depth: 20,
      maxStringLength: null,
    });
    expect(errors.length).toBeGreaterThanOrEqual(5);
    expect([keys.length > 0, lines.length > 0, spans.length > 0]).toEqual([true, true, true]);
    expect(canaries.in(shown)).toEqual([]);
    expect(canaries.in(`${shown}${prepayId}`)).toEqual(['prepayId']); // control
    await Promise.all([shop.close(), known.close()]);
    await observed.stop();
  });
});
