import { ModulesContainer } from '@nestjs/core';
import { WechatPayModule, wechatPayOptionsFromEnv } from 'nestjs-wechat/pay';
import * as pay from 'nestjs-wechat/pay';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { MemoryStore } from '../../libs/wechat/src/store/memory.store.js';
import { MERCHANT, notification, payOptions } from '../support/pay-messages.js';
import type { PayMessage } from '../support/pay-messages.js';
import { sandboxPayOptions, startPayServices } from '../support/pay-services.js';
import { startShop } from '../support/shop-app.js';
import type { ShopApp } from '../support/shop-app.js';
import type { Adapter } from '../support/team-app.js';
import { Canaries, leaksOf } from './canaries.js';

describe.each<Adapter>(['express', 'fastify'])('an attacker of the endpoint on %s', (adapter) => {
  let shop: ShopApp;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    shop = await startShop(undefined, { adapter });
  });
  beforeEach(() => {
    shop.shop.received.length = 0;
  });
  afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));
  afterAll(() => shop.close());

  /** Sends raw bytes, and collects what comes back. */
  function send(bytes: string | Buffer): { socket: Socket; received: () => string } {
    const socket = connect(Number(new URL(shop.url).port), '127.0.0.1');
    sockets.push(socket);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.write(bytes);
    return { socket, received: () => received };
  }
  const head = (...lines: string[]): string =>
    ['POST /wechat/pay/notify HTTP/1.1', 'Host: shop', ...lines, '', ''].join('\r\n');
  const post = async ({ headers, body }: PayMessage): Promise<number> =>
    (await fetch(shop.notifyUrl, { method: 'POST', headers, body: new Uint8Array(body) })).status;

  it('cannot make it unavailable with slow bodies and unsigned messages', async () => {
    for (let i = 0; i < 200; i++) send(`${head('Content-Length: 1000')}{`);
    const forged = { headers: notification().headers, body: Buffer.from('{}') };
    const flood = Array.from({ length: 200 }, () => post(forged));
    expect(await post(notification())).toBe(204);
    expect(new Set(await Promise.all(flood))).toEqual(new Set([401]));
    expect(shop.shop.received).toHaveLength(1);
  });

  it.each([
    ['a length over 64 KB', head('Content-Length: 1000000000'), ' '.repeat(16_384)],
    ['endless chunks', head('Transfer-Encoding: chunked'), `4000\r\n${' '.repeat(16_384)}\r\n`],
  ])('cannot upload without end: %s', async (_, start, part) => {
    const { socket, received } = send(start);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    while (!socket.destroyed && received() === '') {
      const drained = new Promise((resolve) => socket.once('drain', resolve));
      if (!socket.write(part)) await Promise.race([drained, closed]);
      await new Promise(setImmediate);
    }
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('cannot hide a second signature, serial, time or nonce behind the first', async () => {
    const { headers, body } = notification();
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const statusWith = async (...more: string[]): Promise<string> => {
      const start = head(...lines, ...more, `Content-Length: ${body.length}`, 'Connection: close');
      const { socket, received } = send(Buffer.concat([Buffer.from(start), body]));
      await once(socket, 'close');
      return received().slice(9, 12);
    };
    for (const name of ['serial', 'timestamp', 'nonce', 'signature'])
      expect(await statusWith(`Wechatpay-${name}: ${headers[`wechatpay-${name}`]}`)).toBe('401');
    expect(await statusWith()).toBe('204'); // control
  });
});

it('merchants that share a store do not hide notifications of each other', async () => {
  const store = new MemoryStore();
  const merchants = [MERCHANT.mchId, '1900000002'];
  const refund = (mchid: string) =>
    notification(
      {
        mchid,
        out_trade_no: 'ORDER-1',
        transaction_id: '4200001',
        out_refund_no: 'R-1',
        refund_id: '5000001',
        refund_status: 'SUCCESS',
        amount: { total: 1, refund: 1, payer_total: 1, payer_refund: 1 },
      },
      { eventType: 'REFUND.SUCCESS' },
    );
  for (const mchId of merchants) {
    const services = await startPayServices(payOptions({ mchId, store }));
    for (let delivery = 0; delivery < 2; delivery++)
      expect((await services.notifications.handle(refund(mchId))).status).toBe(204);
    expect(services.shop.received).toHaveLength(1);
    await services.close();
  }
});

describe('what is printed of WeChat Pay', () => {
  const canaries = new Canaries();

  it('shows no key: no provider of a running module, no exported name, and no options of the environment', async () => {
    const wechat = await startWechatSandbox();
    const { privateKey, apiV3Key } = wechat.pay.merchant;
    canaries.add('privateKey', ...privateKey.split('\n').slice(2, 5));
    canaries.add('apiV3Key', apiV3Key);
    const options = sandboxPayOptions(wechat);
    const services = await startPayServices(options);
    await services.client.check();
    const providers = [...services.get(ModulesContainer).values()]
      .filter(({ metatype }) => metatype === WechatPayModule)
      .flatMap((module) => [...module.providers.values()])
      .filter(
        ({ name }) => !['WechatPayModule', 'ModuleRef', 'ApplicationConfig'].includes(String(name)),
      )
      .map(({ name, instance }): [string, unknown] => [String(name), instance]);
    expect(providers.length).toBeGreaterThan(10);
    expect(leaksOf(providers, canaries)).toEqual([]);
    expect(leaksOf(Object.entries(pay), canaries)).toEqual([]);
    const env = wechat.pay.merchant.env({ notifyUrl: options.notify.url });
    expect(leaksOf([['environment', wechatPayOptionsFromEnv(env)]], canaries)).toEqual([]);
    expect(leaksOf([['plain', { privateKey, apiV3Key }]], canaries)).toEqual([
      'plain: privateKey',
      'plain: apiV3Key',
      'plain: privateKey',
      'plain: apiV3Key',
    ]); // control
    await services.close();
    await wechat.close();
  });
});
