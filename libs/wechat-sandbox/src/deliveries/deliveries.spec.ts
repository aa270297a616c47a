import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startWechatSandbox, type SandboxUser, type WechatSandbox } from '../index.js';
import { decryptResource, isSignedBy, PayClient, Shop } from '../pay/pay-client.for-spec.js';

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
});
afterEach(async () => {
  await wechat.close();
  await shop.stop();
});

const buy = async (): Promise<void> => {
  expect(await client.buy(alice, { notify_url: shop.url })).toEqual({
    errMsg: 'requestPayment:ok',
  });
};
const isSigned = (): boolean[] =>
  shop.arrived.map(({ headers, body }) => isSignedBy(wechat.pay.merchant.publicKey, headers, body));
const SECONDS = [
  15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600,
];

const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
};

describe('a notification', () => {
  it('is repeated 15 times in 24 hours and 4 minutes while it is refused', async () => {
    shop.responses.push(...Array.from({ length: 20 }, () => 500));
    await buy();
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([{ done: false, nextAt: expect.any(Date) }]);
    wechat.clock.advance('2d');
    await wechat.settle();
    const [{ attempts, done, nextAt }] = wechat.deliveries as [any];
    const gaps = attempts.slice(1).map(({ at }: any, i: number) => (at - attempts[i].at) / 1000);
    expect(gaps).toEqual(SECONDS);
    expect([done, nextAt]).toEqual([false, undefined]);
    expect(new Set(shop.arrived.map(({ json }) => json.id)).size).toBe(1);
    expect(new Set(shop.arrived.map(({ headers }) => headers['wechatpay-nonce'])).size).toBe(16);
    expect(isSigned()).toEqual(Array.from({ length: 16 }, () => true));
  });

  it('is repeated after each due time and not before', async () => {
    shop.responses.push(500, 301);
    await buy();
    wechat.clock.advance('14s');
    await wechat.settle();
    expect(shop.arrived).toHaveLength(1);
    wechat.clock.advance('1s');
    await wechat.settle();
    expect(shop.arrived).toHaveLength(2);
    wechat.clock.advance('15s');
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([
      { done: true, attempts: [{ status: 500 }, { status: 301 }, { status: 204 }] },
    ]);
  });

  it('is attempted again after 5 s without a response, and if no server listens', async () => {
    shop.responses.push('hang');
    await buy();
    while (shop.arrived.length === 0) await new Promise(setImmediate);
    collectGarbage(); // the deadline stays
    await wechat.settle();
    await shop.stop();
    wechat.clock.advance('15s');
    await wechat.settle();
    const [{ attempts }] = wechat.deliveries as [any];
    expect(attempts).toMatchObject([
      { status: 0, note: 'no response within 5 s' },
      { status: 0, note: 'no response: ECONNREFUSED' },
    ]);
    expect(attempts[0].ms).toBeGreaterThanOrEqual(4900);
    await shop.start();
  });

  it('is lost by a fault, and sent again 15 s later', async () => {
    wechat.nextDelivery({ drop: true });
    await buy();
    await wechat.settle();
    expect(shop.arrived).toEqual([]);
    wechat.clock.advance('15s');
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([
      { done: true, attempts: [{ status: 0, note: 'dropped' }, { status: 204 }] },
    ]);
  });

  it('is sent three times at once by a fault', async () => {
    wechat.nextDelivery({ duplicate: 3 });
    await buy();
    await wechat.settle();
    expect(shop.arrived).toHaveLength(3);
    expect(new Set(shop.arrived.map(({ body }) => body.toString())).size).toBe(1);
    expect(wechat.deliveries[0]!.attempts).toHaveLength(3);
  });

  it('is sent once and with a wrong signature if it is forged', async () => {
    await buy();
    await wechat.settle();
    shop.responses.push(401);
    await wechat.pay.forge(wechat.pay.orders[0]!.outTradeNo);
    wechat.clock.advance('2d');
    await wechat.settle();
    expect(isSigned()).toEqual([true, false]);
    expect(wechat.deliveries[1]).toMatchObject({ done: false, attempts: [{ status: 401 }] });
  });

  it('is delayed by a fault, by the clock of the sandbox', async () => {
    wechat.nextDelivery({ delay: '10m' });
    await buy();
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([{ attempts: [], nextAt: expect.any(Date) }]);
    wechat.clock.advance('10m');
    await wechat.settle();
    expect(isSigned()).toEqual([true]);
  });

  it.each([{ tamper: 'body' }, { tamper: 'signature' }, { signTest: true }] as const)(
    'does not verify with the fault %j, and the unchanged one follows even if it was accepted',
    async (fault) => {
      wechat.nextDelivery(fault);
      await buy();
      await wechat.settle();
      expect(isSigned()).toEqual([false]);
      wechat.clock.advance('15s');
      await wechat.settle();
      expect(isSigned()).toEqual([false, true]);
      expect(wechat.deliveries).toMatchObject([{ done: true }]);
    },
  );

  it('with a broken ciphertext verifies and does not decrypt', async () => {
    wechat.nextDelivery({ tamper: 'ciphertext' });
    await buy();
    await wechat.settle();
    expect(isSigned()).toEqual([true]);
    const { resource } = shop.arrived[0]!.json;
    expect(() => decryptResource(resource, wechat.pay.merchant.apiV3Key)).toThrow('authenticate');
  });

  it('is sent again on request', async () => {
    await buy();
    await wechat.settle();
    const again = await wechat.deliverAgain(wechat.deliveries[0]!.id);
    expect(again.attempts).toHaveLength(2);
    await expect(wechat.deliverAgain('x')).rejects.toThrow('no delivery x');
  });

  it('is sent to this machine only', async () => {
    await client.buy(alice, { notify_url: 'http://192.0.2.1/notify' });
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([
      { done: false, attempts: [{ status: 0, note: expect.stringContaining('not sent') }] },
    ]);
    expect(wechat.deliveries[0]!.nextAt).toBeUndefined();
  });

  it('has the changes of a test, with a correct signature', async () => {
    await buy();
    await wechat.settle();
    await wechat.pay.notify('order-0001', {
      over: { amount: 1, currency: 'USD', mchid: '1900009999', appid: 'wx0', openid: 'o0' },
    });
    await wechat.pay.notify('order-0001', { age: '10m' });
    await wechat.pay.notify('order-0001', { serial: 'PUB_KEY_ID_0' });
    const { json, headers } = shop.arrived[1]!;
    const { apiV3Key } = wechat.pay.merchant;
    expect(JSON.parse(decryptResource(json.resource, apiV3Key))).toMatchObject({
      out_trade_no: 'order-0001',
      mchid: '1900009999',
      appid: 'wx0',
      payer: { openid: 'o0' },
      amount: { total: 1, payer_total: 1, currency: 'USD' },
    });
    expect(isSigned()).toEqual([true, true, true, false]);
    const ages = shop.arrived.map((one) => Number(one.headers['wechatpay-timestamp']));
    expect(Number(headers['wechatpay-timestamp']) - ages[2]!).toBeGreaterThanOrEqual(599);
    expect(shop.arrived[3]!.headers['wechatpay-serial']).toBe('PUB_KEY_ID_0');
  });

  it('is sent again for each of 1,000 lost ones when it is due', async () => {
    wechat.everyDelivery({ drop: true });
    await buy();
    await Promise.all(Array.from({ length: 1000 }, () => wechat.pay.notify('order-0001')));
    expect(shop.arrived).toEqual([]);
    wechat.everyDelivery({});
    wechat.clock.advance('15s');
    await wechat.settle();
    expect(shop.arrived).toHaveLength(1001);
    expect(wechat.deliveries.every(({ done }) => done)).toBe(true);
  });

  it.each([
    [{ lose: true }, 'has no field lose'],
    [{ duplicate: 101 }, 'duplicate: 101 is not a valid value'],
    [{ delay: 'soon' }, 'is not a duration'],
    [{ tamper: 'time' }, "tamper: 'time' is not a valid value"],
    [{ times: 1001 }, 'times: 1001 is not a valid value'],
  ])('refuses the fault %j', (fault, cure) => {
    expect(() => wechat.nextDelivery(fault as object)).toThrow(cure);
  });
});

describe('the control plane', () => {
  const call = async (method: string, path: string, body?: object): Promise<any> => {
    const response = await fetch(`${wechat.url}/sandbox${path}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
    });
    return response.json();
  };

  it('pays, and lists and repeats deliveries, without a key or a whole openid', async () => {
    const { json } = await client.prepay({
      payer: { openid: alice.openid() },
      notify_url: shop.url,
    });
    const params = client.params(json.prepay_id);
    expect(
      await call('POST', '/users/alice/requestPayment', { ...params, outcome: 'cancel' }),
    ).toEqual({ errMsg: 'requestPayment:fail cancel' });
    await call('POST', '/next-delivery', { tamper: 'signature' });
    expect(await call('POST', '/users/alice/requestPayment', { params })).toEqual({
      errMsg: 'requestPayment:ok',
    });
    await wechat.settle();
    const [delivery] = await call('GET', '/deliveries');
    expect(delivery).toMatchObject({ done: false, attempts: [{ status: 204, note: 'signature' }] });
    expect(await call('POST', `/deliveries/${delivery.id}/again`)).toMatchObject({ done: true });
    const notified = await call('POST', '/pay/notify', {
      outTradeNo: 'order-0001',
      over: { amount: 1 },
    });
    expect(notified).toMatchObject({ title: 'TRANSACTION.SUCCESS order-0001', done: true });
    await client.refund();
    expect(
      await call('POST', '/pay/settle-refund', { outRefundNo: 'refund-1', status: 'ABNORMAL' }),
    ).toMatchObject({ status: 'ABNORMAL' });
    expect(await call('POST', '/pay/switch', { percent: 50 })).toEqual({
      error: expect.stringContaining("verifyWith: 'switching'"),
    });
    const orders = await call('GET', '/pay/orders');
    expect(orders).toMatchObject([{ outTradeNo: 'order-0001', state: 'REFUND', amount: 2200 }]);
    const shown = JSON.stringify([
      orders,
      await call('GET', '/deliveries'),
      await call('GET', '/requests'),
      await call('GET', ''),
    ]);
    expect(shown).not.toContain(alice.openid());
    expect(shown).not.toContain('PRIVATE KEY');
    expect(shown).not.toContain(wechat.pay.merchant.apiV3Key);
  });
});
