import { milliseconds } from './clock.js';
import type { Duration, SandboxClock } from './clock.js';
import { newSessionKey } from './ids.js';

/** The valid session_key of each user in each mini program. */
export class SessionKeys {
  private readonly keys = new Map<string, { key: string; since: number }>();
  private readonly minInterval: number;

  /** @param minInterval a login within this time after the last change keeps the key. WeChat does so too, and does not disclose the time. */
  constructor(
    private readonly clock: SandboxClock,
    minInterval: Duration,
  ) {
    this.minInterval = milliseconds(minInterval);
  }

  current(openid: string): string {
    return this.keys.get(openid)?.key ?? this.rotate(openid);
  }

  /** Replaces the key. The previous key is invalid at once. */
  rotate(openid: string): string {
    const key = newSessionKey();
    this.keys.set(openid, { key, since: this.clock.now() });
    return key;
  }

  /** Replaces the key at a login, unless it was replaced within the minimum interval. */
  onLogin(openid: string): void {
    const entry = this.keys.get(openid);
    if (!entry || this.clock.now() - entry.since >= this.minInterval) this.rotate(openid);
  }
}
