import { BoundedMap } from './bounded-map.js';
import { milliseconds } from './clock.js';
import type { Duration, SandboxClock } from './clock.js';
import { WechatFailure } from './wechat-failure.js';

const KEPT = 100_000;

/** Codes of one kind. Each can be exchanged once before it expires. */
export class OneTimeCodes<Claim> {
  private readonly codes = new BoundedMap<string, { claim: Claim; until: number; used: boolean }>(
    KEPT,
  );
  private readonly life: number;

  constructor(
    private readonly clock: SandboxClock,
    life: Duration,
    private readonly mint: () => string,
  ) {
    this.life = milliseconds(life);
  }

  issue(claim: Claim): string {
    this.forgetExpired();
    const code = this.mint();
    this.codes.set(code, { claim, until: this.clock.now() + this.life, used: false });
    return code;
  }

  /** Returns the claim of a code. Throws 40029 for an unknown or expired code, and `whenUsed` for a used one. */
  open(code: string, whenUsed = 40163): Claim {
    const entry = this.codes.get(code);
    if (!entry || entry.until <= this.clock.now()) throw new WechatFailure(40029);
    if (entry.used) throw new WechatFailure(whenUsed);
    return entry.claim;
  }

  /** Marks a code as used. */
  use(code: string): void {
    const entry = this.codes.get(code);
    if (entry) entry.used = true;
  }

  /** All codes of one kind have the same lifetime, so the oldest come first. */
  private forgetExpired(): void {
    const now = this.clock.now();
    for (const [code, { until }] of this.codes) {
      if (until > now) return;
      this.codes.delete(code);
    }
  }
}
