import ipaddr from 'ipaddr.js';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { TooManyRequestsError } from './app-error.js';

/** Limits the attempts of a client, known by its IP address, in a window of time. */
export class RateLimit {
  private readonly limiter?: RateLimiterMemory;

  /** @param points attempts in a window; 0 means no limit */
  constructor(points: number, windowSeconds: number) {
    if (points > 0) this.limiter = new RateLimiterMemory({ points, duration: windowSeconds });
  }

  /**
   * Counts one attempt of an IP address. Call it in the handler, after validation, so that invalid requests are not counted.
   * @throws TooManyRequestsError above the limit
   */
  async count(address: string): Promise<void> {
    try {
      await this.limiter?.consume(networkOf(address));
    } catch (error) {
      throw error instanceof RateLimiterRes ? tooMany(error) : error;
    }
  }

  /** @throws TooManyRequestsError if the limit is reached; nothing is counted */
  async check(address: string): Promise<void> {
    const used = await this.limiter?.get(networkOf(address));
    if (used && used.remainingPoints <= 0) throw tooMany(used);
  }
}

/**
 * The text under which an address is counted. A client with IPv6 has a whole /64 network and can send each request from another address of
 * it. An IPv4 address in IPv6 form is the IPv4 address.
 */
function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === 'ipv4' ? parsed.toString() : parsed.toByteArray().slice(0, 8).join('.');
}

function tooMany({ msBeforeNext }: RateLimiterRes): TooManyRequestsError {
  return new TooManyRequestsError(Math.ceil(msBeforeNext / 1000));
}
