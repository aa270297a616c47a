import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import type { HealthIndicatorResult } from '@nestjs/terminus';
import { PlatformClient } from '../platform/platform.client.js';
import { WechatStore } from '../store/wechat.store.js';
import { StoreUnavailableError } from '../wechat.errors.js';

/** Any key does: that the store answers is the point. */
const PROBE = 'wx:health';

/**
 * Health for `@nestjs/terminus`. The store decides whether this instance is ready; WeChat's state is told beside it, because
 * sessions work without WeChat. Nothing here calls WeChat.
 *
 * @example
 * ```ts
 * this.health.check([() => this.wechat.store('store'), () => this.wechat.platform('wechat')]);
 * ```
 */
@Injectable()
export class WechatHealthIndicator {
  constructor(
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(WechatStore) private readonly sessions: WechatStore,
    @Inject(PlatformClient) private readonly wechat: PlatformClient,
  ) {}

  /** Down while the session store does not answer. */
  async store(name: string): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check(name);
    try {
      await this.sessions.get(PROBE);
      return indicator.up();
    } catch (error) {
      if (error instanceof StoreUnavailableError) return indicator.down({ error: error.code });
      throw error;
    }
  }

  /** Always up, with `state: 'degraded'` if the last call to WeChat found it unreachable, slow or refusing us. */
  platform<Key extends string>(
    name: Key,
  ): HealthIndicatorResult<Key, 'up', { state: 'ok' | 'degraded' }> {
    return this.indicators.check(name).up({ state: this.wechat.state });
  }
}
