import { PaymentService } from 'nestjs-wechat/pay';
import { AppConfig } from '../../apps/sample/src/config.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { startCoffeeShop } from '../support/coffee-shop.js';
import type { CoffeeShop, Customer, Order } from '../support/coffee-shop.js';
import { statusesOf } from '../support/http.js';

const PREPAY = '/v3/pay/transactions/jsapi';
const QUERY = '/v3/pay/transactions/out-trade-no/:no';
const CLOSE = '/v3/pay/transactions/out-trade-no/:no/close';

describeOnEachDatabase('payments of the shop', (database) => {
  let shop: CoffeeShop;
  let alice: Customer;
  beforeAll(async () => {
    const mini = (appId: string) => ({ kind: 'mini-program' as const, appId, secret: appId });
    shop = await startCoffeeShop({
      database: database(),
      sandbox: { apps: [mini('wxcoffee00000000001'), mini('wxtea00000000000002')] },
    });
    alice = await shop.customer();
  });
  beforeEach(() => shop.wechat.clear());
  afterAll(() => shop.close());

  const queriesOf = ({ number }: Order): number =>
    shop.wechat.requests.filter(
      ({ method, path }) => method === 'GET' && path.endsWith(`out-trade-no/${number}`),
    ).length;
  /** Pays an order, and no notification arrives. */
  const buyUnnoticed = async (body?: object): Promise<Order> => {
    shop.wechat.everyDelivery({ drop: true });
    return alice.buy(body);
  };
  const callsOf = ({ number }: Order, path: string): any[] =>
    shop.wechat.requests
      .filter((request) => JSON.stringify(request).includes(number))
      .filter((request) => request.path === path);

  describe('pending → paid', () => {
    it('by a query of the client, at most every two seconds', async () => {
      const order = await buyUnnoticed();
      const synced = await alice.on(order, 'sync');
      expect([synced.status, synced.body.data.status]).toEqual([200, 'paid']);
      expect(queriesOf(order)).toBe(1);

      const other = await alice.order();
      await alice.on(other, 'pay');
      const answers = await Promise.all([1, 2, 3].map(() => alice.on(other, 'sync')));
      expect(answers.map(({ body }) => body.data.status)).toEqual([
        'pending',
        'pending',
        'pending',
      ]);
      expect(queriesOf(other)).toBe(1);
      shop.wechat.clock.advance('2s');
      await alice.on(other, 'sync');
      expect(queriesOf(other)).toBe(2);
    });

    it('by the reconciliation, if no notification ever comes', async () => {
      const order = await buyUnnoticed();
      await shop.pass('3s');
      expect(await alice.statusOf(order)).toBe('pending');
      await shop.pass('3s');
      expect(await alice.statusOf(order)).toBe('paid');
    });

    it('once, however often it is notified', async () => {
      shop.wechat.nextDelivery({ duplicate: 3 });
      const order = await alice.buy();
      const { paidAt, transactionId } = (await alice.on(order)).body.data;
      await shop.wechat.pay.notify(order.number, { over: { id: 'other' } });
      expect((await alice.on(order)).body.data).toMatchObject({
        status: 'paid',
        paidAt,
        transactionId,
      });
    });

    it('with a conflict, if it was refunded in the merchant console before its payment was known here', async () => {
      const order = await buyUnnoticed();
      shop.wechat.pay.refundInConsole(order.number, { amount: 100 });
      expect((await alice.on(order, 'sync')).body.data.status).toBe('paid');
      expect(await shop.conflicts()).toContainEqual(
        expect.objectContaining({
          orderNumber: order.number,
          kind: 'refunded-early',
          amount: null,
        }),
      );
    });
  });

  describe('pay', () => {
    it('sends the stored fields again, byte by byte, whatever has changed meanwhile', async () => {
      const config = shop.app.get(AppConfig);
      const order = await alice.order();
      shop.wechat.next(PREPAY, { payCode: 'SYSTEM_ERROR', times: 3 });
      expect((await alice.on(order, 'pay')).status).toBe(503);
      const before = config.pay!.notify.url;
      config.pay!.notify.url = 'http://127.0.0.1:1/other/notify';
      shop.wechat.clear();
      await alice.pay(order);
      config.pay!.notify.url = before;
      const bodies = callsOf(order, PREPAY).map(({ body }) => JSON.stringify(body));
      expect([bodies.length > 1, new Set(bodies).size]).toEqual([true, 1]);
      expect(await alice.statusOf(order)).toBe('paid');
    });

    it('reuses a prepay id', async () => {
      const order = await alice.order();
      const first = (await alice.on(order, 'pay')).body.data;
      const again = (await alice.on(order, 'pay')).body.data;
      expect(again.package).toBe(first.package);
      expect(again.nonceStr).not.toBe(first.nonceStr);
      expect(callsOf(order, PREPAY)).toHaveLength(1);
    });

    it('is safe to call twice at once: one order at WeChat Pay, one payment', async () => {
      const order = await alice.order();
      const answers = await Promise.all([alice.on(order, 'pay'), alice.on(order, 'pay')]);
      expect(statusesOf(answers)).toEqual([200, 200]);
      const results = await Promise.all(
        answers.map(({ body }) => alice.wechat.requestPayment(body.data)),
      );
      expect(results.map(({ errMsg }) => errMsg).toSorted()).toEqual([
        'requestPayment:fail 该订单已支付',
        'requestPayment:ok',
      ]);
    });

    it('is 409 unless the order is pending', async () => {
      const paid = await alice.buy();
      const closed = await alice.order();
      await alice.on(closed, 'cancel');
      for (const [order, status] of [
        [paid, 'paid'],
        [closed, 'closed'],
      ] as const) {
        const { status: code, body } = await alice.on(order, 'pay');
        expect([code, body.error, body.data]).toEqual([409, 'ERR_ORDER_STATE', { status }]);
      }
    });

    it('is 409 after payBefore', async () => {
      const order = await alice.order();
      shop.wechat.clock.advance('15m');
      const { status, body } = await alice.on(order, 'pay');
      expect([status, body.error, body.data]).toEqual([
        409,
        'ERR_ORDER_STATE',
        { status: 'pending' },
      ]);
      expect(callsOf(order, PREPAY)).toHaveLength(0);
    });

    it('is 409 in another mini program of the same user', async () => {
      const order = await alice.order();
      const tea = shop.wechat.apps[1]!.appId;
      const { code } = await alice.wechat.login(tea);
      const session = (await shop.call('POST /auth/login', { body: { code, appId: tea } })).body;
      const other = await shop.call(`POST /orders/${order.id}/pay`, {
        token: session.data.session_rd,
      });
      expect([other.status, other.body.error]).toEqual([409, 'ERR_ORDER_STATE']);
    });

    it('finds out that the order is paid, or closed at WeChat Pay', async () => {
      const paid = await buyUnnoticed();
      shop.wechat.clock.advance('10s');
      await forgetPrepayId(paid);
      const one = await alice.on(paid, 'pay');
      expect([one.status, one.body.data]).toEqual([409, { status: 'paid' }]);

      const closed = await alice.order();
      await alice.on(closed, 'pay');
      await shop.app.get(PaymentService).close(closed.number);
      await forgetPrepayId(closed);
      const other = await alice.on(closed, 'pay');
      expect([other.status, other.body.data]).toEqual([409, { status: 'closed' }]);
    });

    it('is 503 while WeChat Pay does not respond, and works afterwards', async () => {
      const order = await alice.order();
      shop.wechat.next(PREPAY, { status: 502, times: 3 });
      const { status, body } = await alice.on(order, 'pay');
      expect([status, body.error]).toEqual([503, 'ERR_WECHAT_UNAVAILABLE']);
      expect((await alice.on(order, 'sync')).body.data.status).toBe('pending'); // WeChat Pay knows no such order
      await alice.pay(order);
      expect(await alice.statusOf(order)).toBe('paid');
    });
  });

  describe('pending → closed', () => {
    it('by cancel, only here if no prepay was sent: its number stays unused at WeChat Pay', async () => {
      const order = await alice.order();
      const { status, body } = await alice.on(order, 'cancel');
      expect([status, body.data.status]).toEqual([200, 'closed']);
      expect(shop.wechat.requests.filter(({ path }) => path.includes(order.number))).toEqual([]);
      expect((await alice.on(order, 'cancel')).body.data.status).toBe('closed');
    });

    it('by cancel, at WeChat Pay first: the phone cannot pay any more', async () => {
      const order = await alice.order();
      const params = (await alice.on(order, 'pay')).body.data;
      expect((await alice.on(order, 'cancel')).body.data.status).toBe('closed');
      expect(shop.atWechat(order)!.state).toBe('CLOSED');
      expect((await alice.wechat.requestPayment(params)).errMsg).toBe(
        'requestPayment:fail 该订单已关闭',
      );
    });

    it('not by cancel if it is paid: a query decides', async () => {
      const order = await buyUnnoticed();
      const { status, body } = await alice.on(order, 'cancel');
      expect([status, body.error, body.data]).toEqual([409, 'ERR_ORDER_STATE', { status: 'paid' }]);
      expect(await alice.statusOf(order)).toBe('paid');
    });

    it('by cancel, after a minute if WeChat Pay does not respond at first', async () => {
      const order = await alice.order();
      await alice.on(order, 'pay');
      shop.wechat.always(CLOSE, { status: 502 });
      expect((await alice.on(order, 'cancel')).status).toBe(503);
      expect(await alice.statusOf(order)).toBe('pending');
      await shop.pass('61s');
      expect(await alice.statusOf(order)).toBe('pending');
      shop.wechat.clear();
      await shop.pass('61s');
      expect(await alice.statusOf(order)).toBe('closed');
    });

    it('when its time is over, with and without a prepay; a payment that was not noticed makes it paid', async () => {
      const untouched = await alice.order();
      const prepared = await alice.order();
      await alice.on(prepared, 'pay');
      const paid = await buyUnnoticed();
      await shop.pass('15m');
      expect(await Promise.all([untouched, prepared, paid].map(alice.statusOf))).toEqual([
        'closed',
        'closed',
        'paid',
      ]);
      expect(shop.atWechat(prepared)!.state).toBe('CLOSED');
    });

    it('if a query says CLOSED', async () => {
      const order = await alice.order();
      await alice.on(order, 'pay');
      await shop.app.get(PaymentService).close(order.number);
      expect((await alice.on(order, 'sync')).body.data.status).toBe('closed');
    });

    it('if a signed message says REVOKED', async () => {
      const order = await alice.order();
      await alice.on(order, 'pay');
      await shop.wechat.pay.notify(order.number, { over: { trade_state: 'REVOKED' } });
      expect(await alice.statusOf(order)).toBe('closed');
    });
  });

  describe('closed → refunding', () => {
    it('if a payment that fits arrives too late: refunded in full, by itself, once', async () => {
      const order = await alice.order();
      await alice.on(order, 'pay');
      await alice.on(order, 'cancel');
      payLate(order);
      await shop.wechat.pay.notify(order.number);
      await shop.wechat.pay.notify(order.number);
      expect((await alice.on(order)).body.data).toMatchObject({
        status: 'refunding',
        transactionId: shop.atWechat(order)!.transactionId,
        refund: { number: `${order.number}-R1`, status: 'PROCESSING', amount: 2200 },
      });
      await shop.reconcile();
      await shop.pass('5s');
      expect(await alice.statusOf(order)).toBe('refunded');
      const refunds = shop.wechat.pay.refunds.filter(
        ({ outTradeNo }) => outTradeNo === order.number,
      );
      expect(refunds).toMatchObject([{ amount: 2200, status: 'SUCCESS' }]);
    });

    it('also if no notification comes: closed orders that had a prepay are queried', async () => {
      const order = await alice.order();
      await alice.on(order, 'pay');
      await alice.on(order, 'cancel');
      shop.wechat.everyDelivery({ drop: true });
      payLate(order);
      await shop.pass('31s');
      expect(await alice.statusOf(order)).toBe('refunding');
      expect((await alice.on(order, 'sync')).status).toBe(200);
      await shop.pass('61s');
      expect(await alice.statusOf(order)).toBe('refunded');
    });
  });

  describe('nothing changes', () => {
    const changes = { transaction_id: undefined };

    it.each(['NOTPAY', 'USERPAYING', 'PAYERROR', 'ACCEPT', 'SOMETHING_NEW'])(
      'in a pending order by the state %s',
      async (trade_state) => {
        const order = await alice.order();
        await alice.on(order, 'pay');
        await shop.wechat.pay.notify(order.number, { over: { trade_state } });
        expect(await alice.statusOf(order)).toBe('pending');
      },
    );

    it.each(['CLOSED', 'REVOKED', 'REFUND', 'NOTPAY', 'USERPAYING', 'SUCCESS'])(
      'in paid, picked-up, refunding and refunded orders by the state %s',
      async (trade_state) => {
        const orders = await ordersInEachState();
        for (const [status, order] of Object.entries(orders)) {
          const before = (await alice.on(order)).body.data;
          const { attempts } = await shop.wechat.pay.notify(order.number, {
            over: { trade_state },
          });
          expect(attempts.at(-1)!.status).toBe(204);
          expect([status, (await alice.on(order)).body.data]).toEqual([status, before]);
        }
      },
    );

    it.each([
      ['another amount', { amount: 1 }],
      ['another currency', { currency: 'USD' }],
      ['another app', { appid: 'wx0000000000000000' }],
      ['another payer', { openid: 'oANOTHER' }],
      ['no transaction id', changes],
    ])('if a signed payment has %s: one conflict, answered 204', async (_, over) => {
      const order = await buyUnnoticed();
      shop.wechat.clear();
      for (let i = 0; i < 2; i++) {
        const { attempts } = await shop.wechat.pay.notify(order.number, { over });
        expect(attempts.at(-1)!.status).toBe(204);
      }
      expect(await alice.statusOf(order)).toBe('pending');
      const mine = (await shop.conflicts()).filter(
        ({ orderNumber }) => orderNumber === order.number,
      );
      expect(mine).toMatchObject([{ kind: 'payment', problem: expect.any(String) }]);
      expect(shop.log.join()).not.toContain('oANOTHER');
    });

    it('if a signed payment belongs to no order: a conflict with its amount', async () => {
      const order = await buyUnnoticed();
      shop.wechat.clear();
      const over = { out_trade_no: 'UNKNOWN-0001' };
      const { attempts } = await shop.wechat.pay.notify(order.number, { over });
      expect(attempts.at(-1)!.status).toBe(204);
      expect(await shop.conflicts()).toContainEqual(
        expect.objectContaining({ orderNumber: 'UNKNOWN-0001', amount: 2200 }),
      );
    });

    it.each([
      ['of another merchant', { over: { mchid: '1900009999' } }, 403],
      ['that is too old', { age: '6m' }, 401],
      ['with an unknown key', { serial: 'PUB_KEY_ID_0000' }, 401],
    ])('by a notification %s', async (_, options, status) => {
      const order = await buyUnnoticed();
      shop.wechat.clear();
      const { attempts } = await shop.wechat.pay.notify(order.number, options);
      expect([attempts.at(-1)!.status, await alice.statusOf(order)]).toEqual([status, 'pending']);
    });

    it.each(['body', 'signature', 'ciphertext'] as const)(
      'by a notification with a tampered %s',
      async (tamper) => {
        const order = await buyUnnoticed();
        shop.wechat.clear();
        shop.wechat.nextDelivery({ tamper });
        const { attempts } = await shop.wechat.pay.notify(order.number);
        expect([attempts[0]!.status >= 400, await alice.statusOf(order)]).toEqual([
          true,
          'pending',
        ]);
      },
    );

    it('if a signed query does not fit: 200, unchanged, a conflict; with another number or merchant: 502', async () => {
      const order = await buyUnnoticed();
      const amount = { total: 1, payer_total: 1, currency: 'CNY' };
      shop.wechat.next(QUERY, { transform: (json) => ({ ...json, amount }) });
      const misfit = await alice.on(order, 'sync');
      expect([misfit.status, misfit.body.data.status]).toEqual([200, 'pending']);
      expect((await shop.conflicts()).at(-1)).toMatchObject({
        orderNumber: order.number,
        amount: 1,
      });
      for (const other of [{ mchid: '1900009999' }, { out_trade_no: 'OTHER-0001' }]) {
        shop.wechat.clock.advance('2s');
        shop.wechat.next(QUERY, { transform: (json) => ({ ...json, ...other }) });
        const refused = await alice.on(order, 'sync');
        expect([refused.status, refused.body.error]).toEqual([502, 'ERR_WECHAT_RESPONSE']);
      }
      expect(await alice.statusOf(order)).toBe('pending');
      shop.wechat.clock.advance('2s');
      expect((await alice.on(order, 'sync')).body.data.status).toBe('paid');
    });

    it('by an unsigned refusal that says ORDERPAID: a signed query decides', async () => {
      const order = await alice.order();
      shop.wechat.next(PREPAY, { payCode: 'ORDERPAID' });
      expect((await alice.on(order, 'pay')).status).toBe(503);
      expect(await alice.statusOf(order)).toBe('pending');
    });
  });

  /** The order at WeChat Pay is paid although it is closed, as happens if the payment and the close cross. */
  function payLate({ number }: Order): void {
    const { orderBook, merchant } = shop.wechat.pay;
    orderBook.pay(orderBook.find(merchant, number)!);
  }

  async function forgetPrepayId({ id }: Order): Promise<void> {
    const { DataSource } = await import('typeorm');
    await shop.app.get(DataSource).query('UPDATE orders SET prepay_id = NULL WHERE id = $1', [id]);
  }

  async function ordersInEachState(): Promise<Record<string, Order>> {
    const orders = {
      refunding: await alice.buy(), // the first to be checked, because its refund settles after three seconds
      paid: await alice.buy(),
      'picked-up': await alice.buy(),
      refunded: await alice.buy(),
    };
    await alice.on(orders['picked-up'], 'pickup');
    await alice.on(orders.refunded, 'refund');
    await shop.pass('5s');
    await alice.on(orders.refunding, 'refund');
    shop.wechat.everyDelivery({});
    return orders;
  }
});
