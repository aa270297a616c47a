import ipaddr from 'ipaddr.js';
import { StoreUnavailableError } from 'nestjs-wechat';
import type { WechatStore } from 'nestjs-wechat';
import { createHash } from 'node:crypto';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { TooManyRequestsError, wholeSeconds } from './app-error.js';

export interface RateLimitOptions {
  /** Part of the key in the store. */
  name: string;
  /** Attempts in a window; 0 means no limit. */
  points: number;
  windowSeconds: number;
}

/**
 * Limits the attempts of a client, known by its IP address, in a window of time. All instances count together in the store. While the
 * store does not respond, each instance counts for itself.
 */
export class RateLimit {
  /** The clients that are above the limit, and all counts while the store does not respond. */
  private readonly local?: RateLimiterMemory;

  constructor(
    private readonly store: WechatStore,
    private readonly options: RateLimitOptions,
  ) {
    const { points, windowSeconds: duration } = options;
    if (points > 0) this.local = new RateLimiterMemory({ points, duration });
  }

  /**
   * Counts one attempt of an IP address. Call it in the handler, after validation, so that invalid requests are not counted.
   * @throws TooManyRequestsError above the limit
   */
  async count(address: string): Promise<void> {
    if (!this.local) return;
    await this.check(address); // a refused client causes no work of the store
    const client = clientOf(address);
    try {
      await this.countInStore(client, this.local);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      await countHere(client, this.local);
    }
  }

  /**
   * Counts nothing, and reads no store: another instance refuses a client only after one more attempt of it there.
   * @throws TooManyRequestsError if this instance has refused an attempt of the client in this window
   */
  async check(address: string): Promise<void> {
    const used = await this.local?.get(clientOf(address));
    if (used && used.remainingPoints <= 0) throw new TooManyRequestsError(used.msBeforeNext);
  }

  private async countInStore(client: string, local: RateLimiterMemory): Promise<void> {
    const { name, points, windowSeconds } = this.options;
    const key = `app:limit:${name}:${client}`;
    const { count, resetsInMs } = await this.store.count(key, 1, windowSeconds * 1000);
    if (count >= points) await local.block(client, wholeSeconds(resetsInMs)); // 0 is for ever
    if (count > points) throw new TooManyRequestsError(resetsInMs);
  }
}

async function countHere(client: string, local: RateLimiterMemory): Promise<void> {
  try {
    await local.consume(client);
  } catch (error) {
    throw error instanceof RateLimiterRes ? new TooManyRequestsError(error.msBeforeNext) : error;
  }
}

/**
 * The text under which an address is counted. A client with IPv6 has a whole /64 network and can send each request from another address of
 * it. An IPv4 address in IPv6 form is the IPv4 address. A proxy can report a text that is no address.
 */
function clientOf(address: string): string {
  if (!ipaddr.isValid(address)) return createHash('sha256').update(address).digest('base64url');
  const parsed = ipaddr.process(address);
  return parsed.kind() === 'ipv4' ? parsed.toString() : parsed.toByteArray().slice(0, 8).join('.');
}
