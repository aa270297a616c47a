import './terminus.peer.js';
import { Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import type { HealthIndicatorResult } from '@nestjs/terminus';
import { randomUUID } from 'node:crypto';
import { PlatformClient } from '../platform/platform.client.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';
import { StoreUnavailableError } from '../wechat.errors.js';

/** The key expires by itself if the process ends between the write and the removal. */
const PROBE_TTL_MS = 5_000;
const PROBE_VALUE = Buffer.from('1');

/**
 * Health indicators for `@nestjs/terminus`. This instance is ready if the store is up. The state of WeChat is only reported,
 * because sessions work without WeChat. Neither indicator calls WeChat.
 *
 * @example
 * ```ts
 * this.health.check([() => this.wechat.store('store'), () => this.wechat.platform('wechat')]);
 * ```
 */
@Injectable()
export class WechatHealthIndicator {
  /** @internal */
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly wechatStore: WechatStore,
    private readonly platformClient: PlatformClient,
  ) {}

  /**
   * Writes a key and removes it.
   * @param name of the indicator in the response
   * @returns down if the store does not respond or refuses writes, for example because its memory is full
   */
  async store(name: string): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check(name);
    try {
      const probe = KEY_PREFIX.healthCheck + randomUUID();
      await this.wechatStore.add(probe, PROBE_VALUE, PROBE_TTL_MS);
      await this.wechatStore.remove(probe);
      return indicator.up();
    } catch (error) {
      if (error instanceof StoreUnavailableError) return indicator.down({ error: error.code });
      throw error;
    }
  }

  /**
   * Reports the result of the last call to WeChat.
   * @param name of the indicator in the response
   * @returns always up; `state: 'degraded'` if the call got no response, or WeChat refused the app's credentials
   */
  platform<Key extends string>(
    name: Key,
  ): HealthIndicatorResult<Key, 'up', { state: 'ok' | 'degraded' }> {
    return this.indicators.check(name).up({ state: this.platformClient.state });
  }
}
