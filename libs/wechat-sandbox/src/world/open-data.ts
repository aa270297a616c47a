import { createCipheriv, createHash, createHmac } from 'node:crypto';

/** Encrypted open data as the mini program receives it. Both fields are base64. */
export interface EncryptedData {
  encryptedData: string;
  iv: string;
}

/**
 * Encrypts as the WeChat client does: AES-128-CBC, PKCS#7, the session_key decoded from base64.
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
 */
export function encryptOpenData(
  sessionKey: string,
  iv: string,
  plaintext: string | Buffer,
): EncryptedData {
  const cipher = createCipheriv(
    'aes-128-cbc',
    Buffer.from(sessionKey, 'base64'),
    Buffer.from(iv, 'base64'),
  );
  return {
    encryptedData: Buffer.concat([cipher.update(plaintext), cipher.final()]).toString('base64'),
    iv,
  };
}

/**
 * The `signature` of `rawData`: SHA-1 over rawData and the session_key as base64 text, in lower-case hex.
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
 */
export function signRawData(sessionKey: string, rawData: string): string {
  return createHash('sha1')
    .update(rawData + sessionKey)
    .digest('hex');
}

/**
 * HMAC-SHA256 in lower-case hex with the session_key's base64 text as key. The message is empty for `wxa/checksession`.
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/checkSessionKey.html
 */
export function signWithSessionKey(sessionKey: string, message = ''): string {
  return createHmac('sha256', sessionKey).update(message).digest('hex');
}
