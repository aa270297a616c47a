import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { createSession } from '../../libs/miniprogram-client/src/index.js';
import { httpSend } from '../../libs/miniprogram-client/test-support/http.js';
import { createPhone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
import { wav } from '../support/audio.js';
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
