import { createCipheriv, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { WechatPayOptions } from 'nestjs-wechat/pay';

const rsa = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = (key: KeyObject): string =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string;

const wechat = rsa();
const merchant = rsa();

/** A merchant for which this file has the keys of WeChat Pay, so that a test can sign any message. */
export const MERCHANT = {
  mchId: '1900000001',
  certificateSerial: '1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C',
  privateKey: pem(merchant.privateKey),
  publicKey: pem(merchant.publicKey),
  apiV3Key: 'a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb',
  wechatKeyId: 'PUB_KEY_ID_0119000000012025010100123400001234',
  wechatKey: pem(wechat.publicKey),
} as const;

/** Options of WechatPayModule for that merchant. */
export function payOptions(more: Partial<WechatPayOptions> = {}): WechatPayOptions {
  return {
    mchId: MERCHANT.mchId,
    certificateSerial: MERCHANT.certificateSerial,
    privateKey: MERCHANT.privateKey,
    apiV3Key: MERCHANT.apiV3Key,
    appId: 'wx1234567890abcdef',
    publicKeys: [{ id: MERCHANT.wechatKeyId, pem: MERCHANT.wechatKey }],
    notify: { url: 'https://shop.example/wechat/pay/notify' },
    ...more,
  };
}

export interface PayMessage {
  headers: Record<string, string>;
  body: Buffer;
}

/** Signs bytes as WeChat Pay does. */
export function signedMessage(
  body: Buffer,
  { age = 0, serial = MERCHANT.wechatKeyId as string } = {},
): PayMessage {
  const timestamp = String(Math.floor(Date.now() / 1000) - age);
  const nonce = randomBytes(16).toString('hex');
  const text = Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, Buffer.from('\n')]);
  return {
    headers: {
      'content-type': 'application/json',
      'wechatpay-serial': serial,
      'wechatpay-timestamp': timestamp,
      'wechatpay-nonce': nonce,
      'wechatpay-signature': sign('sha256', text, wechat.privateKey).toString('base64'),
      'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048',
    },
    body,
  };
}

/** Encrypts a text as WeChat Pay does. */
export function encryptedResource(
  text: string,
  { key = MERCHANT.apiV3Key as string, additionalData = 'transaction' } = {},
): Record<string, string> {
  const nonce = randomBytes(6).toString('hex');
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(additionalData));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return {
    original_type: additionalData,
    algorithm: 'AEAD_AES_256_GCM',
    ciphertext: sealed.toString('base64'),
    associated_data: additionalData,
    nonce,
  };
}

let count = 0;

/** A paid order, as WeChat Pay reports it. */
export function paidOrder(over: object = {}): Record<string, unknown> {
  const number = String(++count).padStart(10, '0');
  return {
    transaction_id: `420000${number}`,
    out_trade_no: `ORDER-${number}`,
    appid: 'wx1234567890abcdef',
    mchid: MERCHANT.mchId,
    trade_type: 'JSAPI',
    trade_state: 'SUCCESS',
    trade_state_desc: '支付成功',
    bank_type: 'OTHERS',
    success_time: '2026-11-29T10:34:56+08:00',
    payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
    amount: { total: 2200, payer_total: 2200, currency: 'CNY', payer_currency: 'CNY' },
    ...over,
  };
}

/** The body of a notification, with unusual spaces, because the signature covers the exact bytes. */
export function notificationBody(
  resource: Record<string, unknown> | string,
  { eventType = 'TRANSACTION.SUCCESS', over = {} as object } = {},
): Buffer {
  const text = typeof resource === 'string' ? resource : JSON.stringify(resource);
  const body = {
    id: `EV-${++count}`,
    create_time: '2026-11-29T10:34:57+08:00',
    resource_type: 'encrypt-resource',
    event_type: eventType,
    summary: '支付成功',
    resource: encryptedResource(text),
    ...over,
  };
  return Buffer.from(` ${JSON.stringify(body, null, 3).replaceAll('": ', '"  :\t')}\n`);
}

/** A notification with a valid signature. */
export function notification(
  resource: Record<string, unknown> | string = paidOrder(),
  options: Parameters<typeof notificationBody>[1] = {},
): PayMessage {
  return signedMessage(notificationBody(resource, options));
}
