import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Keyring } from '../crypto/keyring.js';
import type { StoredSession } from './session-records.js';
import { parseToken } from './session-token.js';
import type { SessionToken } from './session-token.js';

/** A token of our making, and what the store held for it when somebody looked last. */
export interface ProvenToken extends SessionToken {
  lastRead?: StoredSession;
}

/** How many tokens are kept; one takes about a kilobyte with its record. */
const MAX_PROVEN = 10_000;

/**
 * The `session_rd` of requests. What proves one to be ours lies in its text and in the keys, so each is proven once and not
 * with every request. Whether it is still good only the store knows, which is asked each time.
 */
@Injectable()
export class SessionTokens {
  private readonly proven = new LRUCache<string, ProvenToken>({ max: MAX_PROVEN });

  constructor(@Inject(Keyring) private readonly keyring: Keyring) {}

  /** `undefined` for what is not a token of our making; that is not kept, or inventing tokens would push out real ones. */
  parse(sessionRd: string): ProvenToken | undefined {
    const known = this.proven.get(sessionRd);
    if (known) return known;
    const token: ProvenToken | undefined = parseToken('srd', sessionRd, this.keyring);
    if (token) this.proven.set(sessionRd, token);
    return token;
  }
}
