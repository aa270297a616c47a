import { Logger } from '@nestjs/common';
import { WechatClock } from '../../wechat.clock.js';

const SYNC_INTERVAL_MS = 60_000;
/** A machine whose clock is further off than this is named in the log. */
const MAX_SKEW_MS = 5_000;

/**
 * Redis's time, which all instances share. Between two reads of it, time advances by the monotonic clock of the process. So
 * a machine whose wall clock is wrong, or is set while it runs, neither extends nor shortens a session.
 *
 * Until Redis has replied for the first time, it is the wall clock of the process.
 */
export class RedisClock extends WechatClock {
  private readonly logger = new Logger('WechatStore');
  /** Redis's time minus the monotonic clock, in milliseconds. */
  private offset?: number;
  /** When it was last asked, on the monotonic clock. */
  private syncedAt = -Infinity;

  /** @param readTime returns Redis's time in milliseconds since 1970 */
  constructor(private readonly readTime: () => Promise<number>) {
    super();
  }

  now(): number {
    const elapsed = performance.now();
    if (elapsed - this.syncedAt > SYNC_INTERVAL_MS) void this.sync();
    return this.offset === undefined ? Date.now() : Math.round(this.offset + elapsed);
  }

  /** Reads Redis's time. Never rejects: if Redis does not respond, the last offset stays valid. */
  async sync(): Promise<void> {
    const before = performance.now();
    this.syncedAt = before;
    try {
      const time = await this.readTime();
      this.offset = time - (before + performance.now()) / 2;
      this.warnOfSkew();
    } catch {
      // The connection logs the reason.
    }
  }

  private warnOfSkew(): void {
    const skewMs = Date.now() - this.now();
    if (Math.abs(skewMs) <= MAX_SKEW_MS) return;
    this.logger.warn(
      `The clock of this machine is ${Math.abs(Math.round(skewMs / 1000))} s ${skewMs > 0 ? 'ahead of' : 'behind'} Redis's clock. Sessions use Redis's clock.`,
    );
  }
}
