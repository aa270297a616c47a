import { startWechatSandbox, type SandboxUser, type WechatSandbox } from '../index.js';
import { PushServer } from '../push/push-server.for-spec.js';
import { WechatClient } from '../wechat-client.for-spec.js';
import { PayClient, Shop } from './pay-client.for-spec.js';

const UPLOAD = '/wxa/sec/order/upload_shipping_info';
const PARCEL = { tracking_no: '7731', express_company: 'STO', item_desc: '咖啡豆' };

let wechat: WechatSandbox;
let client: WechatClient;
let alice: SandboxUser;
let pushes: PushServer;
let shop: Shop;
let transactionId: string;

beforeEach(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
  client = new WechatClient(wechat);
  alice = wechat.users.get('alice')!;
  pushes = new PushServer();
  shop = new Shop();
  await Promise.all([pushes.start(), shop.start()]);
  wechat.configurePush(client.mini.appId, { url: pushes.url, token: 'AAAAA' });
  await new PayClient(wechat).buy(alice, { notify_url: shop.url });
  transactionId = wechat.pay.orders[0]!.transactionId!;
});
afterEach(async () => {
  await wechat.close();
  await Promise.all([pushes.stop(), shop.stop()]);
});

const post = async (path: string, body: object): Promise<any> =>
  client.post(path, await client.withToken(), body);
const upload = (change: object = {}) =>
  post(UPLOAD, {
    order_key: { order_number_type: 2, transaction_id: transactionId },
    logistics_type: 1,
    delivery_mode: 1,
    shipping_list: [PARCEL],
    upload_time: '2026-11-29T18:00:00.000+08:00',
    payer: { openid: alice.openid() },
    ...change,
  });
const events = async (after: string): Promise<any[]> => {
  wechat.clock.advance(after);
  await wechat.settle();
  return pushes.arrived.map(({ body }) => JSON.parse(body));
};
const parcel = (change: object): object => ({ shipping_list: [{ ...PARCEL, ...change }] });

it.each<[string, object, number]>([
  ['a number of another type', { order_key: { order_number_type: 3 } }, 268485194],
  ['no transaction id', { order_key: { order_number_type: 2 } }, 268485195],
  ['no merchant', { order_key: { order_number_type: 1 } }, 268485196],
  ['no order number', { order_key: { order_number_type: 1, mchid: '1' } }, 268485197],
  ['an unknown payment', { order_key: { order_number_type: 2, transaction_id: '1' } }, 10060001],
  ['an unknown way', { logistics_type: 5 }, 10060005],
  ['an unknown mode', { delivery_mode: 3 }, 268485224],
  ['a split city delivery', { delivery_mode: 2, logistics_type: 2 }, 10060006],
  ['a split delivery without its end', { delivery_mode: 2 }, 10060007],
  ['no parcel', { shipping_list: [] }, 268485228],
  ['two parcels at once', { shipping_list: [PARCEL, PARCEL] }, 268485228],
  [
    '16 parcels',
    {
      delivery_mode: 2,
      is_all_delivered: true,
      shipping_list: Array.from({ length: 16 }, () => PARCEL),
    },
    10060024,
  ],
  ['no tracking number', parcel({ tracking_no: '' }), 268485226],
  ['no company', parcel({ express_company: '' }), 268485227],
  ['a long tracking number', parcel({ tracking_no: '1'.repeat(129) }), 10060026],
  ['a long company', parcel({ express_company: '1'.repeat(129) }), 10060025],
  ['no description at all', parcel({ item_desc: undefined }), 10060020],
  ['an empty description', parcel({ item_desc: '' }), 10060008],
  ['a long description', parcel({ item_desc: '豆'.repeat(121) }), 10060009],
  ['顺丰 without a contact', parcel({ express_company: 'SF' }), 10060014],
  ['a plain contact', parcel({ contact: { receiver_contact: '13580006666' } }), 10060014],
  ['a time of another format', { upload_time: '2026-11-29 18:00:00' }, 268485216],
  ['another payer', { payer: { openid: 'o1' } }, 10060031],
])('refuses shipping information with %s', async (_, change, errcode) => {
  expect(await upload(change)).toMatchObject({ errcode });
});

it('shows an order as it was shipped', async () => {
  expect(await upload()).toEqual({ errcode: 0, errmsg: 'ok' });
  expect(await post('/wxa/sec/order/get_order', { transaction_id: transactionId })).toMatchObject({
    order: {
      transaction_id: transactionId,
      paid_amount: 2200,
      openid: alice.openid(),
      order_state: 2,
      shipping: {
        delivery_mode: 1,
        finish_shipping: true,
        shipping_list: [{ tracking_no: '7731', goods_desc: '咖啡豆', upload_time: 1795946400 }],
      },
    },
  });
});

it('knows whether the app must upload shipping information', async () => {
  const path = '/wxa/sec/order/is_trade_managed';
  expect(await post(path, {})).toMatchObject({ errcode: 40097 });
  expect(await post(path, { appid: 'wx0' })).toMatchObject({ errcode: 40013 });
  expect(await post(path, { appid: client.mini.appId })).toMatchObject({ is_trade_managed: true });
});

it('reminds the merchant after 48 hours, and tells of the settlement', async () => {
  expect(await events('47h')).toEqual([]);
  expect(await events('1h')).toMatchObject([
    { Event: 'trade_manage_remind_shipping', transaction_id: transactionId },
  ]);
  await upload();
  const settlements = (await events('10d')).slice(1);
  expect(settlements).toMatchObject([
    { Event: 'trade_manage_order_settlement', shipped_time: expect.any(Number) },
    { Event: 'trade_manage_order_settlement', confirm_receive_method: 2 },
  ]);
  expect(settlements[0]).not.toHaveProperty('settlement_time');
});

it('does not remind of an order that is shipped', async () => {
  await upload();
  expect(await events('48h')).toMatchObject([{ Event: 'trade_manage_order_settlement' }]);
});
