import { hash, timingSafeEqual } from 'node:crypto';
import { WechatBadRequestError } from '../wechat.errors.js';

const REQUEST_ID = /^[\x20-\x7e]{1,128}$/;

/** A wrong request id ends the session, so an attacker has one guess: 64 bits are enough. */
export const REQUEST_HASH_BYTES = 8;

/**
 * Returns the part of a request id that a session record keeps. The record is encrypted, so the hash needs no key.
 * @throws WechatBadRequestError
 */
export function requestHashOf(requestId: string | undefined): Buffer | undefined {
  if (requestId === undefined) return undefined;
  if (typeof requestId !== 'string' || !REQUEST_ID.test(requestId)) {
    throw new WechatBadRequestError(
      'requestId (Idempotency-Key) must be 1 to 128 printable ASCII characters',
    );
  }
  return hash('sha256', requestId, 'buffer').subarray(0, REQUEST_HASH_BYTES);
}

/** Returns whether two refreshes have the same request id, or none. */
export function isSameRequest(first: Buffer | undefined, second: Buffer | undefined): boolean {
  return first && second ? timingSafeEqual(first, second) : first === second;
}
