import { WechatBadRequestError } from './wechat.errors.js';

/** A code as WeChat makes them, of wx.login, of the phone button and of OAuth alike. */
const CODE = /^[0-9A-Za-z_-]{1,128}$/;

/**
 * Refuses what is no code before it could reach WeChat's URL.
 * @param giver who gave the client its code, for the text of the error
 * @throws WechatBadRequestError
 */
export function requireCode(code: unknown, giver: string): void {
  if (typeof code !== 'string' || !CODE.test(code))
    throw new WechatBadRequestError(`code must be what ${giver} gave`);
}
