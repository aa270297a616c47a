import { isUtf8 } from 'node:buffer';
import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import { decodeBase64 } from '../crypto/base64.js';
import { isObject } from '../is-object.js';
import {
  WechatBadRequestError,
  WechatDecryptError,
  WechatSignatureError,
} from '../wechat.errors.js';

/**
 * Encrypted open data, as the mini program received it from WeChat and sends it to the server.
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
 * The part of every decrypted object that names the app and the time.
 *
 * @example
 * ```ts
 * const { watermark }: { watermark: Watermark } = await crypto.decryptOpenData(session, data);
 * ```
 */
export interface Watermark {
  appid: string;
  /** When WeChat encrypted the data, in seconds since 1970. */
  timestamp: number;
}

/**
 * The decrypted data of `wx.getUserInfo` and `wx.getUserProfile`. The latter has neither openId nor unionId.
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
 * Encrypted open data, the key that decrypts it, and the app, user and age that it must have.
 *
 * @example
 * ```ts
 * const input: DecryptOpenDataInput = { sessionKey, appId, encryptedData, iv, maxAge: 600_000 };
 * ```
 */
export interface DecryptOpenDataInput extends EncryptedOpenData {
  /** The session_key in base64, as jscode2session returns it. */
  sessionKey: string;
  /** The app that the watermark must name. */
  appId: string;
  /** The user that the data must name, if it names one. */
  openid?: string;
  /** The oldest accepted watermark, in milliseconds. 0 accepts any age. @default 0 */
  maxAge?: number;
  /** The time, in milliseconds since 1970. @default Date.now() */
  now?: number;
}

/** In bytes. WeChat's largest object, 31 days of steps, has less than 3 KB. */
const MAX_CIPHERTEXT = 65_536;
/** How far a watermark may be in the future, in milliseconds, because clocks differ. */
const CLOCK_SKEW_MS = 60_000;
const POISONED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
/** WeChat's objects have three levels. Thousands of levels would overflow the stack of code that prints the object. */
const MAX_DEPTH = 32;

type Json = Record<string, unknown>;

/**
 * Decrypts open data (AES-128-CBC, PKCS#7) and checks that it is one of WeChat's objects and has the right app, user and age.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
 * @returns the decrypted object
 * @throws WechatDecryptError, the same for every cause
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
    // The error must not tell which step failed: see WechatDecryptError.
  }
  throw new WechatDecryptError();
}

function decipher({ sessionKey, encryptedData, iv }: DecryptOpenDataInput): string {
  const [key, vector, ciphertext] = [
    decodeBase64(sessionKey),
    decodeBase64(blanksToPluses(iv)),
    decodeBase64(blanksToPluses(encryptedData)),
  ];
  if (
    key?.length !== 16 ||
    vector?.length !== 16 ||
    !ciphertext ||
    ciphertext.length > MAX_CIPHERTEXT
  )
    throw new WechatDecryptError();
  const aes = createDecipheriv('aes-128-cbc', key, vector);
  const text = Buffer.concat([aes.update(ciphertext), aes.final()]);
  if (!isUtf8(text)) throw new WechatDecryptError();
  return text.toString();
}

/** A form decodes `+` to a blank. base64 has no blanks, so each of them was a plus. */
function blanksToPluses(text: unknown): unknown {
  return typeof text === 'string' ? text.replaceAll(' ', '+') : text;
}

function isHarmless(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  for (const key in value)
    if (POISONED_KEYS.has(key) || !isHarmless((value as Json)[key], depth - 1)) return false;
  return true;
}

function isFor(
  { appId, openid, maxAge = 0, now = Date.now() }: DecryptOpenDataInput,
  data: Json,
): boolean {
  const { watermark } = data;
  if (
    !isObject(watermark) ||
    watermark['appid'] !== appId ||
    !Number.isSafeInteger(watermark['timestamp'])
  )
    return false;
  const age = now - Number(watermark['timestamp']) * 1000;
  const fresh = maxAge === 0 || (age <= maxAge && age >= -CLOCK_SKEW_MS);
  return (
    fresh && (openid === undefined || data['openId'] === undefined || data['openId'] === openid)
  );
}

/** Whether this is one of the objects that WeChat encrypts. Further fields of a known object are accepted. */
function isOpenData(data: Json): boolean {
  return isProfile(data) || isPhone(data) || isSteps(data) || isGroup(data);
}

/** With the user, or without any id as `wx.getUserProfile` returns it. */
function isProfile({ nickName, avatarUrl, openId, unionId }: Json): boolean {
  const isAnonymous = openId === undefined && unionId === undefined;
  return isText(nickName) && isText(avatarUrl) && (isAnonymous || isText(openId));
}

function isPhone({ phoneNumber, purePhoneNumber, countryCode }: Json): boolean {
  const isCode = isText(countryCode) || typeof countryCode === 'number';
  return isText(phoneNumber) && isText(purePhoneNumber) && isCode;
}

function isSteps({ stepInfoList }: Json): boolean {
  return Array.isArray(stepInfoList) && stepInfoList.every(isStep);
}

function isGroup({ openGId, opengid }: Json): boolean {
  return isText(openGId) || isText(opengid);
}

function isStep(value: unknown): boolean {
  return (
    isObject(value) && typeof value['timestamp'] === 'number' && typeof value['step'] === 'number'
  );
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/**
 * `rawData` and its signature, as the mini program received them from WeChat.
 *
 * @example
 * ```ts
 * const { rawData, signature }: SignedRawData = request.body;
 * ```
 */
export interface SignedRawData {
  rawData: string;
  /** 40 lower-case hexadecimal digits. */
  signature: string;
}

const SHA1_HEX = /^[0-9a-f]{40}$/;

/**
 * Checks that `signature` is sha1(rawData + session_key), which proves that WeChat made `rawData` for this user.
 *
 * @param input `rawData` and `signature` as the mini program got them, and the session_key of the user
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
 * @throws WechatSignatureError if the signature does not match
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
 * Checks that the named fields are texts. Decryption checks what the texts contain, with the same error for every cause.
 * @throws WechatBadRequestError if a field is not a text
 */
export function requireText<T extends object>(input: T, ...fields: (keyof T & string)[]): void {
  const missing = fields.filter((field) => typeof input?.[field] !== 'string');
  if (missing.length > 0)
    throw new WechatBadRequestError(missing.map((field) => `${field} is required`).join('; '));
}
