import { Module } from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PaymentService, PayNotificationService, WechatPayModule } from 'nestjs-wechat/pay';
import type { WechatPayOptions } from 'nestjs-wechat/pay';
import { createPublicKey, createSecretKey, createDecipheriv, verify } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Aes, Formatter, Rsa, Wechatpay } from 'wechatpay-axios-plugin';
import NodeV3 from 'wechatpay-node-v3';
import { MERCHANT, notification, payOptions } from '../support/pay-messages.js';
import type { PayMessage } from '../support/pay-messages.js';
import { rotated } from './bench.js';
import { serveTasks } from './child.js';

/** Parts of WeChat Pay without an HTTP server, in a process of their own. */
serveTasks({ timesOfOpening, loopDelay });

const WAYS = ['ours', 'bare', 'axiosPlugin', 'nodeV3', 'unknownSerial', 'stale', 'probe'] as const;

/** Microseconds of CPU time for one notification. */
export type OpeningTimes = Record<(typeof WAYS)[number], number>;

/** One notification opened by the library, by hand, and as the documentation of two SDKs opens it; and refusals. */
async function timesOfOpening({
  rounds,
  times,
}: {
  rounds: number;
  times: number;
}): Promise<OpeningTimes[]> {
  const app = await start(payOptions());
  const ways = waysToOpen(app.get(PayNotificationService));
  for (const way of WAYS) await microsecondsOf(ways[way], times); // warm-up
  const measured: OpeningTimes[] = [];
  for (let round = 0; round < rounds; round++) {
    const found: Partial<OpeningTimes> = {};
    for (const way of rotated([...WAYS], round))
      found[way] = await microsecondsOf(ways[way], times);
    measured.push(found as OpeningTimes);
  }
  await app.close();
  return measured;
}

function start(options: WechatPayOptions): Promise<INestApplicationContext> {
  @Module({ imports: [WechatPayModule.forRoot(options)] })
  class PayPiecesModule {}
  return NestFactory.createApplicationContext(PayPiecesModule, { logger: false });
}

function waysToOpen(service: PayNotificationService): Record<keyof OpeningTimes, () => unknown> {
  const message = notification();
  const refused = (name: string, value: string) => {
    const headers = { ...message.headers, [`wechatpay-${name}`]: value };
    return async () => {
      const { status } = await service.handle({ headers, body: message.body });
      if (status !== 401) throw new Error(`a wrong ${name} is ${status}`);
    };
  };
  return {
    ours: () => service.open(message),
    bare: openByHand(message),
    axiosPlugin: openWithAxiosPlugin(message),
    nodeV3: openWithNodeV3(message),
    unknownSerial: refused('serial', 'PUB_KEY_ID_unknown'),
    stale: refused('timestamp', '1700000000'),
    probe: refused('signature', 'WECHATPAY/SIGNTEST/c2lnbmF0dXJl'),
  };
}

interface Parts {
  timestamp: string;
  nonce: string;
  serial: string;
  signature: string;
}

const partsOf = ({ headers }: PayMessage): Parts => ({
  timestamp: headers['wechatpay-timestamp']!,
  nonce: headers['wechatpay-nonce']!,
  serial: headers['wechatpay-serial']!,
  signature: headers['wechatpay-signature']!,
});

interface Sealed {
  resource: { ciphertext: string; nonce: string; associated_data: string };
}

const check = (isValid: boolean): void => {
  if (!isValid) throw new Error('the signature does not verify');
};

/** The floor: nothing but the signature, the cipher and the JSON, with keys that were read before. */
function openByHand(message: PayMessage): () => unknown {
  const publicKey = createPublicKey(MERCHANT.wechatKey);
  const apiV3Key = createSecretKey(Buffer.from(MERCHANT.apiV3Key));
  const { timestamp, nonce, signature } = partsOf(message);
  return () => {
    const head = Buffer.from(`${timestamp}\n${nonce}\n`);
    const text = Buffer.concat([head, message.body, Buffer.from('\n')]);
    check(verify('sha256', text, publicKey, Buffer.from(signature, 'base64')));
    const { resource } = JSON.parse(message.body.toString()) as Sealed;
    const sealed = Buffer.from(resource.ciphertext, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', apiV3Key, resource.nonce)
      .setAuthTag(sealed.subarray(-16))
      .setAAD(Buffer.from(resource.associated_data));
    const opened = decipher.update(sealed.subarray(0, -16), undefined, 'utf8');
    return JSON.parse(opened + decipher.final('utf8')) as unknown;
  };
}

/** As its README: the key is read from its PEM for each notification. It checks the age with one line of the team's code. */
function openWithAxiosPlugin(message: PayMessage): () => unknown {
  const { timestamp, nonce, signature } = partsOf(message);
  return () => {
    check(Math.abs(Formatter.timestamp() - Number(timestamp)) < 300);
    const text = Formatter.response(timestamp, nonce, message.body.toString());
    const key = Rsa.from(MERCHANT.wechatKey, Rsa.KEY_TYPE_PUBLIC);
    check(Rsa.verify(text, signature, key));
    const { resource } = JSON.parse(message.body.toString()) as Sealed;
    const { ciphertext, nonce: iv, associated_data: aad } = resource;
    return JSON.parse(Aes.AesGcm.decrypt(ciphertext, MERCHANT.apiV3Key, iv, aad)) as unknown;
  };
}

/** It holds its keys as PEM. */
function openWithNodeV3(message: PayMessage): () => unknown {
  const sdk = new NodeV3({
    appid: 'wx1234567890abcdef',
    mchid: MERCHANT.mchId,
    serial_no: MERCHANT.certificateSerial,
    publicKey: Buffer.from(MERCHANT.publicKey),
    privateKey: Buffer.from(MERCHANT.privateKey),
    key: MERCHANT.apiV3Key,
  });
  const parts = partsOf(message);
  // Its only way to a key without a download.
  (NodeV3 as unknown as { certificates: Record<string, string> }).certificates = {
    [parts.serial]: MERCHANT.wechatKey,
  };
  return async () => {
    check(await sdk.verifySign({ ...parts, body: message.body.toString() }));
    const { resource } = JSON.parse(message.body.toString()) as Sealed;
    const { ciphertext, associated_data, nonce } = resource;
    return sdk.decipher_gcm(ciphertext, associated_data, nonce);
  };
}

/** CPU time, which other processes change less than the time of the clock. */
async function microsecondsOf(run: () => unknown, times: number): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

/** What pays: nothing, the library, or an SDK that signs on the event loop. */
export type Payer = 'nothing' | 'ours' | 'axiosPlugin';

export interface LoopDelayOrder {
  payer: Payer;
  options: WechatPayOptions;
  perSecond: number;
  seconds: number;
}

export interface LoopDelay {
  /** In milliseconds. */
  p99: number;
  /** Payments that were prepared. */
  perSecond: number;
}

const TICK_MS = 5;
const RESOLUTION_MS = 1;
let number = 0;

/** How much later than planned this process runs its timers, in milliseconds, 99th percentile, while it prepares payments. */
async function loopDelay(order: LoopDelayOrder): Promise<LoopDelay> {
  const payer = await PAYERS[order.payer](order.options);
  for (let i = 0; i < 20; i++) await payer.pay(); // connections and compiled code
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const running: Promise<unknown>[] = [];
  let paid = 0;
  const payOnce = (): Promise<unknown> =>
    payer.pay().then(
      () => paid++,
      () => undefined, // a machine that is too slow prepares fewer
    );
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1_000;
  delay.enable();
  while (elapsed() < order.seconds) {
    while (running.length < elapsed() * order.perSecond) running.push(payOnce());
    await sleep(TICK_MS);
  }
  delay.disable();
  await Promise.all(running);
  await payer.close();
  const p99 = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS);
  return { p99, perSecond: paid / elapsed() };
}

/** The part of the SDK's chain that is used here. */
interface AxiosPlugin {
  v3: {
    pay: {
      transactions: {
        jsapi: { post(body: object): Promise<{ data: { prepay_id: string } }> };
      };
    };
  };
}

interface Paying {
  pay: () => Promise<unknown>;
  close: () => Promise<unknown>;
}

const openid = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';
const newOutTradeNo = (): string => `BENCH-${process.pid}-${++number}`;
const nothing = (): Promise<void> => Promise.resolve();

const PAYERS: Record<Payer, (options: WechatPayOptions) => Promise<Paying>> = {
  nothing: async () => ({ pay: nothing, close: nothing }),
  ours: async (options) => {
    const app = await start(options);
    const payments = app.get(PaymentService);
    const order = { openid, description: 'Latte', amount: 2200 };
    return {
      pay: () => payments.prepayWithRequestPayment({ ...order, outTradeNo: newOutTradeNo() }),
      close: () => app.close(),
    };
  },
  axiosPlugin: async ({ mchId, certificateSerial, privateKey, publicKeys, api, notify, appId }) => {
    const [{ id, pem }] = publicKeys as [{ id: string; pem: string }];
    const sdk = new Wechatpay({
      mchid: mchId,
      serial: certificateSerial!,
      privateKey,
      certs: { [id]: pem },
      baseURL: api!.baseUrl,
    } as never) as unknown as AxiosPlugin;
    const pay = async (): Promise<string> => {
      const { data } = await sdk.v3.pay.transactions.jsapi.post({
        appid: appId,
        mchid: mchId,
        description: 'Latte',
        out_trade_no: newOutTradeNo(),
        notify_url: notify.url,
        amount: { total: 2200, currency: 'CNY' },
        payer: { openid },
      });
      const prepay = `prepay_id=${data.prepay_id}`;
      const text = [appId!, `${Formatter.timestamp()}`, Formatter.nonce(), prepay];
      const key = Rsa.from(privateKey, Rsa.KEY_TYPE_PRIVATE);
      return Rsa.sign(Formatter.joinedByLineFeed(...text), key);
    };
    return { pay, close: nothing };
  },
};
