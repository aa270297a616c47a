// Takes a payment, survives a lost notification by a query, and refunds, with examples/payments and the phone of the sandbox.
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { AppModule } from './dist/payments/src/app.module.js';

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

for (const Adapter of [ExpressAdapter, FastifyAdapter]) {
  const wechat = await startWechatSandbox();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const variables = wechat.pay.merchant.env({ notifyUrl: `${url}/wechat/pay/notify` });
  Object.assign(process.env, variables, { WECHAT_MINI_APP_ID: wechat.apps[0].appId });
  const app = await NestFactory.create(AppModule, new Adapter(), { logger: ['error'] });
  await app.listen(port, '127.0.0.1');
  const user = wechat.users.create();
  const post = async (path, body = {}) => {
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(body) };
    return (await fetch(url + path, init)).json();
  };
  const pay = async () => {
    const { outTradeNo, params } = await post('/orders', { openid: user.openid() });
    assert.equal((await user.requestPayment(params)).errMsg, 'requestPayment:ok');
    await wechat.settle();
    return outTradeNo;
  };

  await pay();
  assert.deepEqual(
    wechat.deliveries.map(({ done }) => done),
    [true],
  );
  wechat.everyDelivery({ drop: true });
  const lost = await pay();
  assert.deepEqual(await post(`/orders/${lost}/sync`), { status: 'paid' });
  assert.deepEqual(await post(`/orders/${lost}/refund`), { status: 'PROCESSING' });
  wechat.clock.advance('3s');
  assert.equal(wechat.pay.order(lost).state, 'REFUND');

  await app.close();
  await wechat.close();
}
