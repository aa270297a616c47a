import { Injectable } from '@nestjs/common';
import { WechatStore } from 'nestjs-wechat';
import { createHash } from 'node:crypto';
import { TooManyRequestsError } from './app-error.js';

export interface UserLimit {
  /** Part of the key in the store. */
  name: string;
  /** Uses in a window; 0 means no limit. */
  points: number;
  windowMs: number;
}

/** Names a WeChat user. The name stays the same if the user deletes the account and logs in again. */
export function wechatUserName({ appId, openid }: { appId: string; openid: string }): string {
  return `${appId}:${openid}`;
}

/** Limits what one user can use in a window of time, in all sessions and on all instances. */
@Injectable()
export class UserLimits {
  constructor(private readonly store: WechatStore) {}

  /**
   * Counts one use.
   * @param user any text that identifies the user
   * @throws TooManyRequestsError above the limit, StoreUnavailableError
   */
  async count(limit: UserLimit, user: string): Promise<void> {
    if (limit.points === 0) return;
    const { count, resetsInMs } = await this.store.count(keyOf(limit, user), 1, limit.windowMs);
    if (count > limit.points) throw new TooManyRequestsError(resetsInMs);
  }

  /** Takes back a use that was counted. */
  async takeBack(limit: UserLimit, user: string): Promise<void> {
    if (limit.points > 0) await this.store.count(keyOf(limit, user), -1, limit.windowMs);
  }
}

/** The key contains a hash, because a dump of Redis must not show openids. */
function keyOf({ name }: UserLimit, user: string): string {
  return `app:${name}:${createHash('sha256').update(user).digest('base64url')}`;
}
