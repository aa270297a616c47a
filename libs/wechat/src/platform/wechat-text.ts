import { WechatBadRequestError } from '../wechat.errors.js';

/*
 * WeChat documents neither the alphabet nor the length of its ids and tokens. So any printable ASCII text of a reasonable
 * length is accepted.
 */

/** Returns whether a value can be an openid or a unionid. Current ids have 28 characters. */
export function isWechatId(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,128}$/.test(value);
}

/**
 * Returns whether a value can be an access token or a refresh token. Current tokens have about 140 characters, and WeChat's
 * documentation says to reserve 512.
 */
export function isWechatToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,1024}$/.test(value);
}

/**
 * Checks a parameter before anything is sent.
 * @throws WechatBadRequestError with this text if it is not valid
 */
export function requireValid(valid: unknown, problem: string): asserts valid {
  if (!valid) throw new WechatBadRequestError(problem);
}

/** @throws WechatBadRequestError */
export function requireOpenid(openid: unknown): void {
  requireValid(isWechatId(openid), 'openid must be the openid of a user');
}

/** Returns whether a value is a text of this length in characters (code points). */
export function isText(value: unknown, minLength: number, maxLength: number): value is string {
  if (typeof value !== 'string' || value.length > 2 * maxLength) return false;
  const { length } = Array.from(value);
  return length >= minLength && length <= maxLength;
}

/** Returns whether a value is an http or https URL of at most 2048 characters. */
export function isHttpUrl(value: unknown): value is string {
  return isText(value, 1, 2048) && /^https?:\/\//.test(value) && URL.canParse(value);
}

/** A code of wx.login, of the phone button or of OAuth. */
const CODE = /^[0-9A-Za-z_-]{1,128}$/;

/**
 * Checks the format of a code before it is sent to WeChat.
 * @param source the API that gave the code to the client, for the text of the error
 * @throws WechatBadRequestError
 */
export function requireCode(code: unknown, source: string): void {
  requireValid(
    code !== undefined,
    `code is missing. Send a code of ${source}; a JSON body needs the header Content-Type: application/json`,
  );
  requireValid(typeof code === 'string' && CODE.test(code), `code must be a code of ${source}`);
}
