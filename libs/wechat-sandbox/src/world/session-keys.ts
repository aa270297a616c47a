import { milliseconds, type Duration, type SandboxClock } from './clock.js';
import { newSessionKey } from './ids.js';

/** The one valid session_key of every user in every mini program. */
export class SessionKeys {
  private readonly keys = new Map<string, { key: string; since: number }>();
  private readonly minInterval: number;

  /** @param minInterval a login this soon after the last change keeps the key; WeChat does so, for a time it does not disclose */
  constructor(
    private readonly clock: SandboxClock,
    minInterval: Duration,
  ) {
    this.minInterval = milliseconds(minInterval);
  }

  current(openid: string): string {
    return this.keys.get(openid)?.key ?? this.rotate(openid);
  }

  /** The former key is dead at once. */
  rotate(openid: string): string {
    const key = newSessionKey();
    this.keys.set(openid, { key, since: this.clock.now() });
    return key;
  }

  /** Every login renews the key, unless it has just been renewed. */
  onLogin(openid: string): void {
    const entry = this.keys.get(openid);
    if (!entry || this.clock.now() - entry.since >= this.minInterval) this.rotate(openid);
  }
}
