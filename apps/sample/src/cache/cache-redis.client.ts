import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { createClient } from 'redis';
import type { RedisClientType } from 'redis';
import { AppConfig } from '../config.js';

/** The connection to the Redis of the cache. The application starts and works while that Redis is down. */
@Injectable()
export class CacheRedisClient implements OnApplicationShutdown {
  readonly client: RedisClientType;
  private readonly logger = new Logger('Cache');
  private isDown = false;

  constructor({ cacheRedisUrl }: AppConfig) {
    this.client = createClient({
      url: cacheRedisUrl,
      disableOfflineQueue: true, // a command fails at once while there is no connection
      pingInterval: 1_000,
      socket: { connectTimeout: 2_000, socketTimeout: 3_000 },
    });
    this.client.on('error', () => this.report(true)).on('ready', () => this.report(false));
    this.client.connect().catch(() => {}); // it reconnects by itself
  }

  onApplicationShutdown(): void {
    this.client.destroy();
  }

  /** Without a listener for errors, a lost connection would end the process. */
  private report(isDown: boolean): void {
    if (isDown && !this.isDown)
      this.logger.warn('The Redis of CACHE_REDIS_URL is unavailable. Nothing is cached.');
    this.isDown = isDown;
  }
}
