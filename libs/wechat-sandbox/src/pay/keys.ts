import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';

/** An RSA key pair of 2048 bits. */
export interface KeyPair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const pairs = new Map<string, KeyPair>();

/**
 * Returns the key pair for a purpose. The first call generates it, which takes up to half a second. All sandboxes of a process share
 * the key pair.
 */
export function keyPair(purpose: string): KeyPair {
  const pair = pairs.get(purpose) ?? generateKeyPairSync('rsa', { modulusLength: 2048 });
  pairs.set(purpose, pair);
  return pair;
}

/** PKCS#8, as in `apiclient_key.pem`. */
export const privatePem = ({ privateKey }: KeyPair): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** SubjectPublicKeyInfo, as in `pub_key.pem`. */
export const publicPem = ({ publicKey }: KeyPair): string =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** Creates the serial of a certificate: 40 hex digits. The first digit is at most 7, because a serial is a positive number. */
export function newSerial(): string {
  const bytes = randomBytes(20);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex').toUpperCase();
}
