import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { AppModule } from '../../examples/quickstart/src/app.module.js';
import { createSession } from '../../libs/miniprogram-client/src/index.js';
import { httpSend } from '../../libs/miniprogram-client/test-support/http.js';
import { createPhone } from '../../libs/miniprogram-client/test-support/wx-shim.js';
import { clientOf } from '../support/http.js';
import type { AppResponse, Call } from '../support/http.js';

const adapters = {
  express: () => new ExpressAdapter(),
  fastify: () => new FastifyAdapter() as never,
};

/** The smallest application with the package, which the README shows. */
describe.each(Object.entries(adapters))('the quickstart on %s', (_, adapter) => {
  let wechat: WechatSandbox;
  let app: INestApplication;
  let url: string;
  let call: (route: string, call?: Call) => Promise<AppResponse>;
  const environment = { ...process.env };

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    const [{ appId, secret }] = wechat.apps as [WechatSandbox['apps'][0]];
    Object.assign(process.env, {
      WECHAT_API_BASE_URL: wechat.url,
      WECHAT_MINI_APP_ID: appId,
      WECHAT_MINI_APP_SECRET: secret,
    });
    app = await NestFactory.create(AppModule, adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    call = clientOf(url);
  });
  afterAll(async () => {
    process.env = environment;
    await app.close();
    await wechat.close();
  });

  it('logs in, returns the user and the phone number, refreshes and logs out', async () => {
    const user = wechat.users.create({ phoneNumber: '13580006666' });
    const login = await call('POST /auth/login', { body: await user.login() });
    expect([login.status, login.body]).toEqual([
      201,
      expect.objectContaining({ session_rd: expect.stringMatching(/^srd_/), expiresIn: 1800 }),
    ]);

    const token = login.body.session_rd;
    const me = await call('GET /me', { token });
    expect(me.body).toEqual({
      appId: wechat.apps[0]?.appId,
      openid: user.openid(),
      unionid: user.unionid(),
    });

    const phone = await call('PUT /me/phone', { token, body: await user.getPhoneNumber() });
    expect(phone.body).toEqual({
      phoneNumber: '13580006666',
      purePhoneNumber: '13580006666',
      countryCode: '86',
    });

    const refreshed = await call('POST /auth/refresh', { token });
    expect(refreshed.status).toBe(201);
    expect(refreshed.body.session_rd).not.toBe(token);

    await call('POST /auth/logout', { token: refreshed.body.session_rd });
    const after = await call('GET /me', { token: refreshed.body.session_rd });
    expect([after.status, after.body]).toEqual([
      401,
      { code: 1000, msg: 'unauthorized', data: null, success: false, error: 'ERR_WECHAT_SESSION' },
    ]);
  });

  it('returns the reason for a refused code', async () => {
    const { status, body } = await call('POST /auth/login', { body: { code: 'unknown' } });
    expect([status, body.code, body.error]).toEqual([401, 40029, 'ERR_WECHAT_CODE']);
    expect((await call('POST /auth/login', { body: {} })).status).toBe(400);
  });

  it('works with the mini-program client', async () => {
    const user = wechat.users.create();
    const phone = createPhone({ send: httpSend, login: () => user.login() });
    const session = createSession({ baseUrl: url, wx: phone.wx });
    expect(await session.request({ url: '/me' })).toMatchObject({ openid: user.openid() });
    await session.refresh();
    expect(await session.request({ url: '/me' })).toMatchObject({ openid: user.openid() });
    await session.logout();
  });
});
