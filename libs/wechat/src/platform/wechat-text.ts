import { WechatBadRequestError } from '../wechat.errors.js';

/*
 * WeChat documents neither the alphabet nor the length of its ids and tokens. Printable text of a reasonable length is accepted.
 */

/** An openid or a unionid; today's have 28 characters. */
export function isWechatId(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,128}$/.test(value);
}

/** An access token or a refresh token. WeChat asks for room for 512 characters; today's have about 140. */
export function isWechatToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,1024}$/.test(value);
}

/** A code of wx.login, of the phone button or of OAuth. */
const CODE = /^[0-9A-Za-z_-]{1,128}$/;

/**
 * Checks a code before it becomes part of a URL.
 * @param source where the client got the code, for the text of the error
 * @throws WechatBadRequestError
 */
export function requireCode(code: unknown, source: string): void {
  if (typeof code !== 'string' || !CODE.test(code))
    throw new WechatBadRequestError(`code must be what ${source} gave`);
}
