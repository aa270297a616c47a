import { CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import type { DynamicModule, FactoryProvider } from '@nestjs/common';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from '../wechat.module-definition.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import type { WechatModuleOptions } from '../wechat.options.js';
import { createCache } from 'cache-manager';
import { cacheStores, unboundedMemory } from './cache.js';
import { MemoryStore } from './memory.store.js';
import type { RedisConnection } from './redis.connection.js';
import { WechatStore } from './wechat.store.js';

/** The one connection to Redis, or `undefined` without `options.redis`. Nest closes it: it has the hook. */
export const REDIS = Symbol('nestjs-wechat:redis');

/** The ground of WechatModule: the options, and the connection that store and cache share. */
@Module({
  providers: [
    {
      provide: ResolvedWechatOptions,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: WechatModuleOptions) => new ResolvedWechatOptions(options),
    },
    { provide: REDIS, inject: [ResolvedWechatOptions], useFactory: openRedis },
  ],
  exports: [ResolvedWechatOptions, REDIS],
})
export class FoundationModule extends ConfigurableModuleClass {}

/** Nest's cache on that connection, or in memory. */
export function cacheModule(foundation: DynamicModule): DynamicModule {
  return CacheModule.registerAsync({
    imports: [foundation],
    inject: [REDIS],
    useFactory: cacheStores,
  });
}

/** The store of `options.store`, else one in Redis, else one in memory. */
export const storeProvider: FactoryProvider<WechatStore> = {
  provide: WechatStore,
  inject: [ResolvedWechatOptions, { token: REDIS, optional: true }],
  useFactory: createStore,
};

/** Loaded only where it is used: a team without Redis needs no `redis` package. */
async function openRedis({ redis }: ResolvedWechatOptions): Promise<RedisConnection | undefined> {
  if (!redis) return undefined;
  const { RedisConnection } = await import('./redis.connection.js');
  return RedisConnection.open(redis);
}

async function createStore(
  { store, clock }: ResolvedWechatOptions,
  redis: RedisConnection | undefined,
): Promise<WechatStore> {
  if (store) return store;
  if (!redis) return new MemoryStore(createCache(unboundedMemory()), clock);
  const { RedisStore } = await import('./redis.store.js');
  return RedisStore.on(redis, clock);
}
