import { KeyvAdapter } from 'cache-manager';
import { redisClusterInsStore, redisInsStore } from 'cache-manager-redis-yet';
import { Keyv } from 'keyv';
import { isBytesOrNil, isNumber, isOkOrNil } from './redis.answers.js';
import type { RedisConnection } from './redis.connection.js';

const NAMESPACE = 'wx:c';

/** The cache on the store's own connection, with its deadline and its circuit. A cache that cannot answer is an empty one. */
export function redisCache(redis: RedisConnection): Keyv {
  const client = clientOf(redis);
  const store = redis.isCluster
    ? redisClusterInsStore(client as never, { rootNodes: [] })
    : redisInsStore(client as never);
  const keyv = new Keyv({
    store: new KeyvAdapter(store),
    namespace: NAMESPACE,
    serialize: undefined,
    deserialize: undefined,
  });
  return keyv.on('error', ignore); // the connection has logged it; without a listener it would end the process
}

/** As much of a client as the adapter needs for a cache. It has no FLUSHDB, which `cache.clear()` would run on all sessions. */
interface CacheClient {
  get(key: string): Promise<string | undefined>;
  mGet(keys: string[]): Promise<(string | undefined)[]>;
  set(key: string, value: string, life?: { PX: number }): Promise<unknown>;
  del(keys: string | string[]): Promise<unknown>;
  pTTL(key: string): Promise<number | undefined>;
}

function clientOf(redis: RedisConnection): CacheClient {
  const get = async (key: string): Promise<string | undefined> =>
    (await redis.ask(key, isBytesOrNil, (send) => send('GET', key)))?.toString();
  const del = (key: string): Promise<unknown> =>
    redis.ask(key, isNumber, (send) => send('DEL', key));
  return {
    get,
    mGet: (keys) => Promise.all(keys.map(get)),
    set: (key, value, life) =>
      redis.ask(key, isOkOrNil, (send) =>
        send('SET', key, value, ...(life ? ['PX', String(life.PX)] : [])),
      ),
    del: (keys) => Promise.all([keys].flat().map(del)),
    pTTL: (key) => redis.ask(key, isNumber, (send) => send('PTTL', key)),
  };
}

function ignore(): void {}
