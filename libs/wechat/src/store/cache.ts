import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';
import type { RedisConnection } from './redis.connection.js';

/** What CacheModule is told. */
export interface CacheStores {
  stores: Keyv[];
}

/**
 * Where Nest's cache lies: in Redis where there is one, else in this process.
 *
 * In Redis it holds what can be fetched again, such as QR images and user info, as JSON: an image is to be put in as base64.
 * A value that is missing and a Redis that is down look the same to it, so nothing that must be known belongs there.
 */
export async function cacheStores(redis: RedisConnection | undefined): Promise<CacheStores> {
  if (!redis) return boundedMemory();
  const { redisCache } = await import('./redis.cache.js');
  return { stores: [redisCache(redis)] };
}

/** Room for a thousand codes or so. What is used least makes room, so that nobody fills the memory with invented scenes. */
const MAX_CHARACTERS = 64 * 1024 * 1024;

function boundedMemory(): CacheStores {
  const sizeCalculation = ({ value }: Kept): number =>
    typeof value === 'string' ? value.length : 1_000;
  const lru = new LRUCache<string, Kept>({ maxSize: MAX_CHARACTERS, sizeCalculation });
  return inProcess({
    get: (key: string) => lru.get(key),
    set: (key: string, kept: Kept, ttl?: number) => void lru.set(key, kept, { ttl }),
    delete: (key: string) => lru.delete(key),
    clear: () => lru.clear(),
  });
}

/** What Keyv hands to a store. */
interface Kept {
  value?: unknown;
}

/** For sessions, of which none may be dropped. */
export function unboundedMemory(): CacheStores {
  return inProcess(new Map());
}

/** Values stay objects: nothing is serialised within one process. */
function inProcess(store: object): CacheStores {
  return { stores: [new Keyv({ store, serialize: undefined, deserialize: undefined })] };
}
