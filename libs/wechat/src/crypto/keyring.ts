import { createHmac, createSecretKey, hash, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { WechatApp, WechatEncryptionKey } from '../wechat.options.js';

/** One key of the ring and what is derived from it; the material itself is used for nothing else. */
export class RingKey {
  /** 4 bytes that mark what this key sealed. They are made from the key's id, not from the key. */
  readonly mark: Buffer;
  readonly seal: KeyObject;
  private readonly check: KeyObject;

  constructor(id: string, material: Buffer) {
    this.mark = hash('sha256', `nestjs-wechat/v1/key/${id}`, 'buffer').subarray(0, 4);
    this.seal = derive(material, 'seal');
    this.check = derive(material, 'check');
  }

  /** Tells our own tokens from invented ones, without a look into the store. */
  checkOf(kind: string, data: Buffer): Buffer {
    return createHmac('sha256', this.check).update(kind).update(data).digest().subarray(0, 8);
  }
}

/**
 * The keys that seal what is stored. Configured keys serve all apps: the first seals, all open. Without any, each app has
 * one derived from its AppSecret, so that encryption at rest needs no set-up.
 */
export class Keyring {
  readonly keys: readonly RingKey[];
  private readonly derived = new Map<string, RingKey>();

  constructor(apps: readonly WechatApp[], configured: readonly WechatEncryptionKey[]) {
    if (configured.length === 0)
      for (const { appId, secret } of apps)
        this.derived.set(appId, new RingKey(appId, Buffer.from(secret)));
    this.keys =
      configured.length === 0
        ? [...this.derived.values()]
        : configured.map(({ id, key }) => new RingKey(id, key));
  }

  /** The key that seals for this app. */
  sealing(appId: string): RingKey {
    const key = this.derived.get(appId) ?? this.keys[0];
    if (!key) throw new TypeError('A keyring needs at least one key or app');
    return key;
  }

  withMark(mark: Buffer): RingKey | undefined {
    return this.keys.find((key) => key.mark.equals(mark));
  }
}

/** HKDF takes a secret of any length and gives independent keys for independent uses. */
function derive(material: Buffer, use: string): KeyObject {
  return createSecretKey(
    Buffer.from(hkdfSync('sha256', material, '', `nestjs-wechat/v1/${use}`, 32)),
  );
}
