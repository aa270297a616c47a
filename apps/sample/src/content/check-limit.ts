import { Injectable } from '@nestjs/common';
import { UserLimits } from '../common/user-limits.js';
import type { UserLimit } from '../common/user-limits.js';
import { AppConfig } from '../config.js';

const DAY_MS = 24 * 3600_000;

/** Limits how many files and how many names of one user WeChat checks in a day, so that no user takes the quota of the app. */
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
   * @throws TooManyRequestsError above the limit, StoreUnavailableError
   */
  countFile(userId: string): Promise<void> {
    return this.limits.count(this.files, userId);
  }

  /** @throws TooManyRequestsError above the limit, StoreUnavailableError */
  countName({ appId, openid }: { appId: string; openid: string }): Promise<void> {
    return this.limits.count(this.names, `${appId}:${openid}`);
  }
}
