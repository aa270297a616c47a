import { Logger } from '@nestjs/common';
import type { FactoryProvider, OnApplicationShutdown } from '@nestjs/common';
import { MemoryStore } from '../store/memory.store.js';
import { WechatStore } from '../store/wechat.store.js';
import { ResolvedPayOptions } from './pay.options.js';

/** The store of the notifications: `options.store`, `options.redis`, the store of WechatModule, or memory. */
export class PayStore implements OnApplicationShutdown {
  /** @param close closes the connection that WechatPayModule opened */
  constructor(
    readonly store: WechatStore,
    private readonly close?: () => Promise<void>,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.close?.();
  }
}

export const payStoreProvider: FactoryProvider<PayStore> = {
  provide: PayStore,
  inject: [ResolvedPayOptions, { token: WechatStore, optional: true }],
  useFactory: async ({ store, redis }: ResolvedPayOptions, shared?: WechatStore) => {
    if (store) return new PayStore(store);
    if (redis) {
      const { RedisStore } = await import('../store/redis/redis.store.js');
      const opened = await RedisStore.open(redis);
      return new PayStore(opened, () => opened.close());
    }
    if (shared) return new PayStore(shared);
    new Logger('WechatPay').warn(
      'WechatPayModule has no store: notifications are remembered in this process only. Pass store or redis, or import WechatModule.',
    );
    return new PayStore(new MemoryStore());
  },
};
