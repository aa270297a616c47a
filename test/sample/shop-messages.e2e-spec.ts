import { ConfigError, readConfig } from '../../apps/sample/src/config.js';
import { startCoffeeShop } from '../support/coffee-shop.js';
import type { CoffeeShop, Customer } from '../support/coffee-shop.js';
import { until } from '../support/redis.js';
import { environmentFor } from '../support/start.js';

const TEMPLATE = 'order_paid';
const MESSAGE = {
  templateId: TEMPLATE,
  data: {
    thing1: '{product} × {quantity}',
    amount2: '{amount}',
    time3: '{paidAt}',
    character_string4: '{number}',
  },
  page: 'pages/order/order?id={id}',
};

describe('the message that an order is paid', () => {
  let shop: CoffeeShop;
  let customer: Customer;
  beforeAll(async () => {
    const templates = [{ id: TEMPLATE, title: '付款成功', keys: Object.keys(MESSAGE.data) }];
    const app = { appId: 'wx5a4db0c1e2f37608', secret: 'a'.repeat(32), templates };
    shop = await startCoffeeShop({
      sandbox: { apps: [app] },
      env: { SUBSCRIBE_ORDER_PAID: JSON.stringify(MESSAGE) },
    });
  });
  beforeEach(async () => {
    customer = await shop.customer();
  });
  afterEach(() => shop.wechat.clear());
  afterAll(() => shop.close());

  const sends = () => shop.wechat.requestsTo('/cgi-bin/message/subscribe/send').length;

  it('arrives once, also if the notification arrives three times', async () => {
    await customer.wechat.requestSubscribeMessage([TEMPLATE]);
    shop.wechat.nextDelivery({ duplicate: 3 });
    const before = sends();
    const order = await customer.buy();
    await until(() => customer.wechat.messages.length > 0); // a job sends the message
    await shop.pass('1h');
    expect(customer.wechat.messages).toMatchObject([
      {
        templateId: TEMPLATE,
        data: {
          thing1: '拿铁 × 1',
          amount2: '22.00',
          time3: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d$/),
          character_string4: order.number,
        },
        page: `pages/order/order?id=${order.id}`,
      },
    ]);
    expect(sends()).toBe(before + 1);
  });

  it('changes no payment if the user has not subscribed, or WeChat is down', async () => {
    const before = sends();
    expect(await customer.statusOf(await customer.buy())).toBe('paid');
    await until(() => sends() > before);
    shop.wechat.always('/cgi-bin/message/subscribe/send', { hang: true });
    expect(await customer.statusOf(await customer.buy())).toBe('paid');
    expect(customer.wechat.messages).toEqual([]);
  });

  it.each([
    ['no JSON', '{'],
    ['no template', JSON.stringify({ data: MESSAGE.data })],
    ['no data', JSON.stringify({ templateId: TEMPLATE })],
    ['an unknown name', JSON.stringify({ ...MESSAGE, page: 'pages/order/order?id={openid}' })],
  ])('stops the start if its mapping has an error: %s', (_title, SUBSCRIBE_ORDER_PAID) => {
    const read = () => readConfig({ ...environmentFor(shop.wechat), SUBSCRIBE_ORDER_PAID });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(/SUBSCRIBE_ORDER_PAID/);
  });
});
