import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { TooManyRequestsError } from './app-error.js';

/** Limits the attempts of a client in a window of time. */
export class RateLimit {
  private readonly limiter?: RateLimiterMemory;

  /** @param points attempts in a window; 0 means no limit */
  constructor(points: number, windowSeconds: number) {
    if (points > 0) this.limiter = new RateLimiterMemory({ points, duration: windowSeconds });
  }

  /**
   * Counts one attempt. Call it in the handler, after validation: a request that is refused for its shape does not count.
   * @throws TooManyRequestsError above the limit
   */
  async count(client: string): Promise<void> {
    try {
      await this.limiter?.consume(client);
    } catch (error) {
      throw error instanceof RateLimiterRes ? tooMany(error) : error;
    }
  }

  /** @throws TooManyRequestsError if the limit is reached; nothing is counted */
  async check(client: string): Promise<void> {
    const used = await this.limiter?.get(client);
    if (used && used.remainingPoints <= 0) throw tooMany(used);
  }
}

function tooMany({ msBeforeNext }: RateLimiterRes): TooManyRequestsError {
  return new TooManyRequestsError(Math.ceil(msBeforeNext / 1000));
}
