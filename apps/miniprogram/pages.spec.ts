import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as client from '../../libs/miniprogram-client/src/index.js';
import { FakeServer } from '../../libs/miniprogram-client/test-support/fake-server.js';
import { Phone, createPhone } from '../../libs/miniprogram-client/test-support/wx-shim.js';

const root = join(__dirname, 'miniprogram');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const app: { pages: string[]; tabBar: { list: { pagePath: string }[] } } = JSON.parse(
  read('app.json'),
);

interface Page {
  data: Record<string, any>;
  setData(data: object): void;
  [handler: string]: any;
}

let server: FakeServer;
let phone: Phone;
let toasts: string[];
let recorder: Record<string, jest.Mock>;
let player: Record<string, any>;

/** Loads a page as WeChat does: in a new program with the globals `wx` and `Page`. */
function open(path: string): Page {
  let page: Page | undefined;
  Object.assign(globalThis, {
    wx: phone.wx,
    Page: (given: Page) =>
      (page = {
        ...given,
        data: { ...given.data },
        setData: (data) => void Object.assign(page?.data ?? {}, data),
      }),
  });
  jest.isolateModules(() => {
    jest.doMock('nestjs-wechat-miniprogram', () => client, { virtual: true });
    require(join(root, path));
  });
  if (!page) throw new Error(`${path} calls no Page()`);
  page['onLoad']?.();
  return page;
}

beforeEach(() => {
  server = new FakeServer();
  phone = createPhone({ send: server.send, login: server.wxLogin });
  toasts = [];
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

  it('has a tab for every page, and names only files that exist', () => {
    expect(app.tabBar.list.map((tab) => tab.pagePath)).toEqual(app.pages);
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
    await page['chooseAvatar']({ detail: { avatarUrl: 'http://tmp/avatar.jpg' } });
    await page['saveNickName']({ detail: { value: { nickName: '小明' } } });
    expect(server.seen.slice(1)).toMatchObject([
      { method: 'POST', path: '/me/avatar', body: { fileName: 'avatar.jpg' } },
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
      await page['onShow']();
      expect(page.data['avatar']).toBe(shown);
    }
    phone.files.set('http://tmp/avatar.jpg', new Uint8Array(5));
    server.reply('/me/avatar', { avatarUrl: '/avatars/b.jpg' });
    await page['chooseAvatar']({ detail: { avatarUrl: 'http://tmp/avatar.jpg' } });
    expect(page.data['avatar']).toBe('http://localhost:3000/avatars/b.jpg');
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
});
