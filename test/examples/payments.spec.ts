import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppModule } from '../../examples/payments/src/app.module.js';
import { freePort } from '../support/free-port.js';
import { clientOf } from '../support/http.js';
import type { AppResponse, Call } from '../support/http.js';

const adapters = {
  express: () => new ExpressAdapter(),
  fastify: () => new FastifyAdapter() as never,
};

describe.each(Object.entries(adapters))('the payments example on %s', (_, adapter) => {
  let wechat: WechatSandbox;
  let app: INestApplication;
  let alice: SandboxUser;
  let call: (route: string, call?: Call) => Promise<AppResponse>;
  const environment = { ...process.env };

  beforeAll(async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    wechat = await startWechatSandbox();
    alice = wechat.users.create();
    Object.assign(process.env, wechat.pay.merchant.env({ notifyUrl: `${url}/wechat/pay/notify` }), {
      WECHAT_MINI_APP_ID: wechat.apps[0]!.appId,
    });
    app = await NestFactory.create(AppModule, adapter(), { logger: false });
    await app.listen(port, '127.0.0.1');
    call = clientOf(url);
  });
  afterAll(async () => {
    process.env = environment;
    await app.close();
    await wechat.close();
  });

  const pay = async (): Promise<string> => {
    const { body } = await call('POST /orders', { body: { openid: alice.openid() } });
    expect(await alice.requestPayment(body.params)).toEqual({ errMsg: 'requestPayment:ok' });
    return body.outTradeNo as string;
  };

  it('marks an order as paid by its notification or, if that is lost, by a query, and refunds it', async () => {
    const notified = await pay();
    await wechat.settle();
    wechat.everyDelivery({ drop: true });
    const lost = await pay();
    for (const number of [notified, lost])
      expect((await call(`POST /orders/${number}/sync`)).body).toEqual({ status: 'paid' });
    expect((await call(`POST /orders/${lost}/refund`)).body).toEqual({ status: 'PROCESSING' });
    wechat.clock.advance('3s');
    expect(wechat.pay.order(lost)?.state).toBe('REFUND');
  });

  it('has fewer than 60 lines', () => {
    const source = readFileSync(
      join(__dirname, '../../examples/payments/src/app.module.ts'),
      'utf8',
    );
    expect(source.split('\n').filter((line) => line.trim() !== '').length).toBeLessThan(60);
  });
});
