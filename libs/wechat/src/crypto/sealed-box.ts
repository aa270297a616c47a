import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Keyring, RingKey } from './keyring.js';
import { randomBytes } from './random.js';

const MARK = 4;
const NONCE = 12;
const TAG = 16;

/**
 * Encrypts a record with AES-256-GCM: `mark(4) nonce(12) tag(16) ciphertext`. `place` is where the record lies, such as its
 * key in the store; a record that was moved or copied elsewhere does not open.
 */
export function seal(key: RingKey, place: string, record: Buffer): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', key.seal, nonce).setAAD(Buffer.from(place));
  const ciphertext = Buffer.concat([cipher.update(record), cipher.final()]);
  return Buffer.concat([key.mark, nonce, cipher.getAuthTag(), ciphertext]);
}

/** The record, or `undefined` for whatever is not a record of ours at this place under a key that we still have. */
export function unseal(
  keyring: Keyring,
  place: string,
  sealed: Buffer,
): { key: RingKey; record: Buffer } | undefined {
  const key = keyring.withMark(sealed.subarray(0, MARK));
  if (!key || sealed.length < MARK + NONCE + TAG) return undefined;
  const nonce = sealed.subarray(MARK, MARK + NONCE);
  const tag = sealed.subarray(MARK + NONCE, MARK + NONCE + TAG);
  const decipher = createDecipheriv('aes-256-gcm', key.seal, nonce, { authTagLength: TAG })
    .setAAD(Buffer.from(place))
    .setAuthTag(tag);
  try {
    return {
      key,
      record: Buffer.concat([
        decipher.update(sealed.subarray(MARK + NONCE + TAG)),
        decipher.final(),
      ]),
    };
  } catch {
    return undefined;
  }
}
