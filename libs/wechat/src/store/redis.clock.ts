import { Logger } from '@nestjs/common';

const REFRESH = 60_000;
const WORTH_A_WARNING = 5_000;

/**
 * Redis's time, which all instances share. Between two looks at it time passes by the machine's monotonic clock, so an
 * instance whose own clock is wrong, or is set while it runs, neither lengthens nor shortens a session.
 *
 * Before Redis has answered for the first time it is the local clock.
 *
 * A clock of your own (`options.clock`, for tests) takes the place of the monotonic one and of the local one: Redis tells
 * once what the time is, and from then on your clock alone moves it. What Redis itself forgets it forgets in real time.
 */
export class RedisClock {
  private readonly logger = new Logger('WechatStore');
  /** What to add to the elapsed time to get Redis's time. */
  private offset?: number;
  private askedAt = -Infinity;

  constructor(
    private readonly askRedis: () => Promise<number>,
    private readonly own?: () => number,
  ) {}

  now(): number {
    if (performance.now() - this.askedAt > REFRESH) void this.sync();
    return this.offset === undefined ? this.local() : Math.round(this.offset + this.elapsed());
  }

  /** Never rejects: without an answer the last offset stays good, since the monotonic clock does not jump. */
  async sync(): Promise<void> {
    if (this.own && this.offset !== undefined) return;
    this.askedAt = performance.now();
    try {
      const before = this.elapsed();
      const time = await this.askRedis();
      this.offset = time - (before + this.elapsed()) / 2;
      this.warnOfSkew();
    } catch {
      // The connection says in the log what is wrong with it.
    }
  }

  private elapsed(): number {
    return (this.own ?? performance.now.bind(performance))();
  }

  private local(): number {
    return (this.own ?? Date.now)();
  }

  private warnOfSkew(): void {
    const skew = Math.round((Date.now() - this.now()) / 1000);
    if (this.own || Math.abs(skew * 1000) <= WORTH_A_WARNING) return;
    this.logger.warn(
      `This machine's clock is ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} Redis's. Sessions follow Redis's.`,
    );
  }
}
