import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { WechatApp, WechatEncryptionKey } from '../wechat.options.js';

const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES;
const MAC_BYTES = 8;

/** Two keys, derived from one secret: one encrypts records, one authenticates tokens. */
export class RingKey {
  /** The first bytes of every record that this key sealed. Derived from the configured id, not from the secret. */
  readonly id: Buffer;
  private readonly cipherKey: KeyObject;
  private readonly macKey: KeyObject;

  constructor(id: string, secret: Buffer) {
    this.id = hash('sha256', `nestjs-wechat/v1/key/${id}`, 'buffer').subarray(0, KEY_ID_BYTES);
    this.cipherKey = derive(secret, 'seal');
    this.macKey = derive(secret, 'check');
  }

  /** Returns an 8-byte MAC of a token. `kind` separates the kinds of tokens. */
  mac(kind: string, data: Buffer): Buffer {
    return createHmac('sha256', this.macKey)
      .update(kind)
      .update(data)
      .digest()
      .subarray(0, MAC_BYTES);
  }

  /**
   * Encrypts a record with AES-256-GCM.
   * @param additionalData the key of the record in the store, so that a record that was copied to another key does not open
   * @returns key id (4 bytes), nonce (12), tag (16), ciphertext
   */
  seal(additionalData: string, record: Buffer): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.cipherKey, nonce).setAAD(
      Buffer.from(additionalData),
    );
    const ciphertext = Buffer.concat([cipher.update(record), cipher.final()]);
    return Buffer.concat([this.id, nonce, cipher.getAuthTag(), ciphertext]);
  }

  /** Returns the record, or `undefined` if this key did not seal these bytes with this additional data. */
  open(additionalData: string, sealed: Buffer): Buffer | undefined {
    if (sealed.length < HEADER_BYTES) return undefined;
    const nonce = sealed.subarray(KEY_ID_BYTES, KEY_ID_BYTES + NONCE_BYTES);
    const tag = sealed.subarray(KEY_ID_BYTES + NONCE_BYTES, HEADER_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.cipherKey, nonce, {
      authTagLength: TAG_BYTES,
    })
      .setAAD(Buffer.from(additionalData))
      .setAuthTag(tag);
    try {
      return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
    } catch {
      return undefined;
    }
  }
}

/**
 * The keys for records and tokens. Configured keys serve all apps: the first one seals, all of them open. If none is
 * configured, each app has a key that is derived from its AppSecret.
 */
export class Keyring {
  readonly keys: readonly RingKey[];
  /** By appId. Empty if keys are configured. */
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

  /** Returns the key that seals records of this app. */
  sealingKey(appId: string): RingKey {
    const key = this.derived.get(appId) ?? this.keys[0];
    if (!key) throw new TypeError('A keyring needs at least one key or app');
    return key;
  }

  /** Returns the record and the key that sealed it, or `undefined` if no key of the ring opens it. */
  open(additionalData: string, sealed: Buffer): { key: RingKey; record: Buffer } | undefined {
    for (const key of this.keys) {
      if (!sealed.subarray(0, KEY_ID_BYTES).equals(key.id)) continue;
      const record = key.open(additionalData, sealed);
      return record && { key, record };
    }
    return undefined;
  }
}

/** HKDF accepts a secret of any length and derives an independent key for each purpose. */
function derive(secret: Buffer, purpose: string): KeyObject {
  return createSecretKey(
    Buffer.from(hkdfSync('sha256', secret, '', `nestjs-wechat/v1/${purpose}`, 32)),
  );
}
