import { createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import type { KeyLike, KeyObject } from 'node:crypto';
import { decodeBase64 } from '../crypto/base64.js';
import { WechatCallbackError } from '../wechat.errors.js';

const ALGORITHM = 'sha256';
/** WeChat Pay and its SDKs refuse a message whose time differs by this much, in seconds. */
const MAX_AGE_SECONDS = 300;
/** WeChat Pay probes merchants with signatures that are wrong on purpose. */
const PROBE = 'WECHATPAY/SIGNTEST/';
export const PROBE_REFUSED = 'A probe of WeChat Pay with a wrong signature was refused.';

/**
 * The parameters of `wx.requestPayment`.
 *
 * @experimental
 * @example
 * ```ts
 * const params: RequestPayment = await payments.signRequestPayment(prepayId);      // wx.requestPayment(params)
 * ```
 */
export interface RequestPayment {
  /** Seconds since 1970. */
  timeStamp: string;
  /** 32 letters and digits. */
  nonceStr: string;
  /** `prepay_id=…` */
  package: string;
  signType: 'RSA';
  paySign: string;
}

/**
 * The parameters of WeChat's SDK for mobile apps.
 *
 * @experimental
 * @example
 * ```ts
 * const params: AppPayment = signAppPayment({ appId, mchId, prepayId, privateKey });
 * ```
 */
export interface AppPayment {
  appid: string;
  partnerid: string;
  prepayid: string;
  package: 'Sign=WXPay';
  noncestr: string;
  timestamp: string;
  sign: string;
}

/**
 * A key that verifies what WeChat Pay sends: the public key (微信支付公钥) or a platform certificate (平台证书).
 *
 * @experimental
 * @example
 * ```ts
 * const key: PayVerificationKey = { id: 'PUB_KEY_ID_…', pem: '-----BEGIN PUBLIC KEY-----…' };
 * ```
 */
export interface PayVerificationKey {
  /** The id of the public key, or the serial number of the certificate. */
  id: string;
  pem: string;
}

/**
 * The headers of a message of WeChat Pay. The case of the names does not matter. A header that was sent twice is a list.
 *
 * @experimental
 * @example
 * ```ts
 * const headers: PayHeaders = request.headers;      // of node:http, Express or Fastify
 * ```
 */
export type PayHeaders = Record<string, string | string[] | undefined>;

/** What is signed in a request, see https://pay.weixin.qq.com/doc/v3/merchant/4012365336 */
export function requestText(
  method: string,
  url: string,
  timestamp: string,
  nonce: string,
  body: string,
): string {
  return `${method}\n${url}\n${timestamp}\n${nonce}\n${body}\n`;
}

/** What is signed in a response and in a notification, see https://pay.weixin.qq.com/doc/v3/merchant/4013053420 */
function responseText(timestamp: string, nonce: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, Buffer.from('\n')]);
}

/** What is signed for `wx.requestPayment`, see https://pay.weixin.qq.com/doc/v3/merchant/4012365341 */
export function paymentText(
  appId: string,
  timeStamp: string,
  nonceStr: string,
  prepay: string,
): string {
  return `${appId}\n${timeStamp}\n${nonceStr}\n${prepay}\n`;
}

/** 32 letters and digits. */
export function newNonce(): string {
  return randomBytes(16).toString('hex');
}

export function nowInSeconds(): string {
  return String(Math.floor(Date.now() / 1000));
}

/**
 * Signs in a thread of Node's pool, so that many signatures do not delay other requests.
 * @returns base64 of RSASSA-PKCS1-v1_5 with SHA-256
 */
export function signText(text: string, privateKey: KeyObject): Promise<string> {
  return new Promise((resolve, reject) => {
    sign(ALGORITHM, Buffer.from(text), privateKey, (error, signature) =>
      error ? reject(error) : resolve(signature.toString('base64')),
    );
  });
}

/**
 * Signs the parameters of `wx.requestPayment`. `PaymentService.signRequestPayment` does the same without blocking the event loop.
 *
 * @experimental
 * @param input
 * @param input.privateKey the merchant's private key as PEM or key object
 * @param input.timeStamp seconds since 1970. Default: now
 * @param input.nonceStr at most 32 letters and digits. Default: random
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4012365341
 * @example
 * ```ts
 * const params = signRequestPayment({ appId: 'wx…', prepayId: 'wx20…', privateKey });
 * ```
 */
export function signRequestPayment({
  appId,
  prepayId,
  privateKey,
  timeStamp = nowInSeconds(),
  nonceStr = newNonce(),
}: {
  appId: string;
  prepayId: string;
  privateKey: KeyLike;
  timeStamp?: string;
  nonceStr?: string;
}): RequestPayment {
  const prepay = `prepay_id=${prepayId}`;
  const text = paymentText(appId, timeStamp, nonceStr, prepay);
  const paySign = sign(ALGORITHM, Buffer.from(text), privateKey).toString('base64');
  return { timeStamp, nonceStr, package: prepay, signType: 'RSA', paySign };
}

/**
 * Signs the parameters of WeChat's SDK for mobile apps (App 支付). It signs the bare prepay id.
 *
 * @experimental
 * @param input
 * @param input.privateKey the merchant's private key as PEM or key object
 * @param input.timeStamp seconds since 1970. Default: now
 * @param input.nonceStr at most 32 letters and digits. Default: random
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4013070351
 * @example
 * ```ts
 * const params = signAppPayment({ appId: 'wx…', mchId: '1900000001', prepayId: 'wx20…', privateKey });
 * ```
 */
export function signAppPayment({
  appId,
  mchId,
  prepayId,
  privateKey,
  timeStamp = nowInSeconds(),
  nonceStr = newNonce(),
}: {
  appId: string;
  mchId: string;
  prepayId: string;
  privateKey: KeyLike;
  timeStamp?: string;
  nonceStr?: string;
}): AppPayment {
  const text = paymentText(appId, timeStamp, nonceStr, prepayId);
  return {
    appid: appId,
    partnerid: mchId,
    prepayid: prepayId,
    package: 'Sign=WXPay',
    noncestr: nonceStr,
    timestamp: timeStamp,
    sign: sign(ALGORITHM, Buffer.from(text), privateKey).toString('base64'),
  };
}

/** The signature of a message, after the checks that need no key. */
export interface PaySignature {
  serial: string;
  timestamp: string;
  nonce: string;
  /** As sent. */
  signature: string;
}

/**
 * Reads the signature from the headers. Refuses missing headers, stale times and probes before any key is used, so that a
 * refusal is cheap.
 *
 * @param now in milliseconds since 1970
 * @throws WechatCallbackError
 */
export function readSignature(headers: PayHeaders, now: number): PaySignature {
  const serial = singleHeader(headers, 'wechatpay-serial');
  const timestamp = singleHeader(headers, 'wechatpay-timestamp');
  const nonce = singleHeader(headers, 'wechatpay-nonce');
  const signature = singleHeader(headers, 'wechatpay-signature');
  if (!/^\d{1,12}$/.test(timestamp)) throw refused('Wechatpay-Timestamp is not a number');
  if (Math.abs(Math.floor(now / 1000) - Number(timestamp)) >= MAX_AGE_SECONDS)
    throw refused(
      'Wechatpay-Timestamp differs by 5 minutes or more. Compare the clock of this server',
    );
  if (signature.startsWith(PROBE)) throw new WechatCallbackError(PROBE_REFUSED, 401);
  return { serial, timestamp, nonce, signature };
}

/** @throws WechatCallbackError if the signature is not base64 or does not belong to these bytes */
export function checkSignature(
  { timestamp, nonce, signature }: PaySignature,
  body: Buffer,
  key: KeyObject,
): void {
  const bytes = decodeBase64(signature);
  if (!bytes) throw refused('Wechatpay-Signature is not base64');
  if (verify(ALGORITHM, responseText(timestamp, nonce, body), key, bytes)) return;
  throw refused('The signature does not match the exact bytes of the body');
}

/**
 * Verifies that WeChat Pay signed these bytes: the body of a response or of a notification.
 *
 * @experimental
 * @param input
 * @param input.body the exact bytes; an object that was parsed and serialised again does not verify
 * @param input.keys the key is chosen by `Wechatpay-Serial`
 * @param input.now default: the time of this server
 * @throws WechatCallbackError
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4013053420
 * @example
 * ```ts
 * verifyPaySignature({ headers: request.headers, body: rawBody, keys: [{ id: 'PUB_KEY_ID_…', pem }] });
 * ```
 */
export function verifyPaySignature({
  headers,
  body,
  keys,
  now = new Date(),
}: {
  headers: PayHeaders;
  body: Buffer;
  keys: PayVerificationKey[];
  now?: Date;
}): void {
  const signature = readSignature(headers, now.getTime());
  const key = keys.find(({ id }) => id === signature.serial);
  if (!key) throw refused('Wechatpay-Serial is not the id of a configured key');
  checkSignature(signature, body, createPublicKey(key.pem));
}

function singleHeader(headers: PayHeaders, name: string): string {
  const value = headers[name] ?? inAnyCase(headers, name);
  if (typeof value === 'string' && value !== '') return value;
  throw refused(Array.isArray(value) ? `${name} was sent twice` : `${name} is missing`);
}

/** Node writes names in lower case. Other sources keep WeChat's spelling, for example events of a cloud function. */
function inAnyCase(headers: PayHeaders, name: string): string | string[] | undefined {
  const spelled = Object.keys(headers).find((one) => one.toLowerCase() === name);
  return spelled === undefined ? undefined : headers[spelled];
}

function refused(reason: string): WechatCallbackError {
  return new WechatCallbackError(`The message is not signed by WeChat Pay: ${reason}.`, 401);
}
