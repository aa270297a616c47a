import { PaymentService } from 'nestjs-wechat/pay';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { NextDelivery, SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { startShop } from '../support/shop-app.js';
import type { ShopApp } from '../support/shop-app.js';
import type { Adapter } from '../support/team-app.js';

describe.each<Adapter>(['express', 'fastify'])('a notification of the sandbox on %s', (adapter) => {
  let wechat: WechatSandbox;
  let alice: SandboxUser;
  let shop: ShopApp;
  let number = 0;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    alice = wechat.users.create();
    shop = await startShop(wechat, { adapter, pay: { appId: wechat.apps[0]!.appId } });
  });
  afterEach(() => {
    shop.shop.received.length = 0;
  });
  afterAll(async () => {
    await shop.close();
    await wechat.close();
  });

  /** Pays an order, and waits until its notification has a response. */
  async function payOrder(): Promise<string> {
    const outTradeNo = `${adapter}-${++number}`;
    const { params } = await shop.app.get(PaymentService).prepayWithRequestPayment({
      openid: alice.openid(),
      outTradeNo,
      description: 'Latte',
      amount: 2200,
    });
    await alice.requestPayment(params);
    await wechat.settle();
    return outTradeNo;
  }
  const statuses = (): number[] => wechat.deliveries.at(-1)!.attempts.map(({ status }) => status);
  const paid = (): unknown[] =>
    shop.shop.received.map(({ resource }) => (resource as { outTradeNo: string }).outTradeNo);

  it.each<[string, NextDelivery, number]>([
    ['a changed body', { tamper: 'body' }, 401],
    ['the signature of other bytes', { tamper: 'signature' }, 401],
    ['a ciphertext that does not decrypt', { tamper: 'ciphertext' }, 400],
    ['a probe of WeChat', { signTest: true }, 401],
  ])('with %s is refused without a run, and its repeat pays', async (_, fault, status) => {
    wechat.nextDelivery(fault);
    const outTradeNo = await payOrder();
    expect([statuses(), paid()]).toEqual([[status], []]);
    wechat.clock.advance('15s');
    await wechat.settle();
    expect([statuses(), paid()]).toEqual([[status, 204], [outTradeNo]]);
  });

  it('that arrives three times at once runs its handler once', async () => {
    wechat.nextDelivery({ duplicate: 3 });
    const outTradeNo = await payOrder();
    expect([new Set(statuses()), paid()]).toEqual([new Set([204]), [outTradeNo]]);
  });

  it('that is lost runs its handler with the repeat', async () => {
    wechat.nextDelivery({ drop: true });
    const outTradeNo = await payOrder();
    expect([statuses(), paid()]).toEqual([[0], []]);
    wechat.clock.advance('15s');
    await wechat.settle();
    expect(paid()).toEqual([outTradeNo]);
  });
});
