import { createCipheriv, createDecipheriv, hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** WeChat pads to 32 bytes, twice the block of AES, so Node's own padding does not fit. */
const PADDING_BLOCK = 32;
const AES_BLOCK = 16;
const RANDOM_BYTES = 16;
const HEADER_BYTES = RANDOM_BYTES + 4;

/** SHA-1 of the sorted texts without a separator, in hex. */
export function pushSignature(...texts: string[]): string {
  return hash('sha1', texts.toSorted().join(''));
}

/** Compares in constant time. */
export function isSameSignature(expected: string, given: string | undefined): boolean {
  if (given?.length !== expected.length) return false;
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Encrypts and decrypts with one EncodingAESKey: AES-256-CBC, whose IV is the start of the key.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
 */
export class PushCipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;
  readonly #appId: Buffer;

  /** @param aesKey 43 characters of base64 without the final `=` */
  constructor(aesKey: string, appId: string) {
    this.#key = Buffer.from(aesKey, 'base64');
    this.#iv = this.#key.subarray(0, AES_BLOCK);
    this.#appId = Buffer.from(appId);
  }

  /** @param random 16 bytes, for tests */
  encrypt(message: string, random = randomBytes(RANDOM_BYTES)): string {
    const bytes = Buffer.from(message);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    const size = HEADER_BYTES + bytes.length + this.#appId.length;
    const padding = PADDING_BLOCK - (size % PADDING_BLOCK);
    const pad = Buffer.alloc(padding, padding);
    const cipher = createCipheriv('aes-256-cbc', this.#key, this.#iv).setAutoPadding(false);
    const frame = Buffer.concat([random, length, bytes, this.#appId, pad]);
    return Buffer.concat([cipher.update(frame), cipher.final()]).toString('base64');
  }

  /**
   * Verify the signature first: the encryption itself does not notice changed bytes.
   *
   * @returns the message, or `undefined` if the key, the padding, the length or the app is another
   */
  decrypt(encrypted: string): Buffer | undefined {
    const bytes = Buffer.from(encrypted, 'base64');
    if (bytes.length < PADDING_BLOCK || bytes.length % AES_BLOCK !== 0) return undefined;
    const decipher = createDecipheriv('aes-256-cbc', this.#key, this.#iv).setAutoPadding(false);
    const frame = decipher.update(bytes); // whole blocks without padding: nothing is left for final()
    const end = frame.length - paddingOf(frame);
    if (end < HEADER_BYTES || end === frame.length) return undefined;
    const appIdAt = HEADER_BYTES + frame.readUInt32BE(RANDOM_BYTES);
    const isMine = appIdAt <= end && frame.subarray(appIdAt, end).equals(this.#appId);
    return isMine ? frame.subarray(HEADER_BYTES, appIdAt) : undefined;
  }
}

/** The number of bytes of padding, or 0 if they are not valid. */
function paddingOf(frame: Buffer): number {
  const padding = frame.at(-1) ?? 0;
  if (padding > PADDING_BLOCK || padding > frame.length) return 0;
  for (let at = frame.length - padding; at < frame.length; at++)
    if (frame[at] !== padding) return 0;
  return padding;
}
