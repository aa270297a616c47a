import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { RequestPaymentParams, SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { startCoffeeShop } from '../support/coffee-shop.js';
import type { CoffeeShop, Customer, Order } from '../support/coffee-shop.js';
import { createOnPostgres, onPostgres } from '../support/databases.js';
import type { AppDatabase } from '../support/databases.js';
import { isFull, often } from './rows.js';

const LOST = isFull ? 1_000 : 20;
const FORGED = isFull ? 100 : 2;
const RACES = isFull ? 1_000 : 24;
const REFUND_RACES = isFull ? 200 : 8;

onPostgres('the shop on two instances with one database', (bin) => {
  let database: AppDatabase;
  let wechat: WechatSandbox;
  let shops: [CoffeeShop, CoffeeShop];
  let user: SandboxUser;
  /** One user, logged in on both instances. */
  let alice: [Customer, Customer];

  beforeAll(async () => {
    database = await createOnPostgres(bin);
    wechat = await startWechatSandbox();
    const options = { wechat, database: database.config };
    shops = [await startCoffeeShop(options), await startCoffeeShop(options)];
    user = wechat.users.create();
    alice = [await shops[0].customer(user), await shops[1].customer(user)];
  });
  beforeEach(() => wechat.clear());
  afterEach(async () => {
    wechat.clear();
    await converge();
    await checkLedger();
  });
  afterAll(async () => {
    for (const { close } of shops) await close();
    await wechat.close();
    await database.remove();
  });

  const reconcile = () => Promise.all(shops.map((shop) => shop.reconcile()));
  const pass = async (duration: string): Promise<void> => {
    wechat.clock.advance(duration);
    await wechat.settle();
    await reconcile();
  };
  /** Until nothing is due: late payments are refunded, and refunds are settled. */
  const converge = async (): Promise<void> => {
    for (const duration of ['16m', '61s', '2m', '5m']) await pass(duration);
  };

  /** The money of the merchant at WeChat Pay is the money of the orders and of the conflicts. */
  async function checkLedger(): Promise<void> {
    const { orders, refunds } = wechat.pay;
    const paid = orders.filter(({ transactionId }) => transactionId !== undefined);
    const returned = refunds.filter(({ status }) => status === 'SUCCESS');
    const sum = (all: readonly { amount: number }[]): number =>
      all.reduce((total, { amount }) => total + amount, 0);
    const [row] = await shops[0].app.get(DataSource).query(`
      SELECT
        (SELECT coalesce(sum(amount), 0) FROM orders WHERE status IN ('paid', 'picked-up', 'refunding')) +
        (SELECT coalesce(sum(amount), 0) FROM payment_conflicts) AS held`);
    expect(Number(row.held)).toBe(sum(paid) - sum(returned));
  }

  const refundsOf = ({ number }: Order) =>
    wechat.pay.refunds.filter(({ outTradeNo }) => outTradeNo === number);
  /** Makes many orders, a few at a time. */
  async function many<T>(count: number, make: (i: number) => Promise<T>): Promise<T[]> {
    const made: T[] = [];
    for (let i = 0; i < count; i += 10)
      made.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(10, count - i) }, (_, j) => make(i + j)),
        )),
      );
    return made;
  }

  it(`Q6 finds every payment and refund within one step of the schedule if no notification ever comes, each payment by one query${often(LOST)}`, async () => {
    wechat.everyDelivery({ drop: true });
    const orders = await many(LOST, (i) => alice[i % 2]!.buy());
    const before = wechat.pay.orders.length;
    wechat.clock.advance('5s');
    await reconcile();
    const statuses = await many(LOST, (i) => alice[0].statusOf(orders[i]!));
    expect([before >= LOST, new Set(statuses)]).toEqual([true, new Set(['paid'])]);
    const numbers = new Set(orders.map(({ number }) => number));
    const queries = wechat.requests.filter(
      ({ method, path }) => method === 'GET' && numbers.has(path.split('/').at(-1)!),
    );
    expect(queries).toHaveLength(LOST);
    await many(LOST, (i) => alice[i % 2]!.on(orders[i]!, 'refund'));
    wechat.clock.advance('61s');
    await wechat.settle();
    await reconcile();
    const refunded = await many(LOST, (i) => alice[1].statusOf(orders[i]!));
    expect(new Set(refunded)).toEqual(new Set(['refunded']));
  });

  it(`Q7 changes no order for a payment that is forged, stale, tampered or does not fit${often(FORGED * 9)}`, async () => {
    wechat.everyDelivery({ drop: true });
    const order = await alice[0].buy();
    const changes = [
      { over: { amount: 1 } },
      { over: { currency: 'USD' } },
      { over: { appid: 'wx0000000000000000' } },
      { over: { openid: 'oFORGED' } },
      { over: { mchid: '1900009999' } },
      { age: '6m' },
    ];
    for (let i = 0; i < FORGED; i++) {
      wechat.clear();
      for (const change of changes) await wechat.pay.notify(order.number, change);
      for (const tamper of ['body', 'signature', 'ciphertext'] as const) {
        wechat.nextDelivery({ tamper });
        await wechat.pay.notify(order.number, { over: { trade_state: 'NOTPAY' } });
      }
      expect(await alice[1].statusOf(order)).toBe('pending');
    }
    await shops[0].app.get(DataSource).query('DELETE FROM payment_conflicts'); // this money does not exist at WeChat Pay
    expect((await alice[1].on(order, 'sync')).body.data.status).toBe('paid'); // control: the true payment changes it
  });

  it(`Q9 lets money and order agree when closing, paying, querying and notifying race${often(RACES)}`, async () => {
    const outcomes = new Map<string, number>();
    const orders = await many(RACES, async (i) => {
      const order = await alice[i % 2]!.order();
      const params = (await alice[i % 2]!.on(order, 'pay')).body.data;
      const acts: (() => Promise<unknown>)[] = [
        () => alice[0].on(order, 'cancel'),
        () => alice[1].on(order, 'cancel'),
        () => alice[0].on(order, 'sync'),
        () => alice[1].on(order, 'pay'),
      ];
      if (i % 4 > 1) acts.push(() => payAfter(i % 4 === 2 ? 0 : Math.random() * 600, params));
      await Promise.all(shuffled(acts).map((act) => act()));
      if (i % 4 === 0) crossPayment(order);
      return order;
    });
    await wechat.settle();
    await converge();
    await many(RACES, async (i) => {
      const order = orders[i]!;
      const { transactionId } = wechat.pay.order(order.number)!;
      const status = await alice[0].statusOf(order);
      const refunds = refundsOf(order);
      const agreed =
        transactionId === undefined ? ['closed'] : refunds.length === 0 ? ['paid'] : ['refunded'];
      expect([order.number, agreed]).toEqual([order.number, [status]]);
      expect(refunds.length).toBeLessThanOrEqual(1);
      outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
    });
    expect([...outcomes.keys()].toSorted()).toEqual(['closed', 'paid', 'refunded']); // control: all three happen
  });

  it(`Q9 refunds or hands over, never both and never twice${often(REFUND_RACES)}`, async () => {
    await many(REFUND_RACES, async () => {
      const order = await alice[0].buy();
      const acts = [
        () => alice[0].on(order, 'refund'),
        () => alice[1].on(order, 'refund'),
        () => alice[0].on(order, 'pickup'),
        () => alice[1].on(order, 'sync'),
      ];
      await Promise.all(shuffled(acts).map((act) => act()));
      const status = await alice[1].statusOf(order);
      expect([order.number, status, refundsOf(order).length]).toEqual([
        order.number,
        expect.stringMatching(/^(picked-up|refunding|refunded)$/),
        status === 'picked-up' ? 0 : 1,
      ]);
    });
  });

  /** The phone is in this process, so without a delay it would always be first. */
  async function payAfter(ms: number, params: RequestPaymentParams): Promise<void> {
    await sleep(ms);
    await user.requestPayment(params);
  }

  /** The payment and the close cross at WeChat Pay: a closed order is paid. */
  function crossPayment({ number }: Order): void {
    const { orderBook, merchant } = wechat.pay;
    const record = orderBook.find(merchant, number);
    if (record?.state !== 'CLOSED') return;
    orderBook.pay(record);
    void wechat.pay.notify(number);
  }
});

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
