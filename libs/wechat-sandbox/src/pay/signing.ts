import { createCipheriv, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { unixSeconds } from '../world/clock.js';
import type { KeyPair } from './keys.js';

/** A key with which WeChat signs responses and notifications. */
export interface PlatformKey {
  /** `PUB_KEY_ID_…`, or the serial of a platform certificate. */
  id: string;
  pair: KeyPair;
  /** Of a platform certificate. */
  notBefore?: Date;
}

/** Joins the lines to sign. Each line ends with a line feed, also the last one. */
export const lines = (...texts: (string | Buffer)[]): Buffer =>
  Buffer.concat(texts.flatMap((text) => [Buffer.from(text as string), Buffer.from('\n')]));

/** RSASSA-PKCS1-v1_5 with SHA-256, in Base64. */
const rsaSign = (text: Buffer, privateKey: KeyObject): string =>
  sign('sha256', text, privateKey).toString('base64');

/** Whether a Base64 signature of the text is valid. */
export const rsaVerify = (text: Buffer, signature: string, publicKey: KeyObject): boolean =>
  verify('sha256', text, publicKey, Buffer.from(signature, 'base64'));

/**
 * The `Wechatpay-*` headers of a response or a notification.
 *
 * @param body the exact bytes
 * @param at real time in milliseconds, because clients check the age of a signature by real time
 */
export function signatureHeaders(
  key: PlatformKey,
  body: Buffer,
  at = Date.now(),
): Record<string, string> {
  const timestamp = String(unixSeconds(at));
  const nonce = randomBytes(16).toString('hex');
  return {
    'Wechatpay-Timestamp': timestamp,
    'Wechatpay-Nonce': nonce,
    'Wechatpay-Serial': key.id,
    'Wechatpay-Signature': rsaSign(lines(timestamp, nonce, body), key.pair.privateKey),
    'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048',
  };
}

/** A text that WeChat has encrypted with the APIv3 key. */
export interface EncryptedResource {
  algorithm: 'AEAD_AES_256_GCM';
  ciphertext: string;
  associated_data: string;
  nonce: string;
}

/** AES-256-GCM; the tag is the end of the ciphertext. */
export function encryptResource(
  text: string,
  associated_data: string,
  apiV3Key: string,
): EncryptedResource {
  const nonce = randomBytes(9).toString('base64url');
  const cipher = createCipheriv('aes-256-gcm', apiV3Key, nonce).setAAD(
    Buffer.from(associated_data),
  );
  const parts = [cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return {
    algorithm: 'AEAD_AES_256_GCM',
    ciphertext: Buffer.concat(parts).toString('base64'),
    associated_data,
    nonce,
  };
}

/** `08F78BB5AF0610D302189F99DD5C20BA56F89845-0`; the digits at the end are 0 for a success. */
export const newRequestId = (suffix: number): string =>
  `08${randomBytes(19).toString('hex').toUpperCase()}-${suffix}`;

/** RFC 3339 in Beijing's time, without fractions. */
export const beijingTime = (at: number): string =>
  `${new Date(at + 8 * 3600_000).toISOString().slice(0, 19)}+08:00`;
