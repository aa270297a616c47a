import { DataSource } from 'typeorm';
import { Reconciliation } from '../../apps/sample/src/shop/reconciliation.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { startCoffeeShop, waitingOf } from '../support/coffee-shop.js';
import type { CoffeeShop, Customer, Order } from '../support/coffee-shop.js';
import { until } from '../support/redis.js';

describeOnEachDatabase('the operation of the shop', (database) => {
  let shop: CoffeeShop;
  beforeAll(async () => {
    shop = await startCoffeeShop({ database: database() });
  });
  beforeEach(() => shop.wechat.clear());
  afterAll(() => shop.close());

  const rowOf = async ({ id }: Order): Promise<Record<string, unknown>> => {
    const rows = await shop.app
      .get(DataSource)
      .query('SELECT status, user_id, openid FROM orders WHERE id = $1', [id]);
    return rows[0];
  };
  const statusesOf = async (...orders: Order[]): Promise<unknown[]> =>
    (await Promise.all(orders.map(rowOf))).map(({ status }) => status);
  const forgetOpenids = () => shop.app.get(Reconciliation).forgetOpenids();

  /** Registers the customer's phone number and deletes the account. */
  const deleteAccount = async ({ call, wechat }: Customer): Promise<void> => {
    const ticketOf = async () =>
      (
        await call('POST /auth/phone-login', {
          body: { code: (await wechat.getPhoneNumber()).code },
        })
      ).body.data.registrationTicket;
    const registered = await call('POST /auth/register', {
      body: { registrationTicket: await ticketOf() },
    });
    const deleted = await shop.call('DELETE /account', { token: registered.body.data.token });
    if (deleted.status !== 200) throw new Error(JSON.stringify(deleted.body));
  };

  describe('when an account is deleted', () => {
    it('keeps its orders without the user: paid ones stay, pending ones are closed, refunds go on', async () => {
      const carol = await shop.customer();
      const paid = await carol.buy();
      const pending = await carol.order();
      const prepared = await carol.order();
      await carol.on(prepared, 'pay');
      const refunding = await carol.buy();
      await carol.on(refunding, 'refund');
      await deleteAccount(carol);
      expect((await rowOf(paid))['user_id']).toBeNull();
      expect((await carol.on(paid)).status).toBe(401);
      await shop.pass('4s');
      expect(await statusesOf(paid, pending, prepared, refunding)).toEqual([
        'paid',
        'closed',
        'closed',
        'refunded',
      ]);
      expect(shop.atWechat(prepared)!.state).toBe('CLOSED');
    });

    it('refunds what turns out to be paid, by a notification and by the reconciliation', async () => {
      for (const isNotified of [true, false]) {
        const carol = await shop.customer();
        shop.wechat.everyDelivery({ drop: true });
        const order = await carol.buy();
        await deleteAccount(carol);
        if (isNotified) {
          shop.wechat.clear();
          await shop.wechat.pay.notify(order.number);
          expect(await statusesOf(order)).toEqual(['refunding']);
        }
        await shop.reconcile();
        await shop.pass('61s');
        expect(await statusesOf(order)).toEqual(['refunded']);
        expect(
          shop.wechat.pay.refunds.filter(({ outTradeNo }) => outTradeNo === order.number),
        ).toHaveLength(1);
      }
    });

    it('removes the openid of refunded orders, of closed ones after 24 h 30 m, of others after 30 days', async () => {
      const carol = await shop.customer();
      const [paid, pending, refunding] = [
        await carol.buy(),
        await carol.order(),
        await carol.buy(),
      ];
      await carol.on(refunding, 'refund');
      await deleteAccount(carol);
      const hasOpenid = async () => {
        await forgetOpenids();
        const rows = await Promise.all([refunding, pending, paid].map(rowOf));
        return rows.map(({ openid }) => openid !== null);
      };
      await shop.pass('4s');
      expect(await hasOpenid()).toEqual([false, true, true]);
      await shop.pass('24h');
      expect(await hasOpenid()).toEqual([false, true, true]);
      await shop.pass('31m');
      expect(await hasOpenid()).toEqual([false, false, true]);
      await shop.pass('30d');
      expect(await hasOpenid()).toEqual([false, false, false]);
      expect(await statusesOf(paid)).toEqual(['paid']);
    });

    it('gives a returning user none of the old orders, and frees the Idempotency-Key', async () => {
      const carol = await shop.customer();
      const send = (customer: Customer) =>
        customer.call('POST /orders', {
          headers: { 'idempotency-key': 'carols-key' },
          body: { productId: 'latte', quantity: 1 },
        });
      const old = await send(carol);
      await deleteAccount(carol);
      const again = await shop.customer(carol.wechat);
      expect((await again.call('GET /orders')).body.data).toEqual([]);
      expect((await again.on(old.body.data)).status).toBe(404);
      expect((await send(again)).status).toBe(201);
    });
  });

  it('lists for the operator what conflicts and what waits', async () => {
    const dave = await shop.customer();
    const abnormal = await dave.buy();
    await dave.on(abnormal, 'refund');
    shop.wechat.pay.settleRefund(`${abnormal.number}-R1`, 'ABNORMAL');
    await shop.wechat.settle();
    const order = await dave.buy();
    await shop.wechat.pay.notify(order.number, { over: { amount: 1 } });
    const lines = await waitingOf(shop);
    expect(lines.filter((line) => line.includes(abnormal.number))).toEqual([
      expect.stringMatching(/^order .* refunding {2}2200 fen {2}refund \d+-R1 ABNORMAL$/),
    ]);
    expect(lines.join('\n')).not.toContain(dave.wechat.openid());
  });

  it('moves the orders of merged accounts, also if both used one Idempotency-Key', async () => {
    const data = shop.app.get(DataSource);
    const { moveOrders } = await import('../../apps/sample/src/shop/orders-of-account.js');
    const customers = [await shop.customer(), await shop.customer()];
    const ids: string[] = [];
    for (const { call } of customers) {
      const headers = { 'idempotency-key': 'same-key-in-both' };
      const made = await call('POST /orders', {
        headers,
        body: { productId: 'latte', quantity: 1 },
      });
      const rows = await data.query('SELECT user_id FROM orders WHERE id = $1', [
        made.body.data.id,
      ]);
      ids.push(rows[0].user_id);
    }
    await moveOrders(data.manager, ids[0]!, ids[1]!);
    expect((await customers[0]!.call('GET /orders')).body.data).toHaveLength(2);
  });

  describe('readiness', () => {
    const readiness = async (): Promise<string> =>
      (await shop.call('GET /health/ready')).body.data.status;

    it('is degraded while WeChat Pay refuses the credentials, and calls nothing', async () => {
      const erin = await shop.customer();
      const order = await erin.order();
      expect(await readiness()).toBe('ok');
      shop.wechat.next('/v3/pay/transactions/jsapi', { payCode: 'SIGN_ERROR' });
      expect((await erin.on(order, 'pay')).status).toBe(500);
      const calls = shop.wechat.requests.length;
      expect(await readiness()).toBe('degraded');
      expect(shop.wechat.requests.length).toBe(calls);
      await erin.pay(order);
      expect(await readiness()).toBe('ok');
    });

    it('is not degraded by a wrong signature, which any sender can cause', async () => {
      const erin = await shop.customer();
      shop.wechat.nextDelivery({ tamper: 'signature' });
      await erin.buy();
      expect(await readiness()).toBe('ok');
    });
  });
});

describe('a shop that gets no notifications', () => {
  let shop: CoffeeShop;
  let alice: Customer;
  beforeAll(async () => {
    shop = await startCoffeeShop({ hasTimer: true, env: { WECHAT_PAY_TIMEOUT: '3s' } });
    alice = await shop.customer();
  });
  beforeEach(() => shop.wechat.everyDelivery({ drop: true }));
  afterAll(() => shop.close());

  it('finds a payment by itself', async () => {
    const order = await alice.buy();
    shop.wechat.clock.advance('5s');
    await until(async () => (await alice.statusOf(order)) === 'paid');
  });

  it('responds 503 if the calls of one request take longer than the timeout together, and works on', async () => {
    const order = await alice.buy();
    const query = '/v3/pay/transactions/out-trade-no/:no';
    shop.wechat.next(`${query}/close`, { delay: '1s' });
    shop.wechat.next(query, { delay: '1s' });
    shop.wechat.next(query, { hang: true });
    shop.wechat.next(query, { delay: '1s' });
    const { status, headers, body } = await alice.on(order, 'cancel');
    expect([status, headers.get('retry-after'), body.error]).toEqual([
      503,
      '1',
      'ERR_WECHAT_UNAVAILABLE',
    ]);
    shop.wechat.clock.advance('61s');
    await until(async () => (await alice.statusOf(order)) === 'paid');
  });
});
