import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeServer } from '../../libs/miniprogram-client/test-support/fake-server.js';
import { Phone, createPhone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
import { openPage } from '../../test/support/mini-program.js';

const root = join(__dirname, 'miniprogram');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const app: { pages: string[]; tabBar: { list: { pagePath: string }[] } } = JSON.parse(
  read('app.json'),
);

let server: FakeServer;
let phone: Phone;
let toasts: string[];
let opened: string[];
let copied: string[];
let recorder: Record<string, jest.Mock>;
let player: Record<string, any>;

const open = (path: string, query?: object) => openPage(phone, path, query);

beforeEach(() => {
  server = new FakeServer();
  phone = createPhone({ send: server.send, login: server.wxLogin });
  toasts = [];
  opened = [];
  copied = [];
  recorder = {
    onStart: jest.fn(),
    onStop: jest.fn(),
    onError: jest.fn(),
    start: jest.fn(),
    stop: jest.fn(),
  };
  player = { onError: jest.fn(), play: jest.fn(), stop: jest.fn() };
  Object.assign(phone.wx, {
    getAccountInfoSync: () => ({ miniProgram: { envVersion: 'develop' } }),
    showToast: ({ title }: { title: string }) => toasts.push(title),
    setClipboardData: ({ data }: { data: string }) => copied.push(data),
    navigateTo: ({ url }: { url: string }) => opened.push(url),
    getRecorderManager: () => recorder,
    createInnerAudioContext: () => player,
    arrayBufferToBase64: (bytes: ArrayBuffer) => Buffer.from(bytes).toString('base64'),
  });
});

describe('the project', () => {
  it.each(app.pages)(
    '%s has its files, and its markup uses only handlers and data of the page',
    (path) => {
      expect(JSON.parse(read(`${path}.json`))).toHaveProperty('navigationBarTitleText');
      const page = open(path);
      const handlers = [...read(`${path}.wxml`).matchAll(/\sbind\w+="(\w+)"/g)].map(
        (match) => match[1] ?? '',
      );
      expect(handlers.length).toBeGreaterThan(0);
      for (const handler of handlers) expect(typeof page[handler]).toBe('function');
      const shown = [...read(`${path}.wxml`).matchAll(/\{\{!?(\w+)/g)]
        .map((match) => match[1] ?? '')
        .filter((name) => name !== 'item');
      for (const name of shown) expect(page.data).toHaveProperty(name);
    },
  );

  it('has a tab for each of five pages, a link to every other page, and names only files that exist', () => {
    const tabs = app.tabBar.list.map((tab) => tab.pagePath);
    const links = app.pages.flatMap((path) =>
      [...`${read(`${path}.wxml`)}${read(`${path}.js`)}`.matchAll(/["`: ]\/(pages\/[\w/]+)/g)].map(
        (match) => match[1],
      ),
    );
    expect(tabs).toHaveLength(5); // WeChat shows no more
    expect(tabs).toEqual(app.pages.slice(0, 5));
    expect(new Set(links)).toEqual(new Set(app.pages.slice(5)));
    for (const file of ['app.js', 'app.wxss', 'sitemap.json'])
      expect(existsSync(join(root, file))).toBe(true);
  });

  it('contains no app id and no secret', () => {
    const project: { appid: string } = JSON.parse(
      readFileSync(join(__dirname, 'project.config.json'), 'utf8'),
    );
    expect(project.appid).toBe('touristappid');
  });
});

describe('the pages', () => {
  it('log in, refresh and log out', async () => {
    const page = open('pages/login/login');
    await page['login']();
    expect(page.data).toMatchObject({ signedIn: true, details: { path: '/auth/session' } });
    await page['refresh']();
    expect(toasts).toEqual(['已刷新 Refreshed']);
    await page['logout']();
    expect(page.data).toMatchObject({ signedIn: false, details: null });
    expect(server.logins).toHaveLength(0);
  });

  it('send the chosen avatar and the nickname', async () => {
    const page = open('pages/profile/profile');
    phone.files.set('http://tmp/avatar.jpg', new Uint8Array(5));
    server.reply('/me/content', []);
    await page['chooseAvatar']({ detail: { avatarUrl: 'http://tmp/avatar.jpg' } });
    await page['saveNickName']({ detail: { value: { nickName: '小明' } } });
    expect(server.seen.slice(1)).toMatchObject([
      { method: 'POST', path: '/me/avatar', body: { fileName: 'avatar.jpg' } },
      { method: 'GET', path: '/me/content' },
      { method: 'PUT', path: '/me', body: '{"nickName":"小明"}' },
    ]);
  });

  it('show the saved avatar again, whether its address is a path or absolute', async () => {
    const page = open('pages/profile/profile');
    for (const [avatarUrl, shown] of [
      ['/avatars/a.jpg', 'http://localhost:3000/avatars/a.jpg'],
      ['https://api.example.com/avatars/a.jpg', 'https://api.example.com/avatars/a.jpg'],
      [null, ''],
    ]) {
      server.reply('/me', { nickName: null, avatarUrl });
      server.reply('/me/content', []);
      await page['onShow']();
      expect(page.data['avatar']).toBe(shown);
    }
    phone.files.set('http://tmp/avatar.jpg', new Uint8Array(5));
    server.reply('/me/avatar', { avatarUrl: '/avatars/b.jpg' });
    await page['chooseAvatar']({ detail: { avatarUrl: 'http://tmp/avatar.jpg' } });
    expect(page.data['avatar']).toBe('http://localhost:3000/avatars/b.jpg');
  });

  it('show what WeChat thinks of the picture, and that the profile has changed in WeChat', async () => {
    const page = open('pages/profile/profile');
    server.reply('/me', { nickName: '小明', avatarUrl: null, profileStale: true });
    server.reply('/me/content', [
      { kind: 'nickname', status: 'ok' },
      { kind: 'avatar', status: 'checking' },
    ]);
    await page['onShow']();
    expect(page.data).toMatchObject({ avatarStatusText: '检查中 · Checking', stale: true });
    await page['saveNickName']({ detail: { value: { nickName: '小明' } } });
    expect(page.data['stale']).toBe(false);
    phone.files.set('http://tmp/avatar.jpg', new Uint8Array(5));
    server.reply('/me/content', [{ kind: 'avatar', status: 'blocked' }]);
    await page['chooseAvatar']({ detail: { avatarUrl: 'http://tmp/avatar.jpg' } });
    expect(page.data['avatarStatusText']).toBe('已屏蔽 · Blocked');
  });

  it('show what WeChat thinks of a recording, and share one that has passed', async () => {
    const page = open('pages/recording/recording');
    const recording = { id: 'r1', duration: 1000, createdAt: '2026-11-20T08:00:00.000Z' };
    for (const [status, statusText] of [
      ['checking', '检查中 · Checking'],
      ['review', '待人工审核 · In review'],
      ['blocked', '已屏蔽 · Blocked'],
      ['unchecked', '未检查 · Not checked'],
      ['ok', '已通过 · OK'],
    ]) {
      server.reply('/recordings', [{ ...recording, status }]);
      await page['onShow']();
      expect(page.data['recordings']).toMatchObject([{ status, statusText }]);
    }
    const tapped = { currentTarget: { dataset: { id: 'r1' } } };
    server.reply('/recordings/r1/share', { url: 'https://api.example.com/shared/recordings/x' });
    await page['share'](tapped);
    expect(copied).toEqual(['https://api.example.com/shared/recordings/x']);
    server.next('/recordings/r1/share', { statusCode: 409, error: 'ERR_CONTENT_CHECKING' });
    await page['share'](tapped);
    expect(toasts).toEqual(['还在检查 · Still being checked']);
  });

  it('offer to register a phone number that no account has', async () => {
    const page = open('pages/phone/phone');
    server.next('/auth/phone-login', {
      statusCode: 404,
      error: 'ERR_NOT_REGISTERED',
      data: { phoneNumber: '138', registrationTicket: 't' },
    });
    await page['phoneLogin']({ detail: { code: 'phone-code' } });
    expect(page.data['registration']).toEqual({ phoneNumber: '138', registrationTicket: 't' });
    await page['register']({ detail: { value: { nickName: '小明' } } });
    expect(server.seen.at(-1)).toMatchObject({
      path: '/auth/register',
      body: '{"registrationTicket":"t","nickName":"小明"}',
    });
    expect(page.data['registration']).toBeNull();
  });

  it('ask whether the account is the user’s own if it may belong to another person, and take the number over', async () => {
    const page = open('pages/phone/phone');
    const user = { phoneNumber: '138', nickName: '小红' };
    server.reply('/auth/phone-login', { user, token: 'x', linked: false, registrationTicket: 't' });
    await page['phoneLogin']({ detail: { code: 'phone-code' } });
    expect(page.data).toMatchObject({ account: null, otherAccount: { nickName: '小红' } });
    server.reply('/auth/register', { user: { phoneNumber: '138', nickName: '小明' }, token: 'y' });
    await page['takeOverNumber']();
    expect(server.seen.at(-1)).toMatchObject({
      path: '/auth/register',
      body: '{"registrationTicket":"t","takeOverNumber":true}',
    });
    expect(page.data).toMatchObject({ account: { nickName: '小明' }, otherAccount: null });
  });

  it('log in to the user’s own account without a question', async () => {
    const page = open('pages/phone/phone');
    server.reply('/auth/phone-login', { user: { nickName: '小明' }, token: 'x', linked: true });
    await page['phoneLogin']({ detail: { code: 'phone-code' } });
    expect(page.data).toMatchObject({ account: { nickName: '小明' }, otherAccount: null });
  });

  it('show no message when the user refuses, and ask for another tap when the code is used', async () => {
    const page = open('pages/phone/phone');
    await page['bindPhone']({ detail: { errMsg: 'getPhoneNumber:fail user deny' } });
    expect(server.seen).toEqual([]);
    server.next('/me/phone', { statusCode: 401, error: 'ERR_WECHAT_CODE' });
    await page['bindPhone']({ detail: { code: 'used' } });
    expect(toasts).toEqual(['请再试一次 · Please try again']);
  });

  it('record, upload, list, play and delete', async () => {
    const page = open('pages/recording/recording');
    await page['start']();
    expect(recorder['start']).toHaveBeenCalledWith(expect.objectContaining({ format: 'mp3' }));
    phone.files.set('http://tmp/voice.mp3', new Uint8Array(9));
    server.reply('/recordings', [
      { id: 'r1', duration: 1900, createdAt: '2026-11-20T08:00:00.000Z' },
    ]);
    await page['upload']({ tempFilePath: 'http://tmp/voice.mp3', duration: 1900.4 });
    expect(
      server.seen.find((call) => call.method === 'POST' && call.path === '/recordings'),
    ).toMatchObject({
      body: { name: 'file', fileName: 'voice.mp3', fields: { duration: '1900' } },
    });
    expect(page.data).toMatchObject({
      uploading: false,
      percent: 100,
      recordings: [{ id: 'r1', seconds: 2, when: '2026-11-20 08:00' }],
    });

    const tapped = { currentTarget: { dataset: { id: 'r1' } } };
    await page['play'](tapped);
    expect(phone.files.has(player['src'])).toBe(true);
    expect(player['play']).toHaveBeenCalled();
    await page['remove'](tapped);
    expect(server.seen).toContainEqual(
      expect.objectContaining({ method: 'DELETE', path: '/recordings/r1' }),
    );
  });

  it('show a QR code, or the error if there is none', async () => {
    const page = open('pages/qrcode/qrcode');
    await page['create']({ detail: { value: { scene: 'id=1' } } });
    expect(page.data['image']).toMatch(/^data:image\/png;base64,\w+/);
    server.next('/qrcodes', { statusCode: 429, error: 'ERR_WECHAT_RATE_LIMIT' });
    await page['create']({ detail: { value: { scene: 'id=1' } } });
    expect(toasts).toEqual(['操作太频繁 · Too many attempts']);
  });

  describe('of the shop', () => {
    const ORDER = {
      id: 'o1',
      number: '20261120482910573641',
      status: 'pending',
      product: { id: 'latte', name: '拿铁', price: 2200 },
      quantity: 1,
      amount: 2200,
      createdAt: '2026-11-20T08:00:00.000Z',
    };
    const inStatus = (status: string) => ({ ...ORDER, status });
    const lastKey = () => server.seen.at(-1)?.refreshKey;

    it('list the products and the orders, and order with a key that stays until the server has answered', async () => {
      server.reply('/products', [ORDER.product]);
      server.reply('/orders', [inStatus('paid')]);
      const page = open('pages/shop/shop');
      await page['onShow']();
      expect(page.data).toMatchObject({
        products: [{ id: 'latte', name: '拿铁', price: '¥22.00' }],
        orders: [{ title: '拿铁 × 1', statusText: '已支付 · Paid', price: '¥22.00' }],
      });

      server.reply('/orders', ORDER);
      server.next('/orders', 'lost');
      const tapped = { currentTarget: { dataset: { id: 'latte' } } };
      await page['order'](tapped);
      expect([toasts, opened]).toEqual([['网络不通 · No network'], []]);
      const key = lastKey();
      await page['order'](tapped);
      expect(server.seen.at(-1)).toMatchObject({
        method: 'POST',
        path: '/orders',
        body: '{"productId":"latte","quantity":1}',
      });
      expect(key).toMatch(/^.{8,64}$/);
      expect(lastKey()).toBe(key);
      expect(opened).toEqual(['/pages/order/order?id=o1']);
      await page['order'](tapped);
      expect(lastKey()).not.toBe(key);
    });

    async function openOrder() {
      server.reply('/orders/o1', ORDER);
      const page = open('pages/order/order', { id: 'o1' });
      await page['onShow']();
      return page;
    }

    it.each([
      ['cancel', 'cancel', 'closed', '已关闭 · Closed'],
      ['refund', 'refund', 'refunding', '退款中 · Refunding'],
      ['pickUp', 'pickup', 'picked-up', '已取货 · Picked up'],
      ['sync', 'sync', 'refunded', '已退款 · Refunded'],
    ])('send %s and show the status', async (handler, action, status, text) => {
      const page = await openOrder();
      expect(page.data['order']).toMatchObject({ statusText: '待支付 · To pay', price: '¥22.00' });
      server.reply(`/orders/o1/${action}`, inStatus(status));
      await page[handler]();
      expect(server.seen.at(-1)).toMatchObject({ method: 'POST', path: `/orders/o1/${action}` });
      expect(page.data['order']).toMatchObject({ statusText: text });
    });

    it('show what the server knows after the pay sheet, and the reason if it did not open', async () => {
      const page = await openOrder();
      server.reply('/orders/o1/sync', inStatus('paid'));
      await page['pay']();
      expect(page.data['order']).toMatchObject({ statusText: '已支付 · Paid' });

      server.reply('/orders/o1/sync', ORDER);
      phone.failNext('requestPayment', { errMsg: 'requestPayment:fail cancel' });
      await page['pay']();
      expect(toasts).toEqual([]);
      phone.failNext('requestPayment', { errMsg: 'requestPayment:fail banned' });
      await page['pay']();
      expect(toasts).toEqual(['requestPayment:fail banned']);
      expect(page.data['order']).toMatchObject({ statusText: '待支付 · To pay' });
    });

    it('ask for order news in the tap', async () => {
      const page = await openOrder();
      await phone.tap(() => page['allowNews']());
      expect(page.data['newsAllowed']).toBe(true);
      phone.user.allows = false;
      await phone.tap(() => page['allowNews']());
      expect(page.data['newsAllowed']).toBe(false);
    });

    it('show the server’s refusal', async () => {
      const page = await openOrder();
      server.next('/orders/o1/refund', { statusCode: 409, error: 'ERR_ORDER_STATE' });
      await page['refund']();
      expect(toasts).toEqual(['订单状态已变化 · The order has changed']);
    });
  });
});
