import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import { decodeBase64 } from '../crypto/base64.js';
import {
  WechatBadRequestError,
  WechatDecryptError,
  WechatSignatureError,
} from '../wechat.errors.js';

/**
 * What a mini program sends of open data, exactly as WeChat gave it.
 *
 * @example
 * ```ts
 * const { encryptedData, iv }: EncryptedOpenData = request.body;
 * ```
 */
export interface EncryptedOpenData {
  encryptedData: string;
  iv: string;
}

/**
 * What every decrypted object carries.
 *
 * @example
 * ```ts
 * const { watermark }: { watermark: Watermark } = await crypto.decryptOpenData(session, data);
 * ```
 */
export interface Watermark {
  appid: string;
  /** Seconds since 1970: when WeChat made the data. */
  timestamp: number;
}

/**
 * `wx.getUserInfo`, and `wx.getUserProfile`, which has neither openId nor unionId.
 *
 * @example
 * ```ts
 * const { nickName, avatarUrl } = await crypto.decryptOpenData<WechatUserProfile>(session, data);
 * ```
 */
export interface WechatUserProfile {
  openId?: string;
  unionId?: string;
  nickName: string;
  avatarUrl: string;
  gender?: number;
  language?: string;
  city?: string;
  province?: string;
  country?: string;
  watermark: Watermark;
}

/**
 * Open data, the key that opens it, and what it must be to be believed.
 *
 * @example
 * ```ts
 * const input: DecryptOpenDataInput = { sessionKey, appId, encryptedData, iv, maxAge: 600_000 };
 * ```
 */
export interface DecryptOpenDataInput extends EncryptedOpenData {
  /** base64 text, as jscode2session gave it. */
  sessionKey: string;
  /** The app that the data must have been made for. */
  appId: string;
  /** The user that the data must be of, where it names one. */
  openid?: string;
  /** Oldest accepted watermark in milliseconds; 0 accepts any age. @default 0 */
  maxAge?: number;
  /** Milliseconds since 1970. @default Date.now() */
  now?: number;
}

/** 64 KB of ciphertext; WeChat's largest object, 31 days of steps, is below 3 KB. */
const MAX_CIPHERTEXT = 65_536;
/** Clocks differ a little; a watermark from further in the future was not made by WeChat. */
const CLOCK_SKEW = 60_000;
const POISONED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
/** WeChat nests three deep. A text that nests thousands of times overflows the stack of whoever prints it. */
const MAX_DEPTH = 32;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decrypts open data (AES-128-CBC, PKCS#7) and checks that it is what it claims: one of WeChat's objects, made for this
 * app, fresh, and of this user.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
 * @throws WechatDecryptError for whatever is wrong, always the same
 *
 * @example
 * ```ts
 * const { phoneNumber } = decryptOpenData<WechatPhone>({ sessionKey, appId, encryptedData, iv });
 * ```
 */
export function decryptOpenData<T = Record<string, unknown>>(input: DecryptOpenDataInput): T {
  try {
    const data: unknown = JSON.parse(decipher(input));
    if (isHarmless(data) && isObject(data) && isOpenData(data) && isFor(input, data))
      return data as T;
  } catch {
    // Which step failed is nobody's business: see WechatDecryptError.
  }
  throw new WechatDecryptError();
}

function decipher({ sessionKey, encryptedData, iv }: DecryptOpenDataInput): string {
  const [key, vector, ciphertext] = [
    decodeBase64(sessionKey),
    decodeBase64(iv),
    decodeBase64(encryptedData),
  ];
  if (
    key?.length !== 16 ||
    vector?.length !== 16 ||
    !ciphertext ||
    ciphertext.length > MAX_CIPHERTEXT
  )
    throw new WechatDecryptError();
  const aes = createDecipheriv('aes-128-cbc', key, vector);
  return UTF8.decode(Buffer.concat([aes.update(ciphertext), aes.final()]));
}

function isHarmless(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const inner = value as Record<string, unknown>;
  return (
    depth > 0 &&
    Object.keys(inner).every((key) => !POISONED_KEYS.has(key) && isHarmless(inner[key], depth - 1))
  );
}

function isFor(
  { appId, openid, maxAge = 0, now = Date.now() }: DecryptOpenDataInput,
  data: Record<string, unknown>,
): boolean {
  const { watermark } = data;
  if (
    !isObject(watermark) ||
    watermark['appid'] !== appId ||
    !Number.isSafeInteger(watermark['timestamp'])
  )
    return false;
  const age = now - Number(watermark['timestamp']) * 1000;
  const fresh = maxAge === 0 || (age <= maxAge && age >= -CLOCK_SKEW);
  return (
    fresh && (openid === undefined || data['openId'] === undefined || data['openId'] === openid)
  );
}

/** The objects that WeChat encrypts. Fields that it adds to a known object pass through. */
function isOpenData(data: Record<string, unknown>): boolean {
  const text = (...fields: string[]): boolean =>
    fields.every((field) => typeof data[field] === 'string');
  const absent = (...fields: string[]): boolean =>
    fields.every((field) => data[field] === undefined);
  const isUserInfo = (): boolean => text('openId', 'nickName', 'avatarUrl');
  const isAnonymousProfile = (): boolean =>
    text('nickName', 'avatarUrl') && absent('openId', 'unionId');
  const isPhone = (): boolean =>
    text('phoneNumber', 'purePhoneNumber') &&
    ['string', 'number'].includes(typeof data['countryCode']);
  const isSteps = (): boolean =>
    Array.isArray(data['stepInfoList']) && data['stepInfoList'].every(isStep);
  const isGroup = (): boolean => text('openGId') || text('opengid');
  return isUserInfo() || isPhone() || isSteps() || isGroup() || isAnonymousProfile();
}

function isStep(value: unknown): boolean {
  return (
    isObject(value) && typeof value['timestamp'] === 'number' && typeof value['step'] === 'number'
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * rawData and its signature, exactly as the mini program got them.
 *
 * @example
 * ```ts
 * const { rawData, signature }: SignedRawData = request.body;
 * ```
 */
export interface SignedRawData {
  rawData: string;
  /** 40 lower-case hex digits. */
  signature: string;
}

const SHA1_HEX = /^[0-9a-f]{40}$/;

/**
 * Checks that `signature` is sha1(rawData + session_key): that rawData came from WeChat for this user.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
 * @throws WechatSignatureError if it is not
 *
 * @example
 * ```ts
 * verifyRawData({ sessionKey, rawData, signature });      // throws WechatSignatureError
 * ```
 */
export function verifyRawData({
  sessionKey,
  rawData,
  signature,
}: SignedRawData & { sessionKey: string }): void {
  if (typeof rawData !== 'string' || typeof signature !== 'string' || !SHA1_HEX.test(signature))
    throw new WechatSignatureError();
  const expected = createHash('sha1').update(rawData).update(sessionKey).digest();
  if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) throw new WechatSignatureError();
}

/**
 * That both parts of open data are there. Whatever they hold is judged by decryption, with its one answer.
 * @throws WechatBadRequestError if one is absent
 */
export function requireText<T extends object>(input: T, ...fields: (keyof T & string)[]): void {
  const missing = fields.filter((field) => typeof input?.[field] !== 'string');
  if (missing.length > 0)
    throw new WechatBadRequestError(missing.map((field) => `${field} is required`).join('; '));
}
