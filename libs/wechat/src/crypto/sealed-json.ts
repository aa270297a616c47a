import type { Keyring } from './keyring.js';
import { seal, unseal } from './sealed-box.js';

/** Seals a small record of which a store holds few. See `seal` for what `place` means. */
export function sealJson(keyring: Keyring, appId: string, place: string, record: object): Buffer {
  return seal(keyring.sealing(appId), place, Buffer.from(JSON.stringify(record)));
}

/** The record, or `undefined` for whatever is not one of ours at this place. Only we can have sealed it, so its shape is ours. */
export function unsealJson<T>(
  keyring: Keyring,
  place: string,
  sealed: Buffer | undefined,
): T | undefined {
  const opened = sealed && unseal(keyring, place, sealed);
  return opened && (JSON.parse(opened.record.toString()) as T);
}
