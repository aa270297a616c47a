import { Injectable } from '@nestjs/common';
import { ContentSecurityService } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { AppClock } from '../common/app-clock.js';
import { BadRequestError } from '../common/app-error.js';
import { AppConfig } from '../config.js';
import type { User } from '../users/user.entity.js';
import { CheckLimit } from './check-limit.js';
import { ContentRefusedError } from './content.errors.js';

/** What a client sends of a profile. `null` removes a value. */
interface GivenProfile {
  nickName?: string | null;
  avatarUrl?: string | null;
}

/** Checks the names that users choose, before they are saved. */
@Injectable()
export class NickNames {
  constructor(
    private readonly security: ContentSecurityService,
    private readonly config: AppConfig,
    private readonly clock: AppClock,
    private readonly limit: CheckLimit,
  ) {}

  /**
   * Returns the changes of the user.
   * @throws ContentRefusedError, TooManyRequestsError, BadRequestError for an `avatarUrl` while pictures are checked, WechatNotVisitedError if the user has not
   *   opened the mini program within two hours, and WechatUnavailableError if WeChat does not respond
   */
  async check(
    { appId, openid }: Pick<WechatSession, 'appId' | 'openid'>,
    { nickName, avatarUrl }: GivenProfile,
  ): Promise<Partial<User>> {
    const { contentCheck } = this.config;
    if (typeof avatarUrl === 'string' && contentCheck === 'on')
      throw new BadRequestError(
        'avatarUrl is not accepted, because pictures are checked; upload the picture with PUT /me/avatar',
      );
    if (nickName === undefined) return { avatarUrl };
    if (contentCheck === 'off' || nickName === null)
      return { nickName, nickNameCheckedAt: null, profileStale: false, avatarUrl };
    await this.limit.countName({ appId, openid });
    const { suggest } = await this.security.checkText({
      content: nickName,
      scene: 'profile',
      openid,
      appId,
    });
    if (suggest !== 'pass') throw new ContentRefusedError();
    return { nickName, nickNameCheckedAt: this.clock.now(), profileStale: false, avatarUrl };
  }
}
