import { startWechatSandbox, type PayEnv, type WechatSandbox } from '../index.js';
import { PayClient, Shop } from './pay-client.for-spec.js';

let wechat: WechatSandbox;
let shop: Shop;

beforeEach(async () => {
  shop = new Shop();
  await shop.start();
});
afterEach(async () => {
  await wechat.close();
  await shop.stop();
});

it('runs as the README shows it', async () => {
  const notifyUrl = shop.url;
  const configure = (env: PayEnv): void => expect(env['WECHAT_PAY_NOTIFY_URL']).toBe(notifyUrl);
  const prepay = async () => {
    const client = new PayClient(wechat);
    const payer = { openid: wechat.users.get('alice')!.openid() };
    const { json } = await client.prepay({ payer, notify_url: notifyUrl });
    return client.params(json.prepay_id);
  };

  // #region pay
  wechat = await startWechatSandbox({ demoUsers: true });
  configure(wechat.pay.merchant.env({ notifyUrl })); // WECHAT_PAY_MCH_ID, WECHAT_PAY_PRIVATE_KEY, …

  const params = await prepay(); // your server orders and signs
  const alice = wechat.users.get('alice')!;
  const { errMsg } = await alice.requestPayment(params); // 'requestPayment:ok'
  await wechat.settle(); // until the notification has its response
  // #endregion pay
  expect(errMsg).toBe('requestPayment:ok');
  expect(shop.arrived).toHaveLength(1);

  const { outTradeNo } = wechat.pay.orders[0]!;
  // #region deliveries
  wechat.nextDelivery({ drop: true }); // the next attempt is lost
  await wechat.pay.notify(outTradeNo);
  wechat.clock.advance('15s'); // the retry is due
  await wechat.settle();
  const { attempts, done } = wechat.deliveries.at(-1)!; // attempts: [{ at, status: 0, … }, { at, status: 204, ms }]
  // #endregion deliveries
  expect(done).toBe(true);
  expect(attempts.map(({ status }) => status)).toEqual([0, 204]);
});
