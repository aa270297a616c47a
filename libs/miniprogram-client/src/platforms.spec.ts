import { FakeServer } from '../test-support/fake-server.js';
import { createTaro } from '../test-support/taro-shim.js';
import { Phone, createPhone } from '../test-support/wx-shim.js';
import { askToSubscribe, createSession, ensureScope } from './index.js';
import type { Wx } from './index.js';

const globals = globalThis as { wx?: unknown; uni?: unknown };

let server: FakeServer;
let phone: Phone;

beforeEach(() => {
  server = new FakeServer();
  phone = createPhone({ send: server.send, login: server.wxLogin });
});
afterEach(() => {
  delete globals.wx;
  delete globals.uni;
});

const me = (options = {}) =>
  createSession({ baseUrl: server.url, ...options }).request({ url: '/me' });

describe('the platform', () => {
  it('is the global wx, else the global uni, unless wx is passed', async () => {
    globals.uni = phone.wx;
    expect(await me()).toMatchObject({ by: 'rd-1' });
    globals.wx = createPhone({ send: server.send, login: server.wxLogin }).wx;
    expect(await me()).toMatchObject({ by: 'rd-2' });
    expect(await me({ wx: phone.wx })).toMatchObject({ by: 'rd-1' });
  });

  it.each([
    ['without any', undefined],
    ['with the wx of WeChat’s JS-SDK', { config: () => {}, chooseWXPay: () => {} }],
  ])('of a web page, %s, is refused with one sentence', (_, found) => {
    if (found) globals.wx = found;
    const refusal = expect.objectContaining({
      error: 'ERR_WX',
      message:
        'There is no wx.login. With Taro pass { wx: Taro }. Web pages (H5) are not supported.',
    });
    expect(() => createSession({ baseUrl: server.url })).toThrow(refusal);
    expect(() => ensureScope('scope.record')).toThrow(refusal);
    expect(() => askToSubscribe(['paid'])).toThrow(refusal);
  });

  it('of Taro in a web page makes the login fail with Taro’s text', async () => {
    phone.failNext('login', { errMsg: '暂时不支持 API login' });
    await expect(me({ wx: createTaro(phone.wx) })).rejects.toMatchObject({
      error: 'ERR_WX',
      message: '暂时不支持 API login',
    });
  });
});

/** What `wx.cloud.callContainer` takes. */
interface ContainerCall {
  config: { env: string };
  path: string;
  header?: Record<string, string>;
}

describe('微信云托管', () => {
  // #region cloud-run
  type WxWithCloud = Wx & { cloud: { callContainer: (call: ContainerCall) => unknown } };

  /**
   * Returns a `wx` whose requests reach the service through WeChat's network. Call wx.cloud.init() before.
   * createSession({ baseUrl, wx: throughCloudRun(wx, baseUrl, 'prod-1a2b', 'shop') })
   */
  function throughCloudRun(wx: WxWithCloud, baseUrl: string, env: string, service: string): Wx {
    return Object.assign(Object.create(wx) as Wx, {
      request: ({ url, header, ...call }: Parameters<Wx['request']>[0]) =>
        wx.cloud.callContainer({
          ...call,
          config: { env },
          path: url.slice(baseUrl.length),
          header: { ...header, 'X-WX-SERVICE': service },
        }),
    });
  }
  // #endregion cloud-run

  it('gets the requests with the session, by callContainer', async () => {
    const calls: ContainerCall[] = [];
    const callContainer = ({ config, path, ...call }: ContainerCall) => {
      calls.push({ config, path, header: call.header });
      return phone.wx.request({ ...call, url: server.url + path });
    };
    const cloud = throughCloudRun(
      { ...phone.wx, cloud: { callContainer } },
      server.url,
      'prod-1',
      'shop',
    );
    expect(await me({ wx: cloud })).toMatchObject({ by: 'rd-1' });
    expect(calls.map(({ path }) => path)).toEqual(['/auth/login', '/me']);
    expect(calls[1]).toEqual({
      config: { env: 'prod-1' },
      path: '/me',
      header: { Authorization: 'Bearer rd-1', 'X-WX-SERVICE': 'shop' },
    });
  });
});
