import { Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { HealthIndicatorService } from '@nestjs/terminus';
import type { HealthIndicatorResult } from '@nestjs/terminus';
import { PlatformClient } from '../platform/platform.client.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';
import { StoreUnavailableError } from '../wechat.errors.js';

/** The key expires by itself if the process ends between the write and the removal. */
const PROBE_TTL_MS = 5_000;
const PROBE_VALUE = Buffer.from('1');

/**
 * Health for `@nestjs/terminus`. The store decides whether this instance is ready. The state of WeChat is reported beside it,
 * because sessions work without WeChat. Neither indicator calls WeChat.
 *
 * @example
 * ```ts
 * this.health.check([() => this.wechat.store('store'), () => this.wechat.platform('wechat')]);
 * ```
 */
@Injectable()
export class WechatHealthIndicator {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly sessions: WechatStore,
    private readonly wechat: PlatformClient,
  ) {}

  /** Writes a key and removes it. Down while the store does not respond or takes no writes, for example when its memory is full. */
  async store(name: string): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check(name);
    try {
      const probe = KEY_PREFIX.healthCheck + randomUUID();
      await this.sessions.add(probe, PROBE_VALUE, PROBE_TTL_MS);
      await this.sessions.remove(probe);
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
