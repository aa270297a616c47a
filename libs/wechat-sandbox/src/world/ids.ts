import { createHash, randomBytes, randomInt } from 'node:crypto';

// Lengths, alphabets and first letters are those of real samples, so that format checks of clients see realistic values.

const ALPHANUMERIC = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** 32 letters and digits, usually with a leading zero: the code of `wx.login` and of OAuth. */
export const newCode = (): string =>
  '0' + Array.from({ length: 31 }, () => ALPHANUMERIC[randomInt(ALPHANUMERIC.length)]).join('');

/** 64 lower-case hex digits: the code of the phone button. */
export const newPhoneCode = (): string => randomBytes(32).toString('hex');

/** Base64 of 16 bytes: 24 characters ending in `==`. */
export const newSessionKey = (): string => randomBytes(16).toString('base64');

/** Two digits, an underscore, 160 url-safe characters. WeChat asks clients to store at least 512 characters. */
export const newToken = (): string =>
  `${randomInt(10, 100)}_${randomBytes(120).toString('base64url')}`;

/** Returns whether a text has the format of an access token. Anything else is refused with 40014 instead of 40001. */
export const looksLikeToken = (text: string): boolean => /^\d{1,3}_[\w-]{100,508}$/.test(text);

/** The group id of `wx.getShareInfo`. */
export const newGroupId = (): string => 't' + randomBytes(21).toString('base64url').slice(0, 27);

/** 19 digits: an id of 64 bits. */
export const newMessageId = (): string => String(2n ** 62n + BigInt(randomInt(2 ** 47)));

/** Eleven digits, like numbers of mainland China. */
export const newPhoneNumber = (): string => `13${String(randomInt(10 ** 9)).padStart(9, '0')}`;

/** `<Unix time in hex>-<8 hex>-<8 hex>`: the request id at the end of an errmsg. */
export function newRid(seconds: number): string {
  return [
    seconds.toString(16).padStart(8, '0'),
    randomBytes(4).toString('hex'),
    randomBytes(4).toString('hex'),
  ].join('-');
}

/** Derived from the user id, so that a user keeps the openid after a restart and a database with earlier openids stays valid. */
export const openidOf = (appId: string, userId: string): string =>
  digestId(`openid ${appId} ${userId}`);

/** One per user and open-platform account. */
export const unionidOf = (account: string, userId: string): string =>
  digestId(`unionid ${account} ${userId}`);

function digestId(text: string): string {
  return 'o' + createHash('sha256').update(text).digest('base64url').slice(0, 27);
}
