import { createHmac } from 'node:crypto';

/**
 * Signs with a session_key as WeChat does: HMAC-SHA256 in lower-case hex, where the key is the base64 *text* of session_key
 * and not the bytes it stands for. `wxa/checksession` and its siblings sign the empty message.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/checkSessionKey.html
 *
 * @example
 * ```ts
 * signWithSessionKey(sessionKey)      // the signature of wxa/checksession, 64 hex digits
 * ```
 */
export function signWithSessionKey(sessionKey: string, message = ''): string {
  return createHmac('sha256', sessionKey).update(message).digest('hex');
}
