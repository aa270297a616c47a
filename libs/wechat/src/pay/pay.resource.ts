import { isUtf8 } from 'node:buffer';
import { createDecipheriv } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { decodeBase64 } from '../crypto/base64.js';
import { WechatBadRequestError } from '../wechat.errors.js';

/**
 * The encrypted part of a notification or of `/v3/certificates`, as WeChat Pay sends it.
 *
 * @experimental
 * @example
 * ```ts
 * const resource: EncryptedPayResource = JSON.parse(body).resource;
 * ```
 */
export interface EncryptedPayResource {
  algorithm: string;
  /** base64; the last 16 bytes are the authentication tag. */
  ciphertext: string;
  associated_data?: string;
  /** 12 ASCII characters. */
  nonce: string;
}

const ALGORITHM = 'AEAD_AES_256_GCM';
export const API_V3_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Decrypts a resource of WeChat Pay.
 *
 * @experimental
 * @param input
 * @param input.apiV3Key 32 bytes as text, or a key object
 * @returns the text, which is JSON in a notification and PEM in a certificate
 * @throws WechatBadRequestError if the resource or the key has the wrong shape, or if it was encrypted with another key
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4012071382
 * @example
 * ```ts
 * const order = JSON.parse(decryptPayResource({ resource: JSON.parse(body).resource, apiV3Key }));
 * ```
 */
export function decryptPayResource({
  resource,
  apiV3Key,
}: {
  resource: EncryptedPayResource;
  apiV3Key: string | KeyObject;
}): string {
  const key = typeof apiV3Key === 'string' ? Buffer.from(apiV3Key) : apiV3Key;
  const keyBytes = Buffer.isBuffer(key) ? key.length : key.symmetricKeySize;
  if (keyBytes !== API_V3_KEY_BYTES)
    throw new WechatBadRequestError(`apiV3Key must have ${API_V3_KEY_BYTES} bytes`);
  const { algorithm, ciphertext, nonce, associated_data: additionalData = '' } = resource;
  const sealed = decodeBase64(ciphertext);
  if (
    algorithm !== ALGORITHM ||
    typeof nonce !== 'string' ||
    Buffer.byteLength(nonce) !== NONCE_BYTES ||
    typeof additionalData !== 'string' ||
    !sealed ||
    sealed.length < TAG_BYTES
  )
    throw new WechatBadRequestError('the resource is not an AEAD_AES_256_GCM resource');
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    .setAuthTag(sealed.subarray(-TAG_BYTES))
    .setAAD(Buffer.from(additionalData));
  const text = decipher.update(sealed.subarray(0, -TAG_BYTES));
  try {
    decipher.final(); // checks the tag; GCM has no bytes left here
  } catch {
    throw doesNotDecrypt();
  }
  if (!isUtf8(text)) throw doesNotDecrypt();
  return text.toString();
}

function doesNotDecrypt(): WechatBadRequestError {
  return new WechatBadRequestError(
    'the resource does not decrypt; compare the APIv3 key with the merchant console',
  );
}
