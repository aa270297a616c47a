import { join } from 'node:path';
import * as client from '../../libs/miniprogram-client/src/index.js';
import { FakeServer } from '../../libs/miniprogram-client/test-support/fake-server.js';
import { createTaro } from '../../libs/miniprogram-client/test-support/taro-shim.js';
import { createPhone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
import type { Phone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
interface Example {
  session: client.Session;
  profile: {
    fetchMe(): client.AbortablePromise<unknown>;
    uploadAvatar(filePath: string, onProgress: (percent: number) => void): Promise<unknown>;
    mayRecord(): Promise<boolean>;
  };
  shop: {
    pay(order: { id: string; status: string }): Promise<unknown>;
    askForOrderNews(templateId: string): Promise<boolean>;
  };
}

/** Loads an example as its bundler does: with the package and, in Taro, with Taro. */
function load(folder: string, taro?: client.Wx): Example {
  const example: Partial<Example> = {};
  jest.isolateModules(() => {
    jest.doMock('nestjs-wechat-miniprogram', () => client, { virtual: true });
    jest.doMock('@tarojs/taro', () => ({ __esModule: true, default: taro }), { virtual: true });
    const source = join(__dirname, '../../examples', folder, 'src');
    example.session = require(join(source, 'session')).session;
    example.profile = require(join(source, 'profile'));
    example.shop = require(join(source, 'shop'));
  });
  return example as Example;
}

describe.each([
  ['Taro', (phone: Phone) => load('taro', createTaro(phone.wx))],
  [
    'uni-app',
    (phone: Phone) => {
      Object.assign(globalThis, { wx: phone.wx });
      return load('uni-app');
    },
  ],
])('the example for %s', (_, open) => {
  let server: FakeServer;
  let phone: Phone;
  let example: Example;

  beforeEach(() => {
    server = new FakeServer();
    phone = createPhone({ send: server.send, login: server.wxLogin });
    phone.files.set('http://tmp/avatar.jpg', new Uint8Array(5));
    example = open(phone);
  });
  afterEach(() => delete (globalThis as { wx?: unknown }).wx);

  it('logs in, fetches the user, refreshes and logs out', async () => {
    expect(await example.profile.fetchMe()).toMatchObject({ by: 'rd-1' });
    await example.session.refresh();
    expect(await example.profile.fetchMe()).toMatchObject({ by: 'rd-2' });
    await example.session.logout();
    expect(server.logins).toHaveLength(0);
  });

  it('uploads an avatar with progress, and aborts when the page closes', async () => {
    const progress: number[] = [];
    await example.profile.uploadAvatar('http://tmp/avatar.jpg', (sent) => progress.push(sent));
    expect(progress.at(-1)).toBe(100);
    const request = example.profile.fetchMe();
    request.abort();
    await expect(request).rejects.toMatchObject({ error: 'ERR_ABORTED' });
  });

  it('asks for the microphone', async () => {
    expect(await example.profile.mayRecord()).toBe(true);
  });

  it('pays, and asks for messages in a tap', async () => {
    server.reply('/orders/1/pay', { package: 'prepay_id=wx20' });
    server.reply('/orders/1/sync', { id: '1', status: 'paid' });
    const order = { id: '1', status: 'pending' };
    expect(await example.shop.pay(order)).toEqual({ id: '1', status: 'paid' });
    expect(phone.calls['requestPayment']).toBe(1);
    expect(await phone.tap(() => example.shop.askForOrderNews('t'))).toBe(true);
  });
});
