import type { Keyring } from './keyring.js';

/** Encrypts a small record as JSON. See `RingKey.seal` for `additionalData`. */
export function sealJson(
  keyring: Keyring,
  appId: string,
  additionalData: string,
  record: object,
): Buffer {
  return keyring.sealingKey(appId).seal(additionalData, Buffer.from(JSON.stringify(record)));
}

/** Returns the record, or `undefined` if no key opens it with this additional data. */
export function unsealJson<T>(
  keyring: Keyring,
  additionalData: string,
  sealed: Buffer | undefined,
): T | undefined {
  const opened = sealed && keyring.open(additionalData, sealed);
  return opened && (JSON.parse(opened.record.toString()) as T);
}
