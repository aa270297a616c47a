import { RefundService } from 'nestjs-wechat/pay';
import { describeOnEachDatabase } from '../support/databases.js';
import { startCoffeeShop } from '../support/coffee-shop.js';
import type { CoffeeShop, Customer, Order } from '../support/coffee-shop.js';

const REFUNDS = '/v3/refund/domestic/refunds';
const REFUND_QUERY = '/v3/refund/domestic/refunds/:no';

describeOnEachDatabase('refunds of the shop', (database) => {
  let shop: CoffeeShop;
  let alice: Customer;
  beforeAll(async () => {
    shop = await startCoffeeShop({ database: database() });
    alice = await shop.customer();
  });
  beforeEach(() => shop.wechat.clear());
  afterAll(() => shop.close());

  const refundsOf = ({ number }: Order) =>
    shop.wechat.pay.refunds.filter(({ outTradeNo }) => outTradeNo === number);
  const show = async (order: Order) => (await alice.on(order)).body.data;
  const conflictsOf = async ({ number }: Order) =>
    (await shop.conflicts()).filter(({ orderNumber }) => orderNumber === number);
  const numberOf = (order: Order, attempt: number): string => `${order.number}-R${attempt}`;
  /** Buys, and asks for the refund. */
  const refunding = async (): Promise<Order> => {
    const order = await alice.buy();
    expect((await alice.on(order, 'refund')).body.data.status).toBe('refunding');
    return order;
  };
  /** A payment that came after the order was closed. Its notification has arrived. */
  const paidLate = async (): Promise<Order> => {
    const order = await alice.order();
    await alice.on(order, 'pay');
    await alice.on(order, 'cancel');
    const { orderBook, merchant } = shop.wechat.pay;
    orderBook.pay(orderBook.find(merchant, order.number)!);
    await shop.wechat.pay.notify(order.number);
    return order;
  };

  it('paid → refunding → refunded, by the notification', async () => {
    const order = await alice.buy();
    const asked = await alice.on(order, 'refund', { reason: '不想要了' });
    const refund = { number: numberOf(order, 1), status: 'PROCESSING', amount: 2200 };
    expect([asked.status, asked.body.data.status, asked.body.data.refund]).toEqual([
      200,
      'refunding',
      refund,
    ]);
    await shop.pass('3s');
    expect(await show(order)).toMatchObject({
      status: 'refunded',
      refund: { ...refund, status: 'SUCCESS', succeededAt: expect.any(String) },
    });
    const again = await alice.on(order, 'refund');
    expect([again.status, again.body.data.status, refundsOf(order).length]).toEqual([
      200,
      'refunded',
      1,
    ]);
  });

  it('is one refund, however often and at once it is asked for', async () => {
    const order = await alice.buy();
    const answers = await Promise.all([1, 2, 3, 4].map(() => alice.on(order, 'refund')));
    expect(answers.map(({ status, body }) => [status, body.data.refund.number])).toEqual(
      answers.map(() => [200, numberOf(order, 1)]),
    );
    expect(refundsOf(order)).toHaveLength(1);
  });

  it.each([
    ['pending', async () => alice.order()],
    [
      'closed',
      async () => {
        const order = await alice.order();
        await alice.on(order, 'cancel');
        return order;
      },
    ],
    [
      'picked-up',
      async () => {
        const order = await alice.buy();
        await alice.on(order, 'pickup');
        return order;
      },
    ],
  ])('is 409 for a %s order', async (status, make) => {
    const { status: code, body } = await alice.on(await make(), 'refund');
    expect([code, body.error, body.data]).toEqual([409, 'ERR_ORDER_STATE', { status }]);
  });

  it('a repeat of a finished action is 200 with the order unchanged, and every other wrong state is 409', async () => {
    const refunded = await refunding();
    const pickedUp = await alice.buy();
    await alice.on(pickedUp, 'pickup');
    await shop.pass('3s');
    const rows: [Order | (() => Promise<Order>), string, number, string][] = [
      [pickedUp, 'pickup', 200, 'picked-up'],
      [pickedUp, 'cancel', 409, 'picked-up'],
      [pickedUp, 'pay', 409, 'picked-up'],
      [refunded, 'refund', 200, 'refunded'],
      [refunded, 'pickup', 409, 'refunded'],
      [refunded, 'cancel', 409, 'refunded'],
      [refunding, 'pickup', 409, 'refunding'],
      [refunding, 'cancel', 409, 'refunding'],
      [alice.order, 'pickup', 409, 'pending'],
    ];
    for (const [row, action, code, status] of rows) {
      const order = typeof row === 'function' ? await row() : row; // now, because a refund settles after three seconds
      const { status: answered, body } = await alice.on(order, action);
      expect([action, answered, body.data.status]).toEqual([action, code, status]);
      expect(await alice.statusOf(order)).toBe(status);
    }
  });

  it.each(['😀', 'x'.repeat(81), '字'.repeat(27), 'line\nbreak', 7, ''])(
    'refuses the reason %j before anything is stored',
    async (reason) => {
      const order = await alice.buy();
      const { status, body } = await alice.on(order, 'refund', { reason });
      expect([status, body.error, await alice.statusOf(order)]).toEqual([
        400,
        'ERR_BAD_REQUEST',
        'paid',
      ]);
    },
  );

  it('is reconciled if its notification is lost', async () => {
    const order = await refunding();
    shop.wechat.everyDelivery({ drop: true });
    await shop.pass('30s');
    expect(await alice.statusOf(order)).toBe('refunding');
    await shop.pass('31s');
    expect(await alice.statusOf(order)).toBe('refunded');
  });

  it('is found by sync if its notification is lost', async () => {
    const order = await refunding();
    shop.wechat.everyDelivery({ drop: true });
    shop.wechat.clock.advance('4s');
    await shop.wechat.settle();
    expect((await alice.on(order, 'sync')).body.data.status).toBe('refunded');
  });

  it('is paid again after CLOSED, and the next refund has a new number', async () => {
    const order = await refunding();
    shop.wechat.pay.settleRefund(numberOf(order, 1), 'CLOSED');
    await shop.wechat.settle();
    expect(await show(order)).toMatchObject({ status: 'paid', refund: { status: 'CLOSED' } });
    const again = await alice.on(order, 'refund');
    expect(again.body.data.refund).toMatchObject({ number: numberOf(order, 2) });
    await shop.pass('3s');
    expect(await alice.statusOf(order)).toBe('refunded');
  });

  it('is paid again if WeChat Pay refuses the request, and the next refund has the same number and reason', async () => {
    const order = await alice.buy();
    shop.wechat.next(REFUNDS, { payCode: 'NOT_ENOUGH' });
    const refused = await alice.on(order, 'refund', { reason: 'first' });
    expect([refused.status, refused.body.error, refused.body.data]).toEqual([
      409,
      'ERR_PAY_REFUND',
      { payCode: 'NOT_ENOUGH' },
    ]);
    const paid = await show(order);
    expect([paid.status, paid.refund]).toEqual(['paid', undefined]);
    await alice.on(order, 'refund', { reason: 'second' });
    await shop.pass('3s');
    expect(await show(order)).toMatchObject({
      status: 'refunded',
      refund: { number: numberOf(order, 1) },
    });
    const reasons = shop.wechat
      .requestsTo(REFUNDS)
      .map(({ body }) => body as Record<string, unknown>)
      .filter((body) => body['out_trade_no'] === order.number)
      .map((body) => body['reason']);
    expect(reasons).toEqual(['first', 'first']);
  });

  it('stays refunding if WeChat Pay refuses a repeat of a refund that it has accepted', async () => {
    const order = await alice.buy();
    shop.wechat.next(REFUNDS, { reset: 'after-work' });
    shop.wechat.next(REFUNDS, { payCode: 'NOT_ENOUGH' });
    const asked = await alice.on(order, 'refund');
    expect([asked.status, asked.body.data.status]).toEqual([200, 'refunding']);
    expect((await alice.on(order, 'pickup')).status).toBe(409);
    await shop.pass('3s');
    expect(await alice.statusOf(order)).toBe('refunded');
  });

  it('that arrives after its refusal and the pick-up is booked, and is a conflict for the operator', async () => {
    const order = await alice.buy();
    shop.wechat.next(REFUNDS, { payCode: 'NOT_ENOUGH' });
    expect((await alice.on(order, 'refund')).status).toBe(409);
    expect((await alice.on(order, 'pickup')).status).toBe(200);
    const outRefundNo = numberOf(order, 1);
    const money = { refund: 2200, total: 2200 };
    await shop.app.get(RefundService).create({ outRefundNo, outTradeNo: order.number, ...money });
    await shop.pass('3s');
    expect(await alice.statusOf(order)).toBe('refunded');
    expect(await conflictsOf(order)).toMatchObject([{ kind: 'refund', amount: 0 }]);
  });

  it('stays refunding after a refusal while the query fails', async () => {
    const order = await alice.buy();
    shop.wechat.next(REFUNDS, { payCode: 'NOT_ENOUGH' });
    shop.wechat.always(REFUND_QUERY, { status: 502 });
    const asked = await alice.on(order, 'refund');
    expect([asked.status, asked.body.error]).toEqual([503, 'ERR_WECHAT_UNAVAILABLE']);
    expect((await alice.on(order, 'pickup')).status).toBe(409);
    shop.wechat.clear();
    await shop.pass('61s');
    await shop.pass('3s');
    expect(await alice.statusOf(order)).toBe('refunded');
  });

  it.each([
    ['a lost response', { reset: 'after-work' as const }],
    ['HTTP 502', { status: 502 }],
    ['SYSTEM_ERROR', { payCode: 'SYSTEM_ERROR' }],
  ])('is repeated with the same number after %s', async (_, fault) => {
    const order = await alice.buy();
    shop.wechat.always(REFUNDS, fault);
    const { status, body } = await alice.on(order, 'refund');
    expect([status, body.error]).toEqual([503, 'ERR_WECHAT_UNAVAILABLE']);
    expect(await alice.statusOf(order)).toBe('refunding');
    shop.wechat.clear();
    await shop.pass('61s');
    await shop.pass('61s');
    expect(await alice.statusOf(order)).toBe('refunded');
    expect(refundsOf(order)).toMatchObject([{ outRefundNo: numberOf(order, 1) }]);
  });

  it('is requested again if WeChat Pay does not know it', async () => {
    const order = await refunding();
    shop.wechat.everyDelivery({ drop: true });
    shop.wechat.next(REFUND_QUERY, { payCode: 'RESOURCE_NOT_EXISTS' });
    const before = shop.wechat.requestsTo(REFUNDS).length;
    await shop.pass('61s');
    expect(shop.wechat.requestsTo(REFUNDS).length).toBe(before + 1);
    expect(await alice.statusOf(order)).toBe('refunded');
  });

  it('stays refunding while ABNORMAL, with one error line and no pick-up; SUCCESS may follow', async () => {
    const order = await refunding();
    shop.wechat.pay.settleRefund(numberOf(order, 1), 'ABNORMAL');
    await shop.wechat.settle();
    await shop.wechat.pay.notify(order.number, { event: 'REFUND.ABNORMAL' });
    expect(await show(order)).toMatchObject({
      status: 'refunding',
      refund: { status: 'ABNORMAL' },
    });
    expect((await alice.on(order, 'pickup')).status).toBe(409);
    const again = await alice.on(order, 'refund');
    expect([again.status, again.body.data.refund.number]).toEqual([200, numberOf(order, 1)]);
    shop.wechat.everyDelivery({ drop: true });
    shop.wechat.pay.settleRefund(numberOf(order, 1), 'SUCCESS');
    await shop.pass('25h');
    expect(await alice.statusOf(order)).toBe('refunded');
  });

  it('of a late payment is tried again every hour: with the same number after a refusal', async () => {
    const order = await paidLate();
    shop.wechat.next(REFUNDS, { payCode: 'NOT_ENOUGH' });
    await shop.reconcile();
    expect(await show(order)).toMatchObject({ status: 'refunding' });
    await shop.pass('59m');
    expect(refundsOf(order)).toHaveLength(0);
    await shop.pass('2m');
    expect(refundsOf(order)).toMatchObject([{ outRefundNo: numberOf(order, 1) }]);
    await shop.pass('3s');
    expect(await alice.statusOf(order)).toBe('refunded');
  });

  it('of a late payment gets a new number only an hour after a query has said CLOSED', async () => {
    const order = await paidLate();
    await shop.reconcile();
    shop.wechat.pay.settleRefund(numberOf(order, 1), 'CLOSED');
    await shop.wechat.settle();
    expect(await show(order)).toMatchObject({ status: 'refunding', refund: { status: 'CLOSED' } });
    await alice.on(order, 'sync');
    expect(refundsOf(order)).toHaveLength(1);
    await shop.pass('61m');
    await shop.pass('3s');
    expect(refundsOf(order).map(({ status }) => status)).toEqual(['CLOSED', 'SUCCESS']);
    expect(await show(order)).toMatchObject({
      status: 'refunded',
      refund: { number: numberOf(order, 2) },
    });
  });

  describe('in the merchant console', () => {
    const refundThere = async (order: Order, amount?: number): Promise<void> => {
      shop.wechat.pay.refundInConsole(order.number, { amount });
      shop.wechat.clock.advance('4s');
      await shop.wechat.settle();
      const { attempts } = await shop.wechat.pay.notify(order.number, { event: 'REFUND.SUCCESS' });
      expect(attempts.at(-1)!.status).toBe(204);
    };

    it('of the whole amount is booked for a paid and a picked-up order', async () => {
      const [paid, pickedUp] = [await alice.buy(), await alice.buy()];
      await alice.on(pickedUp, 'pickup');
      for (const order of [paid, pickedUp]) {
        await refundThere(order);
        expect(await show(order)).toMatchObject({
          status: 'refunded',
          refund: { number: expect.stringMatching(/^console-/), status: 'SUCCESS', amount: 2200 },
        });
        expect(await conflictsOf(order)).toEqual([]);
      }
    });

    it('of a part is a conflict, once', async () => {
      const order = await alice.buy();
      await refundThere(order, 100);
      await shop.wechat.pay.notify(order.number, { event: 'REFUND.SUCCESS' });
      expect(await alice.statusOf(order)).toBe('paid');
      expect(await conflictsOf(order)).toMatchObject([{ kind: 'refund', amount: -100 }]);
    });

    it('while refunding ends the order, so that a refusal of its own refund does not allow the pick-up', async () => {
      const order = await alice.buy();
      shop.wechat.always(REFUNDS, { status: 502 });
      await alice.on(order, 'refund');
      await refundThere(order);
      expect(await show(order)).toMatchObject({
        status: 'refunded',
        refund: { number: expect.stringMatching(/^console-/), amount: 2200 },
      });
      shop.wechat.clear();
      await shop.pass('61s');
      expect(await alice.on(order, 'pickup')).toMatchObject({ status: 409 });
      expect([refundsOf(order).length, await conflictsOf(order)]).toEqual([1, []]);
    });

    it('of a part while refunding is a conflict', async () => {
      const order = await alice.buy();
      shop.wechat.always(REFUNDS, { status: 502 });
      await alice.on(order, 'refund');
      await refundThere(order, 100);
      expect(await alice.statusOf(order)).toBe('refunding');
      expect(await conflictsOf(order)).toMatchObject([{ kind: 'refund', amount: -100 }]);
    });

    it('is not believed before a query confirms it', async () => {
      const order = await alice.buy();
      shop.wechat.pay.refundInConsole(order.number);
      const { attempts } = await shop.wechat.pay.notify(order.number, {
        event: 'REFUND.SUCCESS',
        over: { refund_status: 'SUCCESS' },
      });
      expect([attempts.at(-1)!.status, await alice.statusOf(order)]).toEqual([500, 'paid']);
      await shop.pass('15s');
      expect(await alice.statusOf(order)).toBe('refunded');
    });
  });

  it('with an older number changes nothing, and is a conflict if it has succeeded', async () => {
    const order = await refunding();
    shop.wechat.pay.settleRefund(numberOf(order, 1), 'CLOSED');
    await shop.wechat.settle();
    shop.wechat.always(REFUNDS, { status: 502 });
    await alice.on(order, 'refund');
    const older = { out_refund_no: numberOf(order, 1) };
    await shop.wechat.pay.notify(order.number, {
      event: 'REFUND.CLOSED',
      over: { ...older, refund_status: 'CLOSED' },
    });
    expect(await conflictsOf(order)).toEqual([]);
    const { refundBook, merchant } = shop.wechat.pay;
    refundBook.find(merchant, numberOf(order, 1))!.status = 'SUCCESS';
    await shop.wechat.pay.notify(order.number, {
      event: 'REFUND.SUCCESS',
      over: { ...older, refund_status: 'SUCCESS' },
    });
    expect(await show(order)).toMatchObject({
      status: 'refunding',
      refund: { number: numberOf(order, 2) },
    });
    expect(await conflictsOf(order)).toMatchObject([{ kind: 'refund', amount: -2200 }]);
  });

  it.each([
    ['another amount', { amount: { total: 2200, refund: 1, payer_total: 2200, payer_refund: 1 } }],
    ['another total', { amount: { total: 9, refund: 2200, payer_total: 9, payer_refund: 2200 } }],
  ])('with %s in a signed notification changes nothing and is a conflict', async (_, over) => {
    const order = await refunding();
    await shop.wechat.pay.notify(order.number, {
      event: 'REFUND.SUCCESS',
      over: { refund_status: 'SUCCESS', ...over },
    });
    expect(await alice.statusOf(order)).toBe('refunding');
    expect(await conflictsOf(order)).toMatchObject([{ kind: 'refund' }]);
  });
});
