import { DataSource } from 'typeorm';
import { describeOnEachDatabase } from '../support/databases.js';
import { startCoffeeShop } from '../support/coffee-shop.js';
import type { CoffeeShop, Customer } from '../support/coffee-shop.js';
import { readConfig } from '../../apps/sample/src/config.js';
import { statusesOf } from '../support/http.js';
import type { Call } from '../support/http.js';
import { start } from '../support/start.js';

/** Copies an order. */
const MANY_PENDING = `
  INSERT INTO orders (id, number, user_id, app_id, openid, product_id, product_name, quantity, amount, status, created_at, pay_before)
  SELECT gen_random_uuid(), 'copy-' || copy, user_id, app_id, openid, product_id, product_name, quantity, amount, status, created_at, pay_before
  FROM orders, generate_series(1, $2::integer) AS copy WHERE id = $1`;

/** Orders, begins to pay and cancels, several times. Returns the statuses of the orders, or of the requests that were refused. */
async function ordersOf(customer: Customer, count: number): Promise<unknown[]> {
  const statuses: unknown[] = [];
  for (let n = 0; n < count; n++) {
    const { status, body } = await customer.call('POST /orders', {
      body: { productId: 'latte', quantity: 1 },
    });
    if (status === 201) await customer.on(body.data, 'pay');
    statuses.push(
      status === 201 ? (await customer.on(body.data, 'cancel')).body.data?.status : status,
    );
  }
  return statuses;
}

describeOnEachDatabase('the shop', (database) => {
  let shop: CoffeeShop;
  let alice: Customer;
  let bob: Customer;
  beforeAll(async () => {
    shop = await startCoffeeShop({ database: database() });
    alice = await shop.customer();
    bob = await shop.customer();
  });
  afterAll(() => shop.close());

  it('shows its products without a login', async () => {
    const { status, body } = await shop.call('GET /products');
    expect([status, body.data]).toEqual([
      200,
      [
        { id: 'americano', name: '美式咖啡', price: 1800 },
        { id: 'latte', name: '拿铁', price: 2200 },
        { id: 'flat-white', name: '澳白', price: 2400 },
      ],
    ]);
  });

  it('sells a coffee: ordered, paid on the phone, marked by the notification, handed over', async () => {
    const order = await alice.order({ quantity: 2 });
    expect(order).toEqual({
      id: expect.any(String),
      number: expect.stringMatching(/^\d{20}$/),
      status: 'pending',
      product: { id: 'latte', name: '拿铁', price: 2200 },
      quantity: 2,
      amount: 4400,
      currency: 'CNY',
      createdAt: expect.any(String),
      payBefore: expect.any(String),
    });
    expect(Date.parse(order['payBefore']) - Date.parse(order['createdAt'])).toBe(15 * 60_000);
    await alice.pay(order);
    const paid = (await alice.on(order)).body.data;
    expect(paid).toMatchObject({
      status: 'paid',
      paidAt: expect.any(String),
      transactionId: shop.atWechat(order)!.transactionId,
    });
    const { status, body } = await alice.on(order, 'pickup');
    expect([status, body.data.status, body.data.pickedUpAt]).toEqual([
      200,
      'picked-up',
      expect.any(String),
    ]);
  });

  it('takes its own price, whatever price the client sends', async () => {
    const forged = { amount: 1, price: 1, status: 'paid', number: '1', userId: bob.wechat.id };
    const order = await alice.order({ productId: 'flat-white', quantity: 99, ...forged });
    expect([order['amount'], order.status]).toEqual([2400 * 99, 'pending']);
  });

  const badOrders: [object, string][] = [
    [{ productId: 'latte' }, 'quantity'],
    ...[0, -1, 100, 1.5, 1e21, '2', null, [1], {}, true].map((quantity): [object, string] => [
      { productId: 'latte', quantity },
      'quantity',
    ]),
    ...['espresso', '', null, 7, ['latte'], { id: 'latte' }, 'constructor'].map(
      (productId): [object, string] => [{ productId, quantity: 1 }, 'productId'],
    ),
  ];
  it.each(badOrders)('refuses the order %j', async (body, field) => {
    const { status, body: answer } = await alice.call('POST /orders', { body });
    expect([status, answer.error]).toEqual([400, 'ERR_BAD_REQUEST']);
    expect(answer.msg).toContain(field);
  });

  it("hides a user's orders from others, on every route", async () => {
    const order = await alice.order();
    await alice.pay(order);
    for (const action of [undefined, 'pay', 'sync', 'cancel', 'refund', 'pickup']) {
      const { status, body } = await bob.on(order, action);
      expect([action, status, body.error]).toEqual([action, 404, 'ERR_NOT_FOUND']);
      expect(
        (
          await shop.call(
            `${action ? 'POST' : 'GET'} /orders/${order.id}${action ? `/${action}` : ''}`,
          )
        ).status,
      ).toBe(401);
    }
    expect((await bob.call(`GET /orders?before=${order.id}`)).status).toBe(400);
    expect(await alice.statusOf(order)).toBe('paid');
  });

  it.each(['GET /orders/x', 'POST /orders/x/pay', 'POST /orders/0/refund', 'GET /orders/%00'])(
    'is 404 for %s',
    async (route) => {
      expect((await alice.call(route)).status).toBe(404);
    },
  );

  it('lists the newest first, page by page', async () => {
    const carol = await shop.customer();
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.unshift((await carol.order()).id);
    const ids = async (query: string): Promise<string[]> =>
      (await carol.call(`GET /orders${query}`)).body.data.map(({ id }: { id: string }) => id);
    expect(await ids('')).toEqual(made);
    expect(await ids('?limit=2')).toEqual(made.slice(0, 2));
    expect(await ids(`?limit=2&before=${made[1]}`)).toEqual(made.slice(2, 4));
    expect(await ids(`?before=${made[4]}`)).toEqual([]);
  });

  it.each(['limit=0', 'limit=101', 'limit=1.5', 'limit=x', 'before=x', 'limit=1&limit=2'])(
    'refuses the list ?%s',
    async (query) => {
      expect((await alice.call(`GET /orders?${query}`)).status).toBe(400);
    },
  );

  it('lets a user have 2,000 pending orders, and still repeats earlier ones', async () => {
    const dave = await shop.customer();
    const body = { productId: 'latte', quantity: 1 };
    const headers = { 'idempotency-key': 'first-of-many' };
    const create = (call: Call = {}) => dave.call('POST /orders', { body, ...call });
    const first = (await create({ headers })).body.data;
    await shop.app.get(DataSource).query(MANY_PENDING, [first.id, 1999]);
    const refused = await create();
    expect([refused.status, refused.body.error, refused.body.data]).toEqual([
      409,
      'ERR_ORDER_LIMIT',
      { limit: 2000 },
    ]);
    expect((await create({ headers })).body.data.id).toBe(first.id);
    await dave.on(first, 'cancel');
    expect((await create()).status).toBe(201);
    await shop.app.get(DataSource).query('DELETE FROM orders WHERE number LIKE $1', ['copy-%']);
  });

  it('control: without ORDER_RATE_LIMIT a user makes and cancels orders without end, and each causes calls of WeChat Pay', async () => {
    const mallory = await shop.customer();
    const calls = () =>
      shop.wechat.requests.filter(({ path }) => path.startsWith('/v3/pay/')).length;
    const before = calls();
    expect(await ordersOf(mallory, 10)).toEqual(Array.from({ length: 10 }, () => 'closed'));
    expect(calls() - before).toBe(20);
  });

  describe('with an Idempotency-Key', () => {
    const body = { productId: 'latte', quantity: 1 };
    let keys = 0;
    const newKey = (): string => `key-${++keys}-${'x'.repeat(8)}`;
    const create = (customer: Customer, key: string, other = {}) =>
      customer.call('POST /orders', {
        headers: { 'idempotency-key': key },
        body: { ...body, ...other },
      });

    it('makes one order of many requests, also at once, and shows it as it is now', async () => {
      const key = newKey();
      const answers = await Promise.all(Array.from({ length: 5 }, () => create(alice, key)));
      expect(statusesOf(answers)).toEqual([200, 200, 200, 200, 201]);
      expect(new Set(answers.map((answer) => answer.body.data.id)).size).toBe(1);
      await alice.on(answers[0]!.body.data, 'cancel');
      const repeated = await create(alice, key);
      expect([repeated.status, repeated.body.data.status]).toEqual([200, 'closed']);
    });

    it('is 409 for another body', async () => {
      const key = newKey();
      await create(alice, key);
      for (const other of [{ quantity: 2 }, { productId: 'americano' }]) {
        const answer = await create(alice, key, other);
        expect([answer.status, answer.body.error]).toEqual([409, 'ERR_IDEMPOTENCY_CONFLICT']);
      }
    });

    it('belongs to its user: another user with the same key makes an own order', async () => {
      const key = newKey();
      const [mine, other] = [await create(alice, key), await create(bob, key, { quantity: 3 })];
      expect([mine.status, other.status]).toEqual([201, 201]);
      expect(other.body.data.id).not.toBe(mine.body.data.id);
    });

    it.each(['short-7', 'x'.repeat(65), 'with space', 'tab\tbed-key'])(
      'refuses %j',
      async (key) => {
        expect((await create(alice, key)).status).toBe(400);
      },
    );
  });
});

describe('without WeChat Pay', () => {
  it('the shop is closed', async () => {
    const app = await start();
    const { session_rd: token } = await app.login();
    for (const route of ['GET /products', 'GET /orders', 'POST /orders', 'POST /wechat/pay/notify'])
      expect([route, (await app.call(route, { token })).status]).toEqual([route, 404]);
    expect((await app.call('GET /health/ready')).body.data.status).toBe('ok');
    await app.close();
  });
});

describe('the environment of the shop', () => {
  const APP = { WECHAT_MINI_APP_ID: 'wx5a4db0c1e2f37608', WECHAT_MINI_APP_SECRET: 'secret' };
  const problemsOf = (env: Record<string, string>): string => {
    try {
      readConfig({ ...APP, ...env });
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };

  it('is off by default, and keeps an order for 15 minutes', () => {
    expect(readConfig({ ...APP, PUBLIC_URL: 'https://shop.example' })).toMatchObject({
      pay: undefined,
      orderTtlMs: 15 * 60_000,
    });
  });

  it('lists what is missing in a part of WECHAT_PAY_*, and takes the notify URL from PUBLIC_URL', () => {
    const missing = problemsOf({ WECHAT_PAY_MCH_ID: '1900000109' });
    for (const name of ['PRIVATE_KEY', 'API_V3_KEY', 'CERT_SERIAL', 'NOTIFY_URL'])
      expect(missing).toContain(`WECHAT_PAY_${name}`);
    const PUBLIC_URL = 'https://shop.example/api/';
    expect(problemsOf({ WECHAT_PAY_MCH_ID: '1900000109', PUBLIC_URL })).not.toContain('NOTIFY_URL');
  });

  it.each(['59s', '8d', '0', 'soon', '-1m'])('refuses ORDER_TTL=%s', (ORDER_TTL) => {
    expect(problemsOf({ ORDER_TTL })).toContain('ORDER_TTL');
  });

  it.each(['1m', '7d'])('accepts ORDER_TTL=%s', (ORDER_TTL) => {
    expect(problemsOf({ ORDER_TTL })).toBe('');
  });
});

describe('the orders of one user', () => {
  it('are limited by ORDER_RATE_LIMIT in an hour, cancelled ones too, and those of other users are not', async () => {
    const shop = await startCoffeeShop({ env: { ORDER_RATE_LIMIT: '6' } });
    const [mallory, alice] = [await shop.customer(), await shop.customer()];
    expect(await ordersOf(mallory, 4)).toEqual(['closed', 'closed', 429, 429]);
    const { headers, body } = await mallory.call('POST /orders', {});
    expect([body.error, Number(headers.get('retry-after')) > 3500]).toEqual([
      'ERR_WECHAT_RATE_LIMIT',
      true,
    ]);
    const [first] = (await mallory.call('GET /orders')).body.data;
    for (const action of ['pay', 'sync', 'cancel', 'refund', 'pickup'])
      expect((await mallory.on(first, action)).status).toBe(429);
    expect((await mallory.call('GET /orders')).body.data).toHaveLength(2);
    expect(await ordersOf(alice, 1)).toEqual(['closed']);
    await shop.pass('1h');
    expect(await ordersOf(mallory, 1)).toEqual(['closed']);
    await shop.close();
  });
});
