import { Injectable } from '@nestjs/common';
import { WechatError } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { UserLimits, wechatUserName } from '../common/user-limits.js';
import type { UserLimit } from '../common/user-limits.js';
import { AppConfig } from '../config.js';

/** Limits how many mini-program codes a user creates in a minute. */
@Injectable()
export class QrCodeRateLimit {
  private readonly limit: UserLimit;

  constructor(
    { qrCodeRateLimit: points }: AppConfig,
    private readonly limits: UserLimits,
  ) {
    this.limit = { name: 'qrcodes', points, windowMs: 60_000 };
  }

  /**
   * Runs `work` if the user is within the limit. A request that is refused before WeChat is called does not count.
   * @throws TooManyRequestsError above the limit, StoreUnavailableError, and what `work` throws
   */
  async run<T>(session: WechatSession, work: () => Promise<T>): Promise<T> {
    const user = wechatUserName(session);
    await this.limits.count(this.limit, user);
    try {
      return await work();
    } catch (error) {
      if (isRefusedLocally(error)) await this.limits.takeBack(this.limit, user);
      throw error;
    }
  }
}

/** Whether the library refused the request before it called WeChat: an invalid scene or option. An error of WeChat has an errcode. */
function isRefusedLocally(error: unknown): boolean {
  return (
    error instanceof WechatError &&
    error.errcode === undefined &&
    ['ERR_BAD_REQUEST', 'ERR_WECHAT_SCENE'].includes(error.code)
  );
}
