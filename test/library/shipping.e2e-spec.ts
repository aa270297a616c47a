import { ShippingService } from 'nestjs-wechat';
import type { ShippingUpload } from 'nestjs-wechat';
import { PaymentService, WechatPayModule, wechatPayOptionsFromEnv } from 'nestjs-wechat/pay';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const UPLOAD = '/wxa/sec/order/upload_shipping_info';
const GET_ORDER = '/wxa/sec/order/get_order';
const IS_MANAGED = '/wxa/sec/order/is_trade_managed';

let wechat: WechatSandbox;
let alice: SandboxUser;
let app: TeamApp;
let shipping: ShippingService;
let number = 0;

beforeEach(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
  alice = wechat.users.get('alice')!;
  const env = wechat.pay.merchant.env({ notifyUrl: 'http://127.0.0.1:9/wechat/pay/notify' });
  const pay = WechatPayModule.forRoot(wechatPayOptionsFromEnv(env)!);
  app = await startTeamApp(optionsFor(wechat), { imports: [pay] });
  shipping = app.get(ShippingService);
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
});

/** Alice pays an order. */
async function paid(): Promise<{ transactionId: string; mchId: string; outTradeNo: string }> {
  const outTradeNo = `SHIPPING-${++number}`;
  const order = { openid: alice.openid(), outTradeNo, description: 'Coffee', amount: 2200 };
  const { params } = await app.get(PaymentService).prepayWithRequestPayment(order);
  expect(await alice.requestPayment(params)).toEqual({ errMsg: 'requestPayment:ok' });
  const { transactionId = '', mchId } = wechat.pay.order(outTradeNo)!;
  return { transactionId, mchId, outTradeNo };
}
const STO = { description: '咖啡豆 1 kg', company: 'STO', trackingNo: '773100000001' };
const upload = (
  order: ShippingUpload['order'],
  change: Partial<ShippingUpload> = {},
): ShippingUpload => ({
  order,
  openid: alice.openid(),
  kind: 'express',
  parcels: [STO],
  ...change,
});
const sent = () => wechat.requestsTo(UPLOAD).map(({ body }) => body as Record<string, any>);

describe('shipping information', () => {
  it('is uploaded for a paid order, which is then shipped', async () => {
    const { transactionId, mchId, outTradeNo } = await paid();
    const openid = alice.openid();

    // #region pickup
    const isManaged = await shipping.isManaged(); // true: shipping information is required
    await shipping.upload({
      order: { transactionId }, // or { mchId, outTradeNo }
      openid, // of the payer
      kind: 'pickup', // or 'express', 'city', 'virtual'
      parcels: [{ description: 'Latte' }],
    });
    const order = await shipping.getOrder({ transactionId });
    // { state: 'shipped', uploadedAt: Date, transactionId: '4200…' }; undefined: WeChat does not know the payment
    // #endregion pickup

    expect(isManaged).toBe(true);
    expect(order).toEqual({ state: 'shipped', uploadedAt: expect.any(Date), transactionId });
    expect(await shipping.getOrder({ mchId, outTradeNo })).toEqual(order);
    expect(sent()).toEqual([
      {
        order_key: { order_number_type: 2, transaction_id: transactionId },
        logistics_type: 4,
        delivery_mode: 1,
        shipping_list: [{ item_desc: 'Latte' }],
        upload_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00$/),
        payer: { openid },
      },
    ]);
    const age = Date.now() - Date.parse(sent()[0]!['upload_time']);
    expect(Math.abs(age)).toBeLessThan(60_000);
  });

  it('has masked contacts, and names WeChat knows', async () => {
    const { mchId, outTradeNo } = await paid();

    // #region express
    await shipping.upload({
      order: { mchId, outTradeNo },
      openid: alice.openid(),
      kind: 'express',
      parcels: [
        {
          description: 'Coffee 1 kg',
          company: 'SF', // WeChat's id of the express company
          trackingNo: 'SF1000000000001',
          receiverContact: '+86-17712341234', // sent as +86-177****1234
        },
      ],
    });
    // #endregion express

    expect(sent()[0]).toMatchObject({
      order_key: { order_number_type: 1, mchid: mchId, out_trade_no: outTradeNo },
      shipping_list: [
        {
          tracking_no: 'SF1000000000001',
          express_company: 'SF',
          contact: { receiver_contact: '+86-177****1234' },
        },
      ],
    });
  });

  it.each([
    ['13580006666', '135****6666'],
    ['+86 135 8000 6666', '+86 135 **** 6666'],
    ['010-12345678', '010-****5678'],
    ['(0755)123 4567', '(075*)*** 4567'],
    ['177****1234', '177****1234'],
    ['13580006666-1234', '1358000****-1234'],
    ['1234567', '***4567'],
    ['12345', '*2345'],
  ])('sends the contact %s as %s', async (contact, masked) => {
    const parcels = [{ ...STO, senderContact: contact }];
    const { transactionId } = await paid();
    await shipping.upload(upload({ transactionId }, { parcels }));
    expect(sent()[0]!['shipping_list'][0].contact).toEqual({ consignor_contact: masked });
  });

  it('control: a contact that is not masked reaches WeChat and is refused', async () => {
    const { transactionId } = await paid();
    await shipping.upload(upload({ transactionId }));
    const [body] = sent();
    body!['shipping_list'][0].contact = { receiver_contact: '13580006666' };
    const { access_token } = wechat.requestsTo(UPLOAD)[0]!.query as { access_token: string };
    const response = await fetch(`${wechat.url}${UPLOAD}?access_token=${access_token}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    expect(await response.json()).toMatchObject({ errcode: 10060014 });
  });

  it('of several parcels is complete when the caller says so', async () => {
    const { transactionId } = await paid();
    const two = [STO, { ...STO, trackingNo: '773100000002' }];
    await shipping.upload(upload({ transactionId }, { parcels: two, complete: false }));
    expect(await shipping.getOrder({ transactionId })).toMatchObject({ state: 'to-ship' });
    const more = [3, 4].map((n) => ({ ...STO, trackingNo: `77310000000${n}` }));
    await shipping.upload(upload({ transactionId }, { parcels: more, complete: true }));
    expect(await shipping.getOrder({ transactionId })).toMatchObject({ state: 'shipped' });
    expect(sent()[0]).toMatchObject({ delivery_mode: 2, is_all_delivered: false });
  });
});

describe('the one correction of a shipped order', () => {
  const corrected = [{ ...STO, trackingNo: '773100000009' }];

  it('is used by another upload, and not by the same one', async () => {
    const { transactionId } = await paid();
    const order = { transactionId };
    await shipping.upload(upload(order));
    for (let i = 0; i < 3; i++) await shipping.upload(upload(order)); // errcode 10060023
    await shipping.upload(upload(order, { parcels: corrected }));
    await expect(shipping.upload(upload(order))).rejects.toMatchObject({
      code: 'ERR_WECHAT_SHIPPING',
      errcode: 10060003,
      status: 409,
    });
  });

  it('is not used after a lost response: the upload is sent once, and getOrder says what became of it', async () => {
    const { transactionId } = await paid();
    wechat.next(UPLOAD, { reset: 'after-work' });
    await expect(shipping.upload(upload({ transactionId }))).rejects.toMatchObject({
      code: 'ERR_WECHAT_UNAVAILABLE',
    });
    expect(sent()).toHaveLength(1);
    expect(await shipping.getOrder({ transactionId })).toMatchObject({ state: 'shipped' });
    await shipping.upload(upload({ transactionId }, { parcels: corrected })); // the chance is still there
  });

  it('control: a client that sends other information after a lost response uses it', async () => {
    const { transactionId } = await paid();
    wechat.next(UPLOAD, { reset: 'after-work' });
    await shipping.upload(upload({ transactionId })).catch(() => undefined);
    await shipping.upload(upload({ transactionId }, { kind: 'city' }));
    await expect(
      shipping.upload(upload({ transactionId }, { parcels: corrected })),
    ).rejects.toMatchObject({ errcode: 10060003 });
  });
});

describe('an order', () => {
  it('is unknown before it is paid, and in another app', async () => {
    expect(await shipping.getOrder({ transactionId: '4200000000' })).toBeUndefined();
    await expect(shipping.upload(upload({ transactionId: '4200000000' }))).rejects.toMatchObject({
      code: 'ERR_WECHAT_SHIPPING',
      errcode: 10060001,
    });
  });

  it('belongs to its payer', async () => {
    const { transactionId } = await paid();
    const openid = wechat.users.get('bob')!.openid();
    await expect(shipping.upload(upload({ transactionId }, { openid }))).rejects.toMatchObject({
      code: 'ERR_WECHAT_SHIPPING',
      errcode: 10060031,
    });
  });

  it('cannot be shipped after a refund, and not again after it was received', async () => {
    const { transactionId, outTradeNo } = await paid();
    wechat.pay.refundInConsole(outTradeNo);
    wechat.clock.advance('1m');
    await wechat.settle();
    expect(await shipping.getOrder({ transactionId })).toMatchObject({ state: 'refunded' });
    await expect(shipping.upload(upload({ transactionId }))).rejects.toMatchObject({
      errcode: 10060004,
    });
    const second = await paid();
    const order = { transactionId: second.transactionId };
    await shipping.upload(upload(order));
    wechat.clock.advance('10d');
    expect(await shipping.getOrder(order)).toMatchObject({ state: 'received' });
    await expect(shipping.upload(upload(order, { kind: 'city' }))).rejects.toMatchObject({
      errcode: 10060002,
    });
  });

  it.each([
    [1, 'to-ship'],
    [2, 'shipped'],
    [3, 'received'],
    [4, 'done'],
    [5, 'refunded'],
    [6, 'settling'],
    [7, '7'],
  ])('in state %d is %s', async (order_state, state) => {
    wechat.next(GET_ORDER, { body: { errcode: 0, order: { transaction_id: '42', order_state } } });
    expect(await shipping.getOrder({ transactionId: '42' })).toEqual({
      state,
      transactionId: '42',
    });
  });

  it('has the time of its newest parcel', async () => {
    const shipping_list = [{ upload_time: 1670832735 }, { upload_time: 1670832800 }, null, {}];
    const order = { transaction_id: '42', order_state: 2, shipping: { shipping_list } };
    wechat.next(GET_ORDER, { body: { errcode: 0, order } });
    expect(await shipping.getOrder({ transactionId: '42' })).toMatchObject({
      uploadedAt: new Date(1670832800_000),
    });
  });

  it.each([
    {},
    { order: null },
    { order: { order_state: 2 } },
    { order: { transaction_id: '42' } },
  ])('is not read from the response %j', async (body) => {
    wechat.next(GET_ORDER, { body });
    await expect(shipping.getOrder({ transactionId: '42' })).rejects.toMatchObject({
      code: 'ERR_WECHAT_RESPONSE',
    });
  });
});

describe('an app', () => {
  it('may be outside of 发货信息管理', async () => {
    wechat.next(IS_MANAGED, { body: { errcode: 0, is_trade_managed: false } });
    expect(await shipping.isManaged()).toBe(false);
    wechat.next(IS_MANAGED, { body: { errcode: 0 } });
    await expect(shipping.isManaged()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
  });
});

describe('an upload', () => {
  const order = { transactionId: '4200000000' };

  it.each<[string, object]>([
    ['no order', { order: undefined }],
    ['an empty order', { order: {} }],
    ['two numbers', { order: { transactionId: '1', mchId: '1', outTradeNo: '1' } }],
    ['a number of the merchant without the merchant', { order: { outTradeNo: 'ORDER-1' } }],
    ['a transaction id with a space', { order: { transactionId: '4 2' } }],
    ['no openid', { openid: '' }],
    ['an unknown kind', { kind: 'drone' }],
    ['no parcel', { parcels: [] }],
    ['parcels that are no list', { parcels: STO }],
    ['16 parcels', { parcels: Array.from({ length: 16 }, () => STO), complete: true }],
    ['two parcels without complete', { parcels: [STO, STO] }],
    ['two parcels of a city delivery', { kind: 'city', parcels: [STO, STO], complete: true }],
    ['one parcel that is not complete', { complete: false }],
    ['no description', { parcels: [{ ...STO, description: ' ' }] }],
    ['121 characters of a description', { parcels: [{ ...STO, description: '豆'.repeat(121) }] }],
    ['no tracking number', { parcels: [{ ...STO, trackingNo: undefined }] }],
    ['no company', { parcels: [{ ...STO, company: undefined }] }],
    ['129 bytes of a tracking number', { parcels: [{ ...STO, trackingNo: '1'.repeat(129) }] }],
    ['顺丰 without a contact', { parcels: [{ ...STO, company: 'SF' }] }],
    ['a contact that is a name', { parcels: [{ ...STO, receiverContact: '王小明' }] }],
    ['a contact whose end is hidden', { parcels: [{ ...STO, receiverContact: '1358000****' }] }],
    ['a contact of four digits', { parcels: [{ ...STO, senderContact: '1234' }] }],
    ['null as a parcel', { parcels: [null] }],
  ])('is refused without a call for %s', async (_, change) => {
    await expect(shipping.upload({ ...upload(order), ...change } as never)).rejects.toMatchObject({
      code: 'ERR_BAD_REQUEST',
    });
    expect(wechat.requests).toEqual([]);
  });

  it.each<[number, string, number]>([
    ...[10060001, 10060002, 10060003, 10060004, 10060031].map(
      (errcode): [number, string, number] => [errcode, 'ERR_WECHAT_SHIPPING', 409],
    ),
    ...[10060012, 10060019, -1].map((errcode): [number, string, number] => [
      errcode,
      'ERR_WECHAT_UNAVAILABLE',
      503,
    ]),
    ...[
      10060005, 10060006, 10060007, 10060008, 10060009, 10060014, 10060020, 10060024, 10060025,
      10060026, 268485194, 268485195, 268485196, 268485197, 268485216, 268485224, 268485226,
      268485227, 268485228,
    ].map((errcode): [number, string, number] => [errcode, 'ERR_BAD_REQUEST', 400]),
    [268485300, 'ERR_WECHAT_RESPONSE', 502],
  ])('throws for errcode %d: %s, status %d', async (errcode, code, status) => {
    wechat.always(UPLOAD, { errcode });
    const error = await shipping.upload(upload(order)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, errcode, status, endpoint: UPLOAD });
  });
});
