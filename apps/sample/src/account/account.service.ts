import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { SessionService } from 'nestjs-wechat';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AvatarsService } from '../avatars/avatars.service.js';
import { AccountDeletedError } from '../common/app-error.js';
import { Recording } from '../recordings/recording.entity.js';
import { RecordingsService } from '../recordings/recordings.service.js';
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
  ) {}

  /**
   * 注销. The rows go first and together: from then on every session and token of the account is nobody's and answered with 401, whatever
   * happens to what follows. Files that stay are swept at the next start; logins that cannot be ended end by themselves.
   */
  async close({ user }: Account): Promise<void> {
    const { recordings, identities } = await this.dataSource.transaction((db) =>
      removeRows(db, user),
    );
    await this.recordings.removeFiles(recordings);
    await this.avatars.removeOf(user);
    await Promise.all(
      identities.map(({ appId, openid }) => this.sessions.revokeAll({ appId, openid })),
    );
  }
}

/** The row is locked first: an upload or a login that wants to add to it waits, and then finds nobody. */
async function removeRows(
  db: EntityManager,
  { id }: User,
): Promise<{ recordings: Recording[]; identities: Identity[] }> {
  const user = await db.findOne(User, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!user) throw new AccountDeletedError();
  const recordings = await db.findBy(Recording, { userId: id });
  const identities = await db.findBy(Identity, { userId: id });
  await db.delete(User, id); // the rest goes with it, by the foreign keys
  return { recordings, identities };
}
