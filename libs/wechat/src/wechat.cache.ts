import { Inject, Injectable, Optional } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { inTime } from './in-time.js';
import { MinuteLog } from './minute-log.js';
import { SingleFlight } from './single-flight.js';

/** The token of `@nestjs/cache-manager`, which this library does not import. */
const CACHE_MANAGER = 'CACHE_MANAGER';

/** The methods of Nest's cache that this library calls. */
interface NestCache {
  get(key: string): Promise<unknown>;
  set(key: string, value: string, ttlMs: number): Promise<unknown>;
}

/** The limit of the cache in this process: a thousand mini-program codes or so. The least recently used ones are dropped. */
const MAX_BYTES = 64 * 1024 * 1024;

/** How long the application's cache may take to respond, in milliseconds. */
const CACHE_TIMEOUT_MS = 250;

/**
 * The cache for responses of WeChat that can be requested again, such as mini-program codes. It is the application's Nest
 * cache if `CacheModule` is registered globally, else a cache of limited size in this process.
 *
 * A cache that fails or does not respond counts as empty.
 */
@Injectable()
export class WechatCache {
  private readonly log = new MinuteLog('WechatCache');
  private readonly requests = new SingleFlight<string>();
  private readonly cache: NestCache;

  constructor(@Optional() @Inject(CACHE_MANAGER) application?: NestCache) {
    this.cache = application ?? processCache();
  }

  /**
   * Returns the cached text, or requests it and caches it. Concurrent calls for one key share one request.
   * @throws what `request` rejects with
   */
  wrap(key: string, ttlMs: number, request: () => Promise<string>): Promise<string> {
    return this.requests.run(key, async () => {
      const cached = await this.orNothing(() => this.cache.get(key));
      if (typeof cached === 'string') return cached;
      const text = await request();
      void this.orNothing(() => this.cache.set(key, text, ttlMs));
      return text;
    });
  }

  private async orNothing(call: () => Promise<unknown>): Promise<unknown> {
    try {
      return await inTime(CACHE_TIMEOUT_MS, call);
    } catch (error) {
      this.log.error(`The application's cache failed: ${String(error)}`);
      return undefined;
    }
  }
}

function processCache(): NestCache {
  const cache = new LRUCache<string, string>({
    maxSize: MAX_BYTES,
    sizeCalculation: (value, key) => value.length + key.length, // base64 takes one byte a character
  });
  return {
    get: async (key) => cache.get(key),
    set: async (key, value, ttl) => cache.set(key, value, { ttl }),
  };
}
