import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { createSession } from '../../libs/miniprogram-client/src/index.js';
import { httpSend } from '../../libs/miniprogram-client/test-support/http.js';
import { createPhone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
import type { Phone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
import { wav } from '../support/audio.js';
import { startCoffeeShop } from '../support/coffee-shop.js';
import type { CoffeeShop } from '../support/coffee-shop.js';
import { openPage } from '../support/mini-program.js';
import type { Page } from '../support/mini-program.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

/** The mini-program client against the running reference app. */
describe('a mini program', () => {
  let s: Started;
  let user: SandboxUser;

  beforeAll(async () => {
    s = await start();
  });
  beforeEach(() => {
    user = s.wechat.users.create({ phoneNumber: '13580006666' });
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => s.close());

  const launch = () => {
    const phone = createPhone({ send: httpSend, login: () => user.login() });
    return { phone, session: createSession({ baseUrl: s.url, wx: phone.wx }) };
  };
  const me = () => expect.objectContaining({ unionid: user.unionid() });

  it('logs in automatically, once for any number of requests', async () => {
    const { phone, session } = launch();
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => session.request({ url: '/me' })),
    );
    expect(responses).toEqual(Array.from({ length: 20 }, me));
    expect(phone.calls['login']).toBe(1);
  });

  it('logs in again once if many requests find that the session is invalid', async () => {
    const { phone, session } = launch();
    await session.request({ url: '/me' });
    s.wechat.clock.advance('31m');
    expect(
      await Promise.all(Array.from({ length: 20 }, () => session.request({ url: '/me' }))),
    ).toEqual(Array.from({ length: 20 }, me));
    expect(phone.calls['login']).toBe(2);
  });

  it('keeps its session over refreshes and restarts, and revokes it', async () => {
    const { phone, session } = launch();
    await session.login();
    await session.refresh();
    await session.refresh();
    const restarted = createSession({ baseUrl: s.url, wx: phone.wx });
    expect(await restarted.request({ url: '/me' })).toEqual(me());
    expect(phone.calls['login']).toBe(1);
    await restarted.logout();
    await expect(restarted.request({ url: '/me' })).rejects.toMatchObject({
      error: 'ERR_SIGNED_OUT',
    });
  });

  it('sends its phone number and a recording', async () => {
    const { phone, session } = launch();
    const { code } = await user.getPhoneNumber();
    expect(
      await session.request({ url: '/me/phone', method: 'PUT', data: { code } }),
    ).toMatchObject({ phoneNumber: '13580006666' });
    phone.files.set('wxfile://tmp/voice.wav', new Uint8Array(wav(1000)));
    const recording = await session.uploadFile({
      url: '/recordings',
      filePath: 'wxfile://tmp/voice.wav',
      name: 'file',
    });
    expect(recording).toMatchObject({ format: 'wav', duration: 1000 });
  });

  it('does not log in again and again while the server is unavailable', async () => {
    const { phone, session } = launch();
    await session.login();
    jest.spyOn(s.app.get(WechatStore), 'get').mockRejectedValue(new StoreUnavailableError());
    await expect(session.request({ url: '/me' })).rejects.toMatchObject({
      statusCode: 503,
      error: 'ERR_STORE_UNAVAILABLE',
    });
    jest.restoreAllMocks();
    expect(await session.request({ url: '/me' })).toEqual(me());
    expect(phone.calls['login']).toBe(1);
  });

  it('gets the error if WeChat blocks the user, and stops', async () => {
    const { phone, session } = launch();
    s.wechat.next('/sns/jscode2session', { errcode: 40226 });
    await expect(session.login()).rejects.toMatchObject({
      statusCode: 403,
      error: 'ERR_WECHAT_BLOCKED',
    });
    expect(phone.calls['login']).toBe(1);
  });
});

/** The pages of `apps/miniprogram` against the running reference app, with the merchant of the sandbox. */
describe('the shop in the mini program', () => {
  let shop: CoffeeShop;
  let phone: Phone;
  let sheet: 'ok' | 'cancel';
  let opened: string[];

  beforeAll(async () => {
    shop = await startCoffeeShop();
  });
  afterAll(() => shop.close());
  beforeEach(() => {
    const user = shop.wechat.users.create();
    sheet = 'ok';
    opened = [];
    phone = createPhone({
      send: (call) =>
        httpSend({ ...call, url: call.url.replace('http://localhost:3000', shop.url) }),
      login: () => user.login(),
      requestPayment: (params) => user.requestPayment(params, { outcome: sheet }),
      requestSubscribeMessage: (ids) => user.requestSubscribeMessage(ids),
    });
    Object.assign(phone.wx, {
      getAccountInfoSync: () => ({ miniProgram: { envVersion: 'develop' } }),
      showToast({ title }: { title: string }) {
        throw new Error(title); // the pages show failures only
      },
      navigateTo: ({ url }: { url: string }) => opened.push(url),
    });
  });

  async function orderCoffee(productId: string): Promise<Page> {
    const page = openPage(phone, 'pages/shop/shop');
    await page['onShow']();
    expect(page.data['products']).toContainEqual({ id: 'latte', name: '拿铁', price: '¥22.00' });
    await page['order']({ currentTarget: { dataset: { id: productId } } });
    const order = openPage(phone, 'pages/order/order', { id: opened.at(-1)?.split('id=')[1] });
    await order['onShow']();
    return order;
  }

  it('orders, cancels the pay sheet, pays, and picks the coffee up', async () => {
    const page = await orderCoffee('latte');
    expect(page.data['order']).toMatchObject({ statusText: '待支付 · To pay', price: '¥22.00' });
    sheet = 'cancel';
    await page['pay']();
    expect(page.data['order'].statusText).toBe('待支付 · To pay');
    sheet = 'ok';
    shop.wechat.clock.advance('3s'); // the server asks WeChat Pay at most every two seconds
    await page['pay']();
    expect(page.data['order'].statusText).toBe('已支付 · Paid');
    await page['pickUp']();
    expect(page.data['order'].statusText).toBe('已取货 · Picked up');

    const list = openPage(phone, 'pages/shop/shop');
    await list['onShow']();
    expect(list.data['orders']).toMatchObject([
      { title: '拿铁 × 1', statusText: '已取货 · Picked up' },
    ]);
  });

  it('shows an order as paid at once, although the notification is lost', async () => {
    shop.wechat.everyDelivery({ drop: true });
    const page = await orderCoffee('americano');
    await page['pay']();
    expect(page.data['order'].statusText).toBe('已支付 · Paid');
    shop.wechat.everyDelivery({});
  });

  it('refunds, and shows when WeChat Pay has returned the money', async () => {
    const page = await orderCoffee('flat-white');
    await page['pay']();
    await page['refund']();
    expect(page.data['order'].statusText).toBe('退款中 · Refunding');
    await shop.pass('1m');
    await page['sync']();
    expect(page.data['order']).toMatchObject({
      statusText: '已退款 · Refunded',
      refund: { status: 'SUCCESS', amount: 2400 },
    });
  });

  it('asks for order news', async () => {
    const page = await orderCoffee('latte');
    await phone.tap(() => page['allowNews']());
    expect(page.data['newsAllowed']).toBe(true);
  });

  it('cancels an order that is not paid', async () => {
    const page = await orderCoffee('latte');
    await page['cancel']();
    expect(page.data['order'].statusText).toBe('已关闭 · Closed');
  });
});
