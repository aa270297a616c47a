import { startCoffeeShop, waitingOf } from '../support/coffee-shop.js';
import type { CoffeeShop, Customer, Order } from '../support/coffee-shop.js';

const UPLOAD = '/wxa/sec/order/upload_shipping_info';
const GET_ORDER = '/wxa/sec/order/get_order';
const IS_MANAGED = '/wxa/sec/order/is_trade_managed';
const QUERY = '/v3/pay/transactions/out-trade-no/:no';

describe('shipping information of the shop', () => {
  let shop: CoffeeShop;
  let alice: Customer;
  beforeAll(async () => {
    shop = await startCoffeeShop({ push: true, env: { LOG_LEVEL: 'error' } });
    alice = await shop.customer();
  });
  beforeEach(() => {
    shop.wechat.clear();
    shop.log.length = 0;
  });
  afterAll(() => shop.close());

  const pickedUp = async (): Promise<Order> => {
    const order = await alice.buy();
    const { status, body } = await alice.on(order, 'pickup');
    expect([status, body.data.status, body.data.shipped]).toEqual([200, 'picked-up', false]);
    return order;
  };
  const isShipped = async (order: Order) => (await alice.on(order)).body.data.shipped;
  const count = (path: string, order: Order) =>
    shop.wechat
      .requestsTo(path)
      .filter(({ body }) => JSON.stringify(body).includes(shop.atWechat(order)!.transactionId!))
      .length;
  /** What WeChat has. */
  const atWechat = ({ number }: Order) => {
    const { orderBook, merchant, shipments } = shop.wechat.pay;
    return shipments.of(orderBook.find(merchant, number)!);
  };
  const waiting = async ({ number }: Order) =>
    (await waitingOf(shop)).filter((line) => line.includes(number));

  it('is uploaded once, after the pick-up, which does not wait for it', async () => {
    shop.wechat.next(UPLOAD, { hang: true });
    const order = await pickedUp();
    expect(count(UPLOAD, order)).toBe(0);
    shop.wechat.clear();
    await shop.reconcile();
    expect([await isShipped(order), count(UPLOAD, order)]).toEqual([true, 1]);
    expect(atWechat(order)).toMatchObject({
      logisticsType: 4, // by the user
      isComplete: true,
      parcels: [{ item_desc: '拿铁 × 1' }],
    });
    await alice.on(order, 'pickup');
    await shop.pass('8d');
    expect(count(UPLOAD, order)).toBe(1);
  });

  it('is not uploaded for orders that are not picked up, also if WeChat reminds of them', async () => {
    const order = await alice.buy();
    await shop.pass('49h'); // WeChat sends trade_manage_remind_shipping after 48 hours
    const reminders = shop.wechat.deliveries.filter(({ title }) =>
      title.includes('trade_manage_remind_shipping'),
    );
    expect(reminders.length).toBeGreaterThan(0);
    expect([count(UPLOAD, order), await alice.statusOf(order)]).toEqual([0, 'paid']);
    expect((await alice.on(order)).body.data).not.toHaveProperty('shipped');
  });

  it.each([
    ['the response is lost', { reset: 'after-work' as const }, 1],
    ['the request is lost', { reset: true as const }, 2],
  ])('is asked for before a repeat if %s', async (_, fault, uploads) => {
    const order = await pickedUp();
    shop.wechat.next(UPLOAD, fault);
    await shop.reconcile();
    expect([await isShipped(order), count(GET_ORDER, order)]).toEqual([false, 0]);
    await shop.pass('50s');
    expect(count(GET_ORDER, order)).toBe(0);
    await shop.pass('10s');
    expect([await isShipped(order), count(GET_ORDER, order), count(UPLOAD, order)]).toEqual([
      true,
      1,
      uploads,
    ]);
    expect(atWechat(order)?.isCorrected).toBe(false);
  });

  it('is repeated after 1 m, 10 m, 1 h, and then every 6 h for 7 d, and a reminder starts one more attempt', async () => {
    const order = await pickedUp();
    shop.wechat.always(UPLOAD, { errcode: 10060001 }); // the payment is not known yet
    await shop.reconcile();
    for (const [duration, uploads] of [
      ['1m', 2],
      ['9m', 3],
      ['50m', 4],
      ['5h', 5],
      ['3h', 5],
      ['3h', 6],
    ] as const) {
      await shop.pass(duration);
      expect([duration, count(UPLOAD, order)]).toEqual([duration, uploads]);
    }
    for (let day = 0; day < 8; day++) for (const _ of '1234') await shop.pass('6h');
    const uploads = count(UPLOAD, order);
    expect(uploads).toBe(4 + 28);
    expect(await waiting(order)).toEqual([expect.stringMatching(/shipping not uploaded$/)]);
    shop.wechat.clear();
    const { appId, outTradeNo, transactionId } = shop.atWechat(order)!;
    const reminder = {
      Event: 'trade_manage_remind_shipping',
      transaction_id: transactionId,
      merchant_trade_no: outTradeNo,
    };
    await shop.wechat.push(appId, reminder);
    await shop.reconcile();
    expect([await isShipped(order), await waiting(order)]).toEqual([true, []]);
    await shop.wechat.push(appId, { ...reminder, msg: 'again' });
    await shop.reconcile();
    expect(count(UPLOAD, order)).toBe(uploads + 1);
  });

  it.each([10060003, 10060004, 10060031])(
    'ends with one error line, and is listed for the operator, if WeChat refuses it with %d',
    async (errcode) => {
      const order = await pickedUp();
      shop.wechat.always(UPLOAD, { errcode });
      for (const duration of ['1s', '1m', '10m', '1d']) await shop.pass(duration);
      expect([await isShipped(order), count(UPLOAD, order)]).toEqual([false, 1]);
      expect(shop.log.filter((line) => line.includes(order.number))).toHaveLength(1);
      expect(await waiting(order)).toEqual([
        expect.stringMatching(new RegExp(`picked-up {2}2200 fen {2}shipping refused ${errcode}$`)),
      ]);
    },
  );

  it('counts as uploaded if WeChat says that the order is received', async () => {
    const order = await pickedUp();
    shop.wechat.next(UPLOAD, { errcode: 10060002 });
    await shop.reconcile();
    expect([await isShipped(order), shop.log]).toEqual([true, []]);
  });

  it('is not uploaded if WeChat does not require it', async () => {
    const order = await pickedUp();
    shop.wechat.next(IS_MANAGED, { body: { errcode: 0, errmsg: 'ok', is_trade_managed: false } });
    await shop.reconcile();
    await shop.pass('1d');
    expect([await isShipped(order), count(UPLOAD, order)]).toEqual([undefined, 0]);
  });

  it('is asked of WeChat once, if two attempts race', async () => {
    const order = await pickedUp();
    const { Shipments } = await import('../../apps/sample/src/shop/shipments.js');
    const { OrderSteps } = await import('../../apps/sample/src/shop/order-steps.js');
    const [steps, shipments] = [shop.app.get(OrderSteps), shop.app.get(Shipments)];
    const row = (await steps.find({ id: order.id }))!;
    await Promise.all([shipments.upload(row), shipments.upload(row)]);
    expect([await isShipped(order), count(UPLOAD, order)]).toEqual([true, 1]);
  });

  describe('a pick-up between a refund in the merchant console and its notification', () => {
    const notify = async (order: Order): Promise<void> => {
      await shop.pass('4s');
      await shop.wechat.pay.notify(order.number, { event: 'REFUND.SUCCESS' });
    };

    it('is refused, because a query says that the payment has a refund', async () => {
      const order = await alice.buy();
      shop.wechat.pay.refundInConsole(order.number);
      const { status, body } = await alice.on(order, 'pickup');
      expect([status, body.error, body.data]).toEqual([409, 'ERR_ORDER_STATE', { status: 'paid' }]);
      await notify(order);
      expect(await alice.statusOf(order)).toBe('refunded');
    });

    it('is allowed after a refund of a part, once the operator can see it', async () => {
      const order = await alice.buy();
      shop.wechat.pay.refundInConsole(order.number, { amount: 100 });
      expect((await alice.on(order, 'pickup')).status).toBe(409);
      await notify(order);
      expect(await shop.conflicts()).toContainEqual(
        expect.objectContaining({ orderNumber: order.number, amount: -100 }),
      );
      expect((await alice.on(order, 'pickup')).status).toBe(200);
    });

    it('is not prevented while WeChat Pay is down', async () => {
      const order = await alice.buy();
      shop.wechat.always(QUERY, { status: 502 });
      expect((await alice.on(order, 'pickup')).status).toBe(200);
    });
  });
});
