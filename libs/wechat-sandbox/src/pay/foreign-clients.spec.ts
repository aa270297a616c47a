import { X509Certificate } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { Aes, Formatter, Rsa, Wechatpay } from 'wechatpay-axios-plugin';
import Pay from 'wechatpay-node-v3';
import { startWechatSandbox, type SandboxUser, type WechatSandbox } from '../index.js';
import { Shop, type Arrived } from './pay-client.for-spec.js';

let wechat: WechatSandbox;
let shop: Shop;
let alice: SandboxUser;

async function start(verifyWith: 'public-key' | 'certificates'): Promise<void> {
  wechat = await startWechatSandbox({ demoUsers: true, pay: { merchants: [{ verifyWith }] } });
  alice = wechat.users.get('alice')!;
}
beforeEach(async () => {
  shop = new Shop();
  await shop.start();
});
afterEach(async () => {
  await wechat.close();
  await shop.stop();
});

const order = () => ({
  description: 'Image形象店-深圳腾大-QQ公仔',
  out_trade_no: '1217752501201407033233368018',
  notify_url: shop.url,
  amount: { total: 100, currency: 'CNY' },
  payer: { openid: alice.openid() },
});
/** The only host for which wechatpay-node-v3 signs requests. */
const OFFICIAL = 'https://api.mch.weixin.qq.com';
const REFUND = {
  out_trade_no: '1217752501201407033233368018',
  out_refund_no: 'R-1',
  reason: '商品已售完',
  amount: { refund: 100, total: 100, currency: 'CNY' },
};

describe('wechatpay-axios-plugin, with the public key', () => {
  let sdk: any;

  beforeEach(async () => {
    await start('public-key');
    const { mchId, certificateSerial, privateKey, publicKey } = wechat.pay.merchant;
    sdk = new Wechatpay({
      mchid: mchId,
      serial: certificateSerial,
      privateKey,
      certs: { [publicKey!.id]: publicKey!.pem },
      baseURL: wechat.url,
    } as any);
  });

  /** As its README verifies a notification. */
  function open({ headers, body, json }: Arrived): any {
    const { publicKey, apiV3Key } = wechat.pay.merchant;
    const get = (name: string): string => String(headers[`wechatpay-${name}`]);
    expect(get('serial')).toBe(publicKey!.id);
    const text = Formatter.response(get('timestamp'), get('nonce'), body.toString());
    expect(Rsa.verify(text, get('signature'), Rsa.from(publicKey!.pem, Rsa.KEY_TYPE_PUBLIC))).toBe(
      true,
    );
    const { ciphertext, nonce, associated_data: aad } = json.resource;
    return JSON.parse(Aes.AesGcm.decrypt(ciphertext, apiV3Key, nonce, aad));
  }

  it('takes a payment, refunds it, and decrypts the notifications of the sandbox', async () => {
    const { mchId } = wechat.pay.merchant;
    const appid = wechat.apps[0]!.appId;
    const { data } = await sdk.v3.pay.transactions.jsapi.post({ appid, mchid: mchId, ...order() });
    const params: any = {
      timeStamp: `${Formatter.timestamp()}`,
      nonceStr: Formatter.nonce(),
      package: `prepay_id=${data.prepay_id}`,
      signType: 'RSA',
    };
    params.paySign = Rsa.sign(
      Formatter.joinedByLineFeed(appid, params.timeStamp, params.nonceStr, params.package),
      Rsa.from(wechat.pay.merchant.privateKey, Rsa.KEY_TYPE_PRIVATE),
    );
    expect(await alice.requestPayment(params)).toEqual({ errMsg: 'requestPayment:ok' });
    await wechat.settle();
    expect(open(shop.arrived[0]!)).toMatchObject({
      trade_state: 'SUCCESS',
      amount: { total: 100 },
    });

    const query = { params: { mchid: mchId }, no: REFUND.out_trade_no };
    const paid = await sdk.v3.pay.transactions.outTradeNo['{no}'].get(query);
    expect(paid.data).toMatchObject({ trade_state: 'SUCCESS', payer: { openid: alice.openid() } });

    const refund = await sdk.v3.refund.domestic.refunds.post({ ...REFUND, notify_url: shop.url });
    expect(refund.data).toMatchObject({ status: 'PROCESSING' });
    wechat.clock.advance('3s');
    await wechat.settle();
    expect(open(shop.arrived[1]!)).toMatchObject({
      refund_status: 'SUCCESS',
      out_refund_no: 'R-1',
    });
  });

  it('closes an order and verifies the signature of the 204', async () => {
    const { mchId } = wechat.pay.merchant;
    const body = { appid: wechat.apps[0]!.appId, mchid: mchId, ...order() };
    await sdk.v3.pay.transactions.jsapi.post(body);
    const close = sdk.v3.pay.transactions.outTradeNo['{no}'].close;
    const { status } = await close.post({ mchid: mchId }, { no: REFUND.out_trade_no });
    expect(status).toBe(204);
    expect(wechat.pay.order(REFUND.out_trade_no)!.state).toBe('CLOSED');
  });

  it('reports a refusal with its code', async () => {
    const query = { params: { mchid: wechat.pay.merchant.mchId }, no: 'unknown-order' };
    await expect(sdk.v3.pay.transactions.outTradeNo['{no}'].get(query)).rejects.toMatchObject({
      response: { status: 404, data: { code: 'ORDER_NOT_EXIST' } },
    });
  });

  it('refuses a response with the signature of other bytes', async () => {
    const path = '/v3/pay/transactions/jsapi';
    wechat.next(path, { tamper: 'body' });
    wechat.next(path, { tamper: 'signature' });
    wechat.next(path, { tamper: 'unsigned' });
    wechat.next(path, { tamper: 'stale' });
    const body = { appid: wechat.apps[0]!.appId, mchid: wechat.pay.merchant.mchId, ...order() };
    for (const code of ['DIGEST', 'DIGEST', 'INCOMPLATE', 'OFFSET'])
      await expect(sdk.v3.pay.transactions.jsapi.post(body)).rejects.toMatchObject({
        code: expect.stringContaining(code),
      });
    expect((await sdk.v3.pay.transactions.jsapi.post(body)).status).toBe(200);
  });
});

describe('wechatpay-node-v3, with platform certificates', () => {
  let sdk: Pay;

  beforeEach(async () => {
    await start('certificates');
    const { mchId, certificate, privateKey, apiV3Key } = wechat.pay.merchant;
    sdk = new Pay({
      appid: wechat.apps[0]!.appId,
      mchid: mchId,
      publicKey: Buffer.from(certificate),
      privateKey: Buffer.from(privateKey),
      key: apiV3Key,
    });
    sdk.createHttp({ get: send, post: send, upload: send } as any);
  });

  /** Its own HTTP client supports one host only, so its documented `createHttp()` returns another client. */
  async function send(url: string, first: any, second?: any): Promise<any> {
    const [body, headers] = second ? [JSON.stringify(first), second] : [undefined, first];
    const target = url.replace(OFFICIAL, wechat.url);
    const response = await fetch(target, { method: body ? 'POST' : 'GET', headers, body });
    const bytes = Buffer.from(await response.arrayBuffer());
    const isJson = (response.headers.get('content-type') ?? '').includes('json');
    const data = isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : bytes;
    const signed = Object.fromEntries(response.headers);
    return { status: response.status, data, signed, text: bytes.toString() };
  }

  const isSigned = (headers: any, body: string): Promise<boolean> =>
    sdk.verifySign({
      timestamp: headers['wechatpay-timestamp'],
      nonce: headers['wechatpay-nonce'],
      serial: headers['wechatpay-serial'],
      signature: headers['wechatpay-signature'],
      body,
      apiSecret: wechat.pay.merchant.apiV3Key,
    });

  function open({ json }: Arrived): any {
    const { ciphertext, associated_data, nonce } = json.resource;
    const { apiV3Key } = wechat.pay.merchant;
    return sdk.decipher_gcm(ciphertext, associated_data, nonce, apiV3Key);
  }

  it('takes a payment, refunds it, verifies and decrypts the notifications, and downloads the bill', async () => {
    const prepaid: any = await sdk.transactions_jsapi(order());
    expect(prepaid.data).toMatchObject({ signType: 'RSA', paySign: expect.any(String) });
    expect(await alice.requestPayment(prepaid.data)).toEqual({ errMsg: 'requestPayment:ok' });
    await wechat.settle();
    const [paid] = shop.arrived;
    expect(await isSigned(paid!.headers, paid!.body.toString())).toBe(true);
    expect(open(paid!)).toMatchObject({ trade_state: 'SUCCESS' });

    const query: any = await sdk.query({ out_trade_no: REFUND.out_trade_no });
    expect(query.data).toMatchObject({ trade_state: 'SUCCESS' });
    expect(await isSigned(query.signed, query.text)).toBe(true);
    expect(await isSigned(query.signed, `${query.text} `)).toBe(false);

    const refund: any = await sdk.refunds({ ...REFUND, notify_url: shop.url } as any);
    expect(refund.data).toMatchObject({ status: 'PROCESSING' });
    wechat.clock.advance('3s');
    await wechat.settle();
    const refunded = shop.arrived[1]!;
    expect(await isSigned(refunded.headers, refunded.body.toString())).toBe(true);
    expect(open(refunded)).toMatchObject({ refund_status: 'SUCCESS' });

    const today = new Date(wechat.clock.now() + 8 * 3600_000).toISOString().slice(0, 10);
    wechat.clock.advance('2d');
    const bill: any = await sdk.tradebill({ bill_date: today, bill_type: 'ALL', tar_type: 'GZIP' });
    expect(bill.status).toBe(200);
    const { data }: any = await sdk.downloadBill(
      bill.data.download_url.replace(wechat.url, OFFICIAL),
    );
    expect(gunzipSync(data).toString()).toContain(`\`${REFUND.out_trade_no},`);
  });

  it('reads the serial from the certificate of the private key', async () => {
    const { certificate, certificateSerial, mchId } = wechat.pay.merchant;
    expect(sdk.getSN(Buffer.from(certificate))).toBe(certificateSerial.toLowerCase());
    const x509 = new X509Certificate(certificate);
    expect(x509.serialNumber).toBe(certificateSerial);
    expect(x509.subject).toContain(`CN=${mchId}`);
    const certificates = await sdk.get_certificates(wechat.pay.merchant.apiV3Key);
    expect(certificates).toHaveLength(1);
  });
});
