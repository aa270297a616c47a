import { isPayRefund, isPayTransaction, PaymentService, RefundService } from 'nestjs-wechat/pay';
import type { PayRefund, PayTransaction } from 'nestjs-wechat/pay';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { startShop } from '../support/shop-app.js';
import type { ShopApp } from '../support/shop-app.js';
import type { Adapter } from '../support/team-app.js';

const ADAPTERS: Adapter[] = ['express', 'fastify'];

describe.each(ADAPTERS)('WeChat Pay on %s', (adapter) => {
  let wechat: WechatSandbox;
  let shop: ShopApp;
  let alice: SandboxUser;
  let payments: PaymentService;
  let refunds: RefundService;

  beforeAll(async () => {
    wechat = await startWechatSandbox({ pay: { merchants: [{}] } });
    shop = await startShop(wechat, { adapter, pay: { appId: wechat.apps[0]!.appId } });
    payments = shop.app.get(PaymentService);
    refunds = shop.app.get(RefundService);
    alice = wechat.users.create();
  });
  beforeEach(() => {
    shop.shop.received.length = 0;
    wechat.clear();
  });
  afterAll(async () => {
    await shop?.close();
    await wechat?.close();
  });

  let number = 0;
  const order = () => ({
    openid: alice.openid(),
    outTradeNo: `ORDER-${adapter}-${++number}`,
    description: '拿铁 Latte',
    amount: 2200,
  });

  it('takes a payment, and runs the handler once although the notification is sent three times', async () => {
    const prepay = order();
    const { prepayId, params } = await payments.prepayWithRequestPayment(prepay);
    expect(params).toMatchObject({
      package: `prepay_id=${prepayId}`,
      signType: 'RSA',
      nonceStr: expect.stringMatching(/^[0-9A-Za-z]{32}$/),
    });
    wechat.nextDelivery({ duplicate: 3 });
    expect(await alice.requestPayment(params)).toEqual({ errMsg: 'requestPayment:ok' });
    await wechat.settle();
    expect(shop.shop.received).toHaveLength(1);
    const [{ eventType, resource }] = shop.shop.received as [(typeof shop.shop.received)[0]];
    expect(eventType).toBe('TRANSACTION.SUCCESS');
    expect(isPayTransaction(resource)).toBe(true);
    expect(resource as PayTransaction).toMatchObject({
      outTradeNo: prepay.outTradeNo,
      state: 'SUCCESS',
      openid: alice.openid(),
      paidAt: expect.any(Date),
      amount: { total: 2200, currency: 'CNY' },
    });
  });

  it('learns of a payment by a query if the notification is lost', async () => {
    const prepay = order();
    const { params } = await payments.prepayWithRequestPayment(prepay);
    wechat.everyDelivery({ drop: true });
    await alice.requestPayment(params);
    expect(shop.shop.received).toEqual([]);
    expect(await payments.query({ outTradeNo: prepay.outTradeNo })).toMatchObject({
      state: 'SUCCESS',
      transactionId: expect.any(String),
    });
  });

  it('refunds a payment, and gets the result from the notification', async () => {
    const prepay = order();
    await alice.requestPayment((await payments.prepayWithRequestPayment(prepay)).params);
    const request = {
      outRefundNo: `R-${adapter}-1`,
      outTradeNo: prepay.outTradeNo,
      refund: 2200,
      total: 2200,
    };
    expect(await refunds.create(request)).toMatchObject({ status: 'PROCESSING' });
    wechat.clock.advance('3s');
    await wechat.settle();
    const { resource } = shop.shop.received.at(-1)!;
    expect(isPayRefund(resource)).toBe(true);
    expect(resource as PayRefund).toMatchObject({ status: 'SUCCESS', amount: { refund: 2200 } });
    expect(await refunds.query(request.outRefundNo)).toMatchObject({ status: 'SUCCESS' });
    expect(await refunds.query('R-unknown')).toBeUndefined();
  });

  it('closes an order, and refuses to close a paid one', async () => {
    const unpaid = order();
    await payments.prepay(unpaid);
    await payments.close(unpaid.outTradeNo);
    await payments.close(unpaid.outTradeNo);
    expect(await payments.query(unpaid)).toMatchObject({ state: 'CLOSED' });

    const paid = order();
    await alice.requestPayment((await payments.prepayWithRequestPayment(paid)).params);
    await expect(payments.close(paid.outTradeNo)).rejects.toMatchObject({
      code: 'ERR_PAY_ORDER_PAID',
    });
    await expect(payments.prepay(paid)).rejects.toMatchObject({ code: 'ERR_PAY_ORDER_PAID' });
  });
});
