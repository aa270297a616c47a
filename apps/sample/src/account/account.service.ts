import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { SessionService } from 'nestjs-wechat';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AvatarsService } from '../avatars/avatars.service.js';
import { AppClock } from '../common/app-clock.js';
import { AccountDeletedError } from '../common/app-error.js';
import { Recording } from '../recordings/recording.entity.js';
import { RecordingsService } from '../recordings/recordings.service.js';
import { releaseOrders } from '../shop/orders-of-account.js';
import type { Account } from '../tokens/app-tokens.js';
import { Identity } from '../users/identity.entity.js';
import { User } from '../users/user.entity.js';

@Injectable()
export class AccountService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly recordings: RecordingsService,
    private readonly avatars: AvatarsService,
    private readonly sessions: SessionService,
    private readonly clock: AppClock,
  ) {}

  /**
   * Deletes an account (注销). Its recordings are deleted first, in pages, because a user can have thousands. The account and what is left
   * follow in one transaction. From then on every token of the account is 401, even if a later step fails. If an earlier step fails, the
   * account still exists, and the user repeats the request. Files that are not removed move to the trash at the next sweep. Sessions that are
   * not revoked are 401 too, until the WeChat user logs in again: then they belong to the new account, until they expire.
   * @param alsoDelete deletes further rows in the same transaction
   * @throws AccountDeletedError; StoreUnavailableError if the account is deleted and a session is not revoked
   */
  async close(
    { user }: Pick<Account, 'user'>,
    alsoDelete?: (db: EntityManager) => Promise<unknown>,
  ): Promise<void> {
    await this.recordings.deleteAll(user);
    const { recordings, identities, pictures } = await this.dataSource.transaction(async (db) => {
      await alsoDelete?.(db);
      const files = await this.avatars.filesOf(db, user.id);
      return { pictures: files, ...(await removeRows(db, user, this.clock.now())) };
    });
    await this.recordings.remove(recordings.map(({ id }) => id));
    await this.avatars.remove(pictures);
    await Promise.all(
      identities.map(({ appId, openid }) => this.sessions.revokeAll({ appId, openid })),
    );
  }
}

/** Locks the row first. A concurrent upload or login that adds to the account waits, and then finds that the account is deleted. */
async function removeRows(
  db: EntityManager,
  { id }: User,
  now: Date,
): Promise<{ recordings: Recording[]; identities: Identity[] }> {
  const user = await db.findOne(User, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!user) throw new AccountDeletedError();
  const recordings = await db.findBy(Recording, { userId: id });
  const identities = await db.findBy(Identity, { userId: id });
  await releaseOrders(db, id, now);
  await db.delete(User, id); // its foreign keys delete the other rows
  return { recordings, identities };
}
