import { startWechatSandbox, type SandboxUser, type WechatSandbox } from '../index.js';
import { decryptResource, isSignedBy, PayClient, Shop } from './pay-client.for-spec.js';

let wechat: WechatSandbox;
let client: PayClient;
let shop: Shop;
let alice: SandboxUser;
let payer: { payer: { openid: string } };

beforeEach(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
  client = new PayClient(wechat);
  shop = new Shop();
  await shop.start();
  alice = wechat.users.get('alice')!;
  payer = { payer: { openid: alice.openid() } };
});
afterEach(async () => {
  await wechat.close();
  await shop.stop();
});

describe('an order', () => {
  it('is paid on the phone, notified, queried', async () => {
    const prepaid = await client.prepay({ ...payer, notify_url: shop.url, attach: 'table 5' });
    expect(prepaid.status).toBe(200);
    expect(prepaid.json.prepay_id).toMatch(/^wx\d{14}[0-9a-f]{20}$/);
    expect(isSignedBy(wechat.pay.merchant.publicKey, prepaid.headers, prepaid.text)).toBe(true);
    expect(prepaid.headers.get('request-id')).toMatch(/^08[0-9A-F]{38}-0$/);
    expect((await client.query()).json).toEqual({
      appid: wechat.apps[0]!.appId,
      mchid: wechat.pay.merchant.mchId,
      out_trade_no: 'order-0001',
      trade_state: 'NOTPAY',
      trade_state_desc: '订单未支付',
      attach: 'table 5',
      amount: { total: 2200, currency: 'CNY' },
    });

    const paid = await alice.requestPayment(client.params(prepaid.json.prepay_id));
    expect(paid).toEqual({ errMsg: 'requestPayment:ok' });
    await wechat.settle();

    const query = await client.query();
    expect(query.json).toMatchObject({
      trade_state: 'SUCCESS',
      trade_type: 'JSAPI',
      transaction_id: expect.stringMatching(/^4200\d{24}$/),
      success_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$/),
      payer: payer.payer,
      amount: { total: 2200, payer_total: 2200, currency: 'CNY', payer_currency: 'CNY' },
    });
    const { headers, body, json } = shop.arrived[0]!;
    expect(isSignedBy(wechat.pay.merchant.publicKey, headers, body)).toBe(true);
    expect(json).toMatchObject({
      resource_type: 'encrypt-resource',
      event_type: 'TRANSACTION.SUCCESS',
      resource: { original_type: 'transaction', associated_data: 'transaction' },
    });
    expect(json.resource.nonce).toHaveLength(12);
    expect(JSON.parse(decryptResource(json.resource, wechat.pay.merchant.apiV3Key))).toEqual(
      query.json,
    );
    expect(wechat.deliveries).toMatchObject([{ done: true, attempts: [{ status: 204 }] }]);
    const { mchId } = wechat.pay.merchant;
    const byId = `/v3/pay/transactions/id/${query.json.transaction_id}?mchid=${mchId}`;
    expect((await client.call('GET', byId)).json).toEqual(query.json);
  });

  it('is closed with a signed 204, as often as the merchant likes, and not paid afterwards', async () => {
    const { json } = await client.prepay(payer);
    for (let i = 0; i < 2; i++) {
      const closed = await client.close();
      expect([closed.status, closed.text]).toEqual([204, '']);
      expect(isSignedBy(wechat.pay.merchant.publicKey, closed.headers, '')).toBe(true);
    }
    expect((await client.query()).json.trade_state).toBe('CLOSED');
    expect(await alice.requestPayment(client.params(json.prepay_id))).toEqual({
      errMsg: 'requestPayment:fail 该订单已关闭',
    });
    expect(await client.prepay(payer)).toMatchObject({
      status: 400,
      json: { code: 'ORDER_CLOSED' },
    });
  });
});
