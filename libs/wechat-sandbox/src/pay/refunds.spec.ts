import { constants, publicEncrypt } from 'node:crypto';
import { startWechatSandbox, type SandboxUser, type WechatSandbox } from '../index.js';
import { decryptResource, isSignedBy, PayClient, Shop } from './pay-client.for-spec.js';

let wechat: WechatSandbox;
let client: PayClient;
let shop: Shop;
let alice: SandboxUser;

beforeEach(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
  client = new PayClient(wechat);
  shop = new Shop();
  await shop.start();
  alice = wechat.users.get('alice')!;
  await client.buy(alice);
});
afterEach(async () => {
  await wechat.close();
  await shop.stop();
});

const notices = (): object[] =>
  shop.arrived.map(({ json }) => ({
    event: json.event_type,
    ...JSON.parse(decryptResource(json.resource, wechat.pay.merchant.apiV3Key)),
  }));
const find = (outRefundNo: string) =>
  client.call('GET', `/v3/refund/domestic/refunds/${outRefundNo}`);

describe('a refund', () => {
  it('is PROCESSING until 3 s have passed, then SUCCESS, and notified', async () => {
    const created = await client.refund({ notify_url: shop.url, reason: '售罄' });
    expect(created).toMatchObject({
      status: 200,
      json: {
        status: 'PROCESSING',
        out_refund_no: 'refund-1',
        refund_id: expect.stringMatching(/^\d{29}$/),
        amount: { total: 2200, refund: 2200, payer_total: 2200, payer_refund: 2200 },
      },
    });
    expect(isSignedBy(wechat.pay.merchant.publicKey, created.headers, created.text)).toBe(true);
    expect((await client.query()).json.trade_state).toBe('REFUND');
    wechat.clock.advance('3s');
    await wechat.settle();
    expect((await find('refund-1')).json).toMatchObject({ status: 'SUCCESS' });
    expect(notices()).toEqual([
      {
        event: 'REFUND.SUCCESS',
        mchid: wechat.pay.merchant.mchId,
        out_trade_no: 'order-0001',
        transaction_id: wechat.pay.order('order-0001')!.transactionId,
        out_refund_no: 'refund-1',
        refund_id: created.json.refund_id,
        refund_status: 'SUCCESS',
        success_time: expect.stringContaining('+08:00'),
        user_received_account: '支付用户零钱',
        amount: { total: 2200, refund: 2200, payer_total: 2200, payer_refund: 2200 },
      },
    ]);
  });

  it('sends no notification without a notify_url', async () => {
    await client.refund();
    wechat.pay.settleRefund('refund-1', 'SUCCESS');
    await wechat.settle();
    expect(wechat.deliveries.map(({ title }) => title)).toEqual(['TRANSACTION.SUCCESS order-0001']);
  });

  it('is the same refund for 50 parallel requests with one number', async () => {
    const replies = await Promise.all(Array.from({ length: 50 }, () => client.refund()));
    expect(new Set(replies.map(({ json }) => json.refund_id)).size).toBe(1);
    expect(wechat.pay.refunds).toHaveLength(1);
  });

  it('never exceeds the payment, and a second one is possible after a minute', async () => {
    const part = (refund: number, outRefundNo: string) =>
      client.refund({
        out_refund_no: outRefundNo,
        amount: { refund, total: 2200, currency: 'CNY' },
      });
    expect((await part(2000, 'part-1')).status).toBe(200);
    expect(await part(201, 'part-2')).toMatchObject({
      status: 400,
      json: { code: 'INVALID_REQUEST' },
    });
    expect(await part(200, 'part-2')).toMatchObject({
      status: 429,
      json: { code: 'FREQUENCY_LIMITED' },
    });
    wechat.clock.advance('1m');
    expect((await part(200, 'part-2')).status).toBe(200);
    wechat.clock.advance('1m');
    expect(await part(1, 'part-3')).toMatchObject({
      status: 400,
      json: { code: 'INVALID_REQUEST' },
    });
  });

  it('stays CLOSED under its number, and works with a new number', async () => {
    await client.refund({ notify_url: shop.url });
    wechat.pay.settleRefund('refund-1', 'CLOSED');
    await wechat.settle();
    expect(notices()).toMatchObject([{ event: 'REFUND.CLOSED', refund_status: 'CLOSED' }]);
    expect((await client.query()).json.trade_state).toBe('SUCCESS');
    expect((await client.refund({ notify_url: shop.url })).json.status).toBe('CLOSED');
    expect((await client.refund({ out_refund_no: 'refund-2' })).json.status).toBe('PROCESSING');
  });

  it('can be paid to a card with an encrypted number if it is ABNORMAL', async () => {
    const { json } = await client.refund({ notify_url: shop.url });
    wechat.pay.settleRefund('refund-1', 'ABNORMAL');
    expect((await client.refund({ out_refund_no: 'refund-2' })).json.code).toBe('INVALID_REQUEST');
    const { id, pem } = wechat.pay.merchant.publicKey!;
    const encrypt = (text: string): string =>
      publicEncrypt(
        { key: pem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
        Buffer.from(text),
      ).toString('base64');
    const path = `/v3/refund/domestic/refunds/${json.refund_id}/apply-abnormal-refund`;
    const body = { out_refund_no: 'refund-1', type: 'USER_BANK_CARD', bank_type: 'ICBC_DEBIT' };
    const card = { bank_account: encrypt('6222020200001234567'), real_name: encrypt('爱丽丝') };
    const headers = { 'Wechatpay-Serial': id };
    const refused = await client.call(
      'POST',
      path,
      { ...body, ...card, real_name: 'plain' },
      {
        headers,
      },
    );
    expect(refused).toMatchObject({ status: 400, json: { code: 'PARAM_ERROR' } });
    const accepted = await client.call('POST', path, { ...body, ...card }, { headers });
    expect(accepted).toMatchObject({ status: 200, json: { status: 'PROCESSING' } });
    wechat.clock.advance('3s');
    await wechat.settle();
    expect(notices()).toMatchObject([{ event: 'REFUND.ABNORMAL' }, { event: 'REFUND.SUCCESS' }]);
  });

  it('has a new number if it is made in the merchant console', async () => {
    const { outRefundNo } = wechat.pay.refundInConsole('order-0001');
    expect(outRefundNo).toMatch(/^console-/);
    expect((await client.query()).json.trade_state).toBe('REFUND');
    expect(() => wechat.pay.refundInConsole('order-0001', { amount: 1 })).toThrow('大于');
  });

  const money = (refund: number, total = 2200) => ({ refund, total, currency: 'CNY' });
  it.each([
    [{ out_trade_no: 'order-0002' }, 404, 'RESOURCE_NOT_EXISTS'],
    [{ out_trade_no: undefined }, 400, 'PARAM_ERROR'],
    [{ out_trade_no: undefined, transaction_id: '4200000000' }, 404, 'RESOURCE_NOT_EXISTS'],
    [{ amount: money(2201) }, 400, 'PARAM_ERROR'],
    [{ amount: money(100, 2300) }, 400, 'INVALID_REQUEST'],
    [{ amount: money(0) }, 400, 'PARAM_ERROR'],
    [{ amount: money(19.9) }, 400, 'PARAM_ERROR'],
    [{ amount: { refund: 1, total: 2200 } }, 400, 'PARAM_ERROR'],
    [{ out_refund_no: 'a#b' }, 400, 'PARAM_ERROR'],
    [{ out_refund_no: 'r'.repeat(65) }, 400, 'PARAM_ERROR'],
    [{ reason: '中'.repeat(27) }, 400, 'PARAM_ERROR'],
    [{ reason: '🍵' }, 400, 'PARAM_ERROR'],
    [{ notify_url: 'https://shop.example/n?x=1' }, 400, 'PARAM_ERROR'],
    [{ extra: true }, 400, 'PARAM_ERROR'],
  ])('is refused with %j: %i %s', async (changed, status, code) => {
    const reply = await client.refund(changed);
    expect(reply).toMatchObject({ status, json: { code } });
    expect(reply.headers.get('wechatpay-signature')).toBeNull();
    expect(wechat.pay.refunds).toEqual([]);
  });

  it('is refused with other amounts under a used number', async () => {
    await client.refund();
    expect(await client.refund({ amount: money(1) })).toMatchObject({
      status: 400,
      json: { code: 'INVALID_REQUEST' },
    });
    expect(await find('refund-9')).toMatchObject({
      status: 404,
      json: { code: 'RESOURCE_NOT_EXISTS' },
    });
  });

  it('is possible for a year', async () => {
    wechat.clock.advance('366d');
    expect(await client.refund()).toMatchObject({ status: 400, json: { code: 'INVALID_REQUEST' } });
  });
});
