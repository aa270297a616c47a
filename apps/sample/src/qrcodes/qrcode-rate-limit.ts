import { Injectable } from '@nestjs/common';
import { WechatError, WechatStore } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { createHash } from 'node:crypto';
import { TooManyRequestsError } from '../common/app-error.js';
import { AppConfig } from '../config.js';

const WINDOW_MS = 60_000;

/** Limits how many mini-program codes a user creates in a minute, in all sessions and on all instances. */
@Injectable()
export class QrCodeRateLimit {
  constructor(
    private readonly config: AppConfig,
    private readonly store: WechatStore,
  ) {}

  /**
   * Runs `work` if the user is within the limit. A request that is refused before WeChat is called does not count.
   * @throws TooManyRequestsError above the limit, StoreUnavailableError, and what `work` throws
   */
  async run<T>({ appId, openid }: WechatSession, work: () => Promise<T>): Promise<T> {
    const limit = this.config.qrCodeRateLimit;
    if (limit === 0) return work();
    const key = keyOf(appId, openid);
    const { count, resetsInMs } = await this.store.count(key, 1, WINDOW_MS);
    if (count > limit) throw new TooManyRequestsError(Math.ceil(resetsInMs / 1000));
    try {
      return await work();
    } catch (error) {
      if (isRefusedLocally(error)) await this.store.count(key, -1, WINDOW_MS);
      throw error;
    }
  }
}

/** The key contains a hash, because a dump of Redis must not show openids. */
function keyOf(appId: string, openid: string): string {
  const user = createHash('sha256').update(`${appId}:${openid}`).digest('base64url');
  return `app:qrcodes:${user}`;
}

/** Whether the library refused the request before it called WeChat: an invalid scene or option. An error of WeChat has an errcode. */
function isRefusedLocally(error: unknown): boolean {
  return (
    error instanceof WechatError &&
    error.errcode === undefined &&
    ['ERR_BAD_REQUEST', 'ERR_WECHAT_SCENE'].includes(error.code)
  );
}
