/*
 * WeChat promises neither alphabet nor length of what it names: what can be printed and is of a sane length is taken.
 */

/** An openid or a unionid; today's have 28 characters. */
export function isWechatId(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,128}$/.test(value);
}

/** An access token or a refresh token. WeChat asks for room for 512 characters; today's have about 140. */
export function isWechatToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,1024}$/.test(value);
}
