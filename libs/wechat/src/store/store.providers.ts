import { Logger } from '@nestjs/common';
import type { FactoryProvider } from '@nestjs/common';
import { ProcessClock, WechatClock } from '../wechat.clock.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { MemoryStore } from './memory.store.js';
import type { RedisConnection } from './redis/redis.connection.js';
import { WechatStore } from './wechat.store.js';

/** The connection of `options.redis`, or `undefined`. It is a provider, so that Nest closes it. */
const REDIS_CONNECTION = Symbol('nestjs-wechat:redis');

/** The Redis files are imported only if they are used, so that an application without Redis does not need the package. */
export const redisProvider: FactoryProvider<RedisConnection | undefined> = {
  provide: REDIS_CONNECTION,
  inject: [ResolvedWechatOptions],
  useFactory: async ({ redis }: ResolvedWechatOptions) => {
    if (!redis) return undefined;
    const { RedisConnection } = await import('./redis/redis.connection.js');
    return RedisConnection.open(redis);
  },
};

/** `options.store`, else a store on `options.redis`, else a store in memory. */
export const storeProvider: FactoryProvider<WechatStore> = {
  provide: WechatStore,
  inject: [ResolvedWechatOptions, { token: REDIS_CONNECTION, optional: true }],
  useFactory: createStore,
};

/** `options.clock`, else the clock of the store, else the clock of this process. */
export const clockProvider: FactoryProvider<WechatClock> = {
  provide: WechatClock,
  inject: [ResolvedWechatOptions, WechatStore],
  useFactory: ({ clock }: ResolvedWechatOptions, store: WechatStore & { clock?: unknown }) => {
    if (clock) return new ProcessClock(clock);
    return store.clock instanceof WechatClock ? store.clock : new ProcessClock();
  },
};

async function createStore(
  { store, redis, clock }: ResolvedWechatOptions,
  connection: RedisConnection | undefined,
): Promise<WechatStore> {
  if (store) return store;
  if (!connection) {
    warnAboutMemory();
    return new MemoryStore(new ProcessClock(clock));
  }
  const { RedisStore } = await import('./redis/redis.store.js');
  return RedisStore.on(connection, redis?.keyPrefix);
}

function warnAboutMemory(): void {
  if (process.env['NODE_ENV'] === 'production')
    new Logger('WechatModule').warn(
      'Sessions are in the memory of this process: a restart ends them, and other instances return 401 for them. Set REDIS_URL (options redis and store).',
    );
}
