import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { WechatError, WechatRateLimitError, WechatStore } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { AppConfig } from '../config.js';

const WINDOW_MS = 60_000;

/** Limits how many mini-program codes one user makes in a minute, over all instances and all sessions of the user. */
@Injectable()
export class QrCodeRateLimit {
  constructor(
    private readonly config: AppConfig,
    private readonly store: WechatStore,
  ) {}

  /**
   * Runs `work` if the user is within the limit. A request that is refused before WeChat is called does not count.
   * @throws WechatRateLimitError above the limit, StoreUnavailableError, and what `work` throws
   */
  async run<T>({ appId, openid }: WechatSession, work: () => Promise<T>): Promise<T> {
    const limit = this.config.qrCodeRateLimit;
    if (limit === 0) return work();
    const key = keyOf(appId, openid);
    const { count, resetsInMs } = await this.store.count(key, 1, WINDOW_MS);
    if (count > limit) throw new WechatRateLimitError(Math.ceil(resetsInMs / 1000));
    try {
      return await work();
    } catch (error) {
      if (isLocalRefusal(error)) await this.store.count(key, -1, WINDOW_MS);
      throw error;
    }
  }
}

/** The key contains a hash, because a dump of Redis must not show openids. */
function keyOf(appId: string, openid: string): string {
  const user = createHash('sha256').update(`${appId}:${openid}`).digest('base64url');
  return `app:qrcodes:${user}`;
}

/** An invalid scene or option. WeChat did not see the request, so the error has no errcode. */
function isLocalRefusal(error: unknown): boolean {
  return (
    error instanceof WechatError &&
    error.errcode === undefined &&
    ['ERR_BAD_REQUEST', 'ERR_WECHAT_SCENE'].includes(error.code)
  );
}
