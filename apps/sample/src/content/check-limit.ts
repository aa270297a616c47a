import { Injectable } from '@nestjs/common';
import { UserLimits, wechatUserName } from '../common/user-limits.js';
import type { UserLimit } from '../common/user-limits.js';
import { AppConfig } from '../config.js';
import type { IdentityKey } from '../users/account-linking.js';
import type { User } from '../users/user.entity.js';

const DAY_MS = 24 * 3600_000;

/**
 * Limits how many files and how many names of one user WeChat checks in a day, so that no user takes the quota of the app. It counts by the
 * WeChat user, because an account that is deleted and made again has another id.
 */
@Injectable()
export class CheckLimit {
  private readonly files: UserLimit;
  private readonly names: UserLimit;

  constructor(
    { contentCheck, contentCheckLimit }: AppConfig,
    private readonly limits: UserLimits,
  ) {
    const limit = (name: string, isChecked: boolean): UserLimit => ({
      name,
      points: isChecked ? contentCheckLimit : 0,
      windowMs: DAY_MS,
    });
    this.files = limit('checked-files', contentCheck === 'on');
    this.names = limit('checked-names', contentCheck !== 'off');
  }

  /**
   * Counts an upload. Call it before the file is received.
   * @param user with the identity of the session
   * @throws TooManyRequestsError above the limit, StoreUnavailableError
   */
  countFile({ identities: [identity], id }: User): Promise<void> {
    return this.limits.count(this.files, identity ? wechatUserName(identity) : id);
  }

  /** @throws TooManyRequestsError above the limit, StoreUnavailableError */
  countName(user: IdentityKey): Promise<void> {
    return this.limits.count(this.names, wechatUserName(user));
  }
}
