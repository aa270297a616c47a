import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { WechatSessionError } from 'nestjs-wechat';
import type { WechatSession, WechatUserResolver } from 'nestjs-wechat';
import { Repository } from 'typeorm';
import { PhoneTakenError } from '../common/app-error.js';
import { isUniqueViolation } from '../database/database-errors.js';
import { join } from './one-person.js';
import type { Join } from './one-person.js';
import type { Phone } from './phone.js';
import { User } from './user.entity.js';

export type Profile = Pick<
  User,
  'nickName' | 'avatarUrl' | 'gender' | 'country' | 'province' | 'city' | 'language'
>;

export interface Registration {
  user: User;
  /** True for one login only, whatever races. */
  isNewUser: boolean;
}

/** A person whom another app of the same open-platform account has brought keeps their row; `xmax` is 0 in a row made just now. */
const ADD_USER = `
  INSERT INTO users (unionid) VALUES ($1)
  ON CONFLICT (unionid) DO UPDATE SET unionid = excluded.unionid
  RETURNING id, xmax = 0 AS "isNew"`;

const ADD_IDENTITY = `
  INSERT INTO identities (app_id, openid, user_id) VALUES ($1, $2, $3)
  ON CONFLICT DO NOTHING
  RETURNING user_id`;

/** The people of this app. `@CurrentUser()` is what `resolve` finds. */
@Injectable()
export class UsersService implements WechatUserResolver<User> {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** The user of a session, or `null` if the account is gone. */
  resolve({ appId, openid }: Pick<WechatSession, 'appId' | 'openid'>): Promise<User | null> {
    return this.users
      .createQueryBuilder('user')
      .innerJoin(
        'user.identities',
        'identity',
        'identity.appId = :appId AND identity.openid = :openid',
        { appId, openid },
      )
      .getOne();
  }

  /** With the openids that belong to the account. */
  findAccount(id: string): Promise<User | null> {
    return this.users.findOne({ where: { id }, relations: { identities: true } });
  }

  /** The user of a login, registered if the openid has not been seen before. */
  async register(
    session: Pick<WechatSession, 'appId' | 'openid' | 'unionid'>,
  ): Promise<Registration> {
    const known = await this.resolve(session);
    if (known) return { user: await this.withUnionid(known, session.unionid), isNewUser: false };
    const isNewUser = await this.add(session);
    const user = await this.resolve(session);
    if (user) return { user, isNewUser };
    if (session.unionid === undefined)
      throw new Error('The user was deleted while they logged in.');
    return this.register({ ...session, unionid: undefined }); // the unionid's account has another openid in this app, so it is not theirs
  }

  /** @throws PhoneTakenError if the number is another user's, WechatSessionError if the account is gone */
  async save({ id }: User, changes: Partial<User>): Promise<User> {
    try {
      if (Object.values(changes).some((value) => value !== undefined))
        await this.users.update(id, changes);
    } catch (error) {
      throw isUniqueViolation(error) ? new PhoneTakenError() : error;
    }
    const user = await this.users.findOneBy({ id });
    if (!user) throw new WechatSessionError();
    return user;
  }

  /**
   * Whose number this is. If the account that asks may be the same person's, it becomes part of the owner's.
   * `null` if nobody has registered the number.
   */
  async ownerOf({ phoneE164 }: Phone, asking: User): Promise<User | null> {
    const owner = await this.users.findOneBy({ phoneE164 });
    if (!owner || owner.id === asking.id) return owner;
    await this.join({
      into: owner.id,
      from: asking.id,
      because: (into) => into.phoneE164 === phoneE164,
    });
    return this.users.findOneBy({ phoneE164 });
  }

  /** Of two logins that race, one inserts the identity; the other waits for it at the primary key and takes its own user back. */
  private add({
    appId,
    openid,
    unionid,
  }: Pick<WechatSession, 'appId' | 'openid' | 'unionid'>): Promise<boolean> {
    return this.users.manager.transaction(async (db) => {
      const [user] = await db.query<[{ id: string; isNew: boolean }]>(ADD_USER, [unionid ?? null]);
      const identities = await db.query<unknown[]>(ADD_IDENTITY, [appId, openid, user.id]);
      if (identities.length === 0 && user.isNew) await db.delete(User, user.id);
      return identities.length > 0 && user.isNew;
    });
  }

  /** WeChat tells a unionid only once the app is bound to an open-platform account; a user from before that learns it late. */
  private async withUnionid(user: User, unionid: string | undefined): Promise<User> {
    if (unionid === undefined || user.unionid !== null) return user;
    try {
      await this.users.update(user.id, { unionid });
      return Object.assign(user, { unionid });
    } catch (error) {
      if (isUniqueViolation(error)) return this.joinedByUnionid(user, unionid);
      throw error;
    }
  }

  private async joinedByUnionid(user: User, unionid: string): Promise<User> {
    const holder = await this.users.findOneBy({ unionid });
    const joined =
      holder &&
      (await this.join({
        into: holder.id,
        from: user.id,
        because: (into) => into.unionid === unionid,
      }));
    return (joined ? await this.users.findOneBy({ id: holder.id }) : null) ?? user;
  }

  private join(accounts: Join): Promise<boolean> {
    return this.users.manager.transaction((db) => join(db, accounts));
  }
}
