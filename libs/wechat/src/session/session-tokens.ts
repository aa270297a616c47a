import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Keyring } from '../crypto/keyring.js';
import { parseToken } from './session-token.js';
import type { SessionToken } from './session-token.js';

/** How many tokens are kept; one takes about 300 bytes. */
const MAX_PROVEN = 10_000;

/**
 * The `session_rd` of requests. What proves one to be ours lies in its text and in the keys, so each is proven once and not
 * with every request. Whether it is still good only the store knows, which is asked each time.
 */
@Injectable()
export class SessionTokens {
  private readonly proven = new LRUCache<string, SessionToken>({ max: MAX_PROVEN });

  constructor(@Inject(Keyring) private readonly keyring: Keyring) {}

  /** `undefined` for what is not a token of our making; that is not kept, or inventing tokens would push out real ones. */
  parse(sessionRd: string): SessionToken | undefined {
    const known = this.proven.get(sessionRd);
    if (known) return known;
    const token: SessionToken | undefined = parseToken('srd', sessionRd, this.keyring);
    if (token) this.proven.set(sessionRd, token);
    return token;
  }
}
