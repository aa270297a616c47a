import { CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import { KeyvAdapter } from 'cache-manager';
import { redisInsStore } from 'cache-manager-redis-yet';
import { Keyv } from 'keyv';
import { CacheRedisClient } from './cache-redis.client.js';

@Module({ providers: [CacheRedisClient], exports: [CacheRedisClient] })
class CacheRedisModule {}

/**
 * Nest's cache in a Redis that all instances share. It is global, so the library finds it and caches mini-program codes in it.
 *
 * Do not put it into the Redis of the sessions: the images would take the memory that logins need. Use a separate server
 * with `maxmemory` and `maxmemory-policy allkeys-lru`.
 */
export const redisCacheModule = CacheModule.registerAsync({
  isGlobal: true,
  imports: [CacheRedisModule],
  inject: [CacheRedisClient],
  useFactory: ({ client }: CacheRedisClient) => {
    const keyv = new Keyv({
      store: new KeyvAdapter(redisInsStore(client as never)), // it declares an older version of the client
      namespace: 'cache',
      serialize: undefined, // the store serialises already
      deserialize: undefined,
      throwOnErrors: true, // the library logs a failed cache and continues without it
    });
    keyv.on('error', () => {}); // without a listener an error would end the process
    return { stores: [keyv] };
  },
});
