import { LRUCache } from 'lru-cache';
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Keyring, RingKey } from '../crypto/keyring.js';

/**
 * The parts of a token. Its text is `<prefix>_` and 43 base64url characters: the selector, which names the session and stays the
 * same over refreshes; the secret, which each refresh replaces; and a MAC of both, so that invented tokens are refused without
 * a read of the store. The random parts encode nothing.
 */
export interface SessionToken {
  /** The id of the session: a hash of the selector, so it is no secret. */
  id: string;
  selector: Buffer;
  secret: Buffer;
}

const SELECTOR_BYTES = 8;
export const SECRET_BYTES = 16;
const RANDOM_BYTES = SELECTOR_BYTES + SECRET_BYTES;
const MAC_BYTES = 8;
export const SESSION_ID_BYTES = 12;

/** 43 characters hold two bits more than 32 bytes. The last character must not use them, or a token would have four spellings. */
const BASE64URL_32_BYTES = '([0-9A-Za-z_-]{42}[AEIMQUYcgkosw048])';

/** How many verified tokens stay in memory, so that a MAC is computed once. One takes about 300 bytes. */
const MAX_VERIFIED = 10_000;

/** Creates, formats and verifies the tokens of one kind. The prefix is part of the MAC, so kinds cannot be exchanged. */
export class TokenFormat {
  private readonly pattern: RegExp;
  private readonly verified = new LRUCache<string, SessionToken>({ max: MAX_VERIFIED });

  constructor(
    private readonly keyring: Keyring,
    private readonly prefix: string,
  ) {
    this.pattern = new RegExp(`^${prefix}_${BASE64URL_32_BYTES}$`);
  }

  create(): SessionToken {
    return tokenOf(randomBytes(RANDOM_BYTES));
  }

  /** @param key the key that sealed the record of the token, so that the same record always gives the same text */
  format(token: SessionToken, key: RingKey): string {
    const random = Buffer.concat([token.selector, token.secret]);
    const mac = key.mac(this.prefix, random);
    const text = `${this.prefix}_${Buffer.concat([random, mac]).toString('base64url')}`;
    this.verified.set(text, token);
    return text;
  }

  /** Returns the token, or `undefined` if no key of the ring issued it. An invented token is not kept in memory. */
  parse(text: string): SessionToken | undefined {
    const known = this.verified.get(text);
    if (known) return known;
    const [, base64url] = this.pattern.exec(text) ?? [];
    if (base64url === undefined) return undefined;
    const bytes = Buffer.alloc(RANDOM_BYTES + MAC_BYTES); // own memory: a slice of Node's pool would keep the whole pool alive
    bytes.write(base64url, 'base64url');
    const random = bytes.subarray(0, RANDOM_BYTES);
    const mac = bytes.subarray(RANDOM_BYTES);
    for (const key of this.keyring.keys) {
      if (!timingSafeEqual(key.mac(this.prefix, random), mac)) continue;
      const token = tokenOf(random);
      this.verified.set(text, token);
      return token;
    }
    return undefined;
  }
}

function tokenOf(random: Buffer): SessionToken {
  const selector = random.subarray(0, SELECTOR_BYTES);
  const id = hash('sha256', selector, 'buffer').subarray(0, SESSION_ID_BYTES).toString('base64url');
  return { id, selector, secret: random.subarray(SELECTOR_BYTES) };
}

/** Returns a new secret, the part of a token that a refresh replaces. */
export function newSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** Returns whether a text has the format of a token of any kind. Whether it was issued is not checked. */
export function hasTokenFormat(text: string): boolean {
  return ANY_KIND.test(text);
}

const ANY_KIND = new RegExp(`^[a-z]{3}_${BASE64URL_32_BYTES}$`);
