import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { WechatSession, WechatUserResolver } from 'nestjs-wechat';
import { Repository } from 'typeorm';
import { AccountDeletedError } from '../common/app-error.js';
import { AppConfig } from '../config.js';
import { isUniqueViolation } from '../database/database-errors.js';
import { PreparedQuery } from '../database/prepared-query.js';
import { recordUnionid } from './account-linking.js';
import type { IdentityKey } from './account-linking.js';
import { User } from './user.entity.js';

export type Profile = Pick<
  User,
  | 'nickName'
  | 'nickNameCheckedAt'
  | 'profileStale'
  | 'avatarUrl'
  | 'gender'
  | 'country'
  | 'province'
  | 'city'
  | 'language'
>;

export interface Registration {
  user: User;
  /** True for exactly one login, also if several run at the same time. */
  isNewUser: boolean;
}

type LoggedIn = Pick<WechatSession, 'appId' | 'openid' | 'unionid'>;

/** Returns the existing account of the unionid, if another app has created it. `xmax` is 0 only in a row that was just inserted. */
const ADD_USER = `
  INSERT INTO users (unionid) VALUES ($1)
  ON CONFLICT (unionid) DO UPDATE SET unionid = excluded.unionid
  RETURNING id, xmax = 0 AS "isNew"`;

/** In an existing account, the new identity is as trustworthy as the identity whose unionid it has. */
const ADD_IDENTITY = `
  INSERT INTO identities (app_id, openid, unionid, user_id, joined_by_phone)
  SELECT $1, $2, $3, $4, NOT $5::boolean AND NOT EXISTS (
    SELECT 1 FROM identities WHERE user_id = $4 AND unionid = $3 AND NOT joined_by_phone)
  ON CONFLICT DO NOTHING
  RETURNING user_id`;

/** The accounts of this app. `@CurrentUser()` is the account that `resolve` returns. */
@Injectable()
export class UsersService implements WechatUserResolver<User> {
  private readonly byIdentity: PreparedQuery<User>;

  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    config: AppConfig,
  ) {
    const query = users
      .createQueryBuilder('user')
      .innerJoinAndSelect(
        'user.identities',
        'identity',
        'identity.appId = $1 AND identity.openid = $2',
      );
    this.byIdentity = new PreparedQuery(config, 'user-by-identity', query);
  }

  /** The account of a session with the identity of the session, or `null` if the account was deleted. */
  resolve({ appId, openid }: IdentityKey): Promise<User | null> {
    return this.byIdentity.getOne(appId, openid);
  }

  /** An account with all its identities. One query; `findOne` with relations makes two. */
  async findAccount(id: string): Promise<User | null> {
    const [account] = await this.users.find({ where: { id }, relations: { identities: true } });
    return account ?? null;
  }

  /** The account of a login. It is created if the openid is new. */
  async register(session: LoggedIn): Promise<Registration> {
    const known = await this.resolve(session);
    if (known) return { user: await this.withUnionid(known, session), isNewUser: false };
    const isNewUser = await this.add(session);
    const user = await this.resolve(session);
    if (user) return { user, isNewUser };
    if (session.unionid === undefined)
      throw new Error('The user was deleted while they logged in.');
    return this.register({ ...session, unionid: undefined }); // the account of the unionid has another openid in this app
  }

  /** @throws AccountDeletedError */
  async save({ id }: User, changes: Partial<User>): Promise<User> {
    if (Object.values(changes).some((value) => value !== undefined))
      await this.users.update(id, changes);
    return this.get(id);
  }

  /** @throws AccountDeletedError */
  async get(id: string): Promise<User> {
    const user = await this.users.findOneBy({ id });
    if (!user) throw new AccountDeletedError();
    return user;
  }

  /** If two logins race, one inserts the identity. The other waits at the primary key and removes its own account again. */
  private add({ appId, openid, unionid = null }: LoggedIn | (IdentityKey & { unionid: null })) {
    return this.users.manager.transaction(async (db) => {
      const [user] = await db.query<[{ id: string; isNew: boolean }]>(ADD_USER, [unionid]);
      const identity = [appId, openid, unionid, user.id, user.isNew];
      const added = (await db.query<unknown[]>(ADD_IDENTITY, identity)).length > 0;
      if (!added && user.isNew) await db.delete(User, user.id);
      return added && user.isNew;
    });
  }

  /** WeChat returns a unionid only once the app is bound to an open-platform account, so it may come after the first login. */
  private async withUnionid(user: User, { unionid, ...session }: LoggedIn): Promise<User> {
    const recorded = user.identities[0]?.unionid;
    if (unionid === undefined || (recorded === unionid && user.unionid !== null)) return user;
    await this.recordUnionid(session, unionid).catch((error: unknown) => {
      if (!isUniqueViolation(error)) throw error;
      return this.recordUnionid(session, unionid); // another login set it in the meantime, so now there is an account to merge with
    });
    return (await this.resolve(session)) ?? user;
  }

  private recordUnionid(identity: IdentityKey, unionid: string): Promise<void> {
    return this.users.manager.transaction((db) => recordUnionid(db, identity, unionid));
  }
}
