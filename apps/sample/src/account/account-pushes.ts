import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { InjectRepository } from '@nestjs/typeorm';
import { OnWechatMessage, StoreUnavailableError } from 'nestjs-wechat';
import type { WechatMessage } from 'nestjs-wechat';
import { randomUUID } from 'node:crypto';
import { Repository } from 'typeorm';
import { AvatarsService } from '../avatars/avatars.service.js';
import { AppClock } from '../common/app-clock.js';
import { DueJob, LOOK_EVERY_MS } from '../common/due-job.js';
import { RecordingsService } from '../recordings/recordings.service.js';
import { PhoneNumbersService } from '../users/phone-numbers.service.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { AccountPush } from './account-push.entity.js';
import { AccountService } from './account.service.js';

/** The name of the timer. */
export const ACCOUNT_JOB = 'account pushes';

const REVOKE = 'user_authorization_revoke';
const CANCEL = 'user_authorization_cancellation';
const MODIFIED = 'user_info_modified';

/** `RevokeInfo`. @see https://developers.weixin.qq.com/miniprogram/dev/framework/security.html */
const PROFILE_CODES = ['6', '19', '20'];
const PHONE_CODE = '8';
const RECORDING_CODE = '5';

const WARN_EVERY_MS = 3600_000;

type AboutUser = WechatMessage<{ OpenID?: unknown; RevokeInfo?: unknown }>;

/**
 * Takes what WeChat pushes about users, and deletes what existed when the push arrived. Name, picture and phone number are deleted before
 * WeChat gets its response. The deletion of an account or of recordings takes longer, so the push is stored, because WeChat delivers it three
 * times at most. A job does the work, and repeats it until it has succeeded.
 */
@Injectable()
export class AccountPushes extends DueJob<AccountPush> {
  private warnedAt?: Date;

  constructor(
    @InjectRepository(AccountPush) rows: Repository<AccountPush>,
    clock: AppClock,
    private readonly accounts: AccountService,
    private readonly users: UsersService,
    private readonly numbers: PhoneNumbersService,
    private readonly avatars: AvatarsService,
    private readonly recordings: RecordingsService,
  ) {
    super(rows, clock);
  }

  @OnWechatMessage('event', REVOKE)
  revoked(message: AboutUser): Promise<void> {
    return this.take(message);
  }

  @OnWechatMessage('event', CANCEL)
  cancelled(message: AboutUser): Promise<void> {
    return this.take(message);
  }

  @OnWechatMessage('event', MODIFIED)
  modified(message: AboutUser): Promise<void> {
    return this.take(message);
  }

  @Interval(ACCOUNT_JOB, LOOK_EVERY_MS)
  override run(): Promise<void> {
    return super.run();
  }

  protected async workOn(push: AccountPush): Promise<void> {
    await this.apply(push);
    await this.rows.delete(push.id);
  }

  /** The user is `OpenID`. `FromUserName` may be another id. */
  private async take({ event = '', appId, encrypted, data }: AboutUser): Promise<void> {
    const { OpenID: openid, RevokeInfo: revoked } = data;
    if (typeof openid !== 'string' || openid === '') return;
    const push = this.rows.create({
      id: randomUUID(),
      event,
      appId,
      openid,
      revoked: typeof revoked === 'string' ? revoked : null,
      encrypted,
      dueAt: this.clock.now(),
    });
    const takesLong = event === CANCEL || revoked === RECORDING_CODE;
    if (takesLong) await this.rows.insert(push);
    else await this.apply(push);
  }

  /** WeChat does not sign the content of a plain push, so a plain push deletes nothing. */
  private async apply(push: AccountPush): Promise<void> {
    const user = await this.users.resolve(push);
    if (!user) return;
    const { event, encrypted } = push;
    if (event === MODIFIED) {
      await this.users.save(user, { profileStale: true });
    } else if (!encrypted) {
      this.warnOfPlain(event);
    } else if (event === CANCEL) {
      await this.close(user, push);
    } else {
      await this.deleteRevoked(user, push);
    }
  }

  /** Deletes the push together with the account. An account that is newer than the push belongs to a later login and stays. */
  private async close(user: User, { id, arrivedAt }: AccountPush): Promise<void> {
    if (user.createdAt > arrivedAt) return;
    try {
      await this.accounts.close({ user }, (db) => db.delete(AccountPush, id));
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      this.logger.warn('An account is deleted, but not all of its sessions could be revoked.');
    }
  }

  /** All of them have the same cause, so the warning is logged once an hour. */
  private warnOfPlain(event: string): void {
    if (this.warnedAt && this.warnedAt > this.clock.in(-WARN_EVERY_MS)) return;
    this.warnedAt = this.clock.now();
    this.logger.warn(
      `A push ${event} was not encrypted, so no data was deleted. Switch the message push to secure mode (安全模式) in the console.`,
    );
  }

  private async deleteRevoked(user: User, { revoked, arrivedAt }: AccountPush): Promise<void> {
    const code = revoked ?? '';
    if (PROFILE_CODES.includes(code)) {
      const none = { nickName: null, nickNameCheckedAt: null, avatarUrl: null };
      await this.avatars.saveUser(user, none);
    } else if (code === PHONE_CODE) {
      await this.numbers.removeNumber(user);
    } else if (code === RECORDING_CODE) {
      await this.recordings.deleteAll(user, arrivedAt);
    }
  }
}
