import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { SessionService } from 'nestjs-wechat';
import { Repository } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AccountDeletedError, PhoneTakenError } from '../common/app-error.js';
import { AppConfig } from '../config.js';
import { isUniqueViolation } from '../database/database-errors.js';
import {
  detachIdentity,
  detachPhoneIdentities,
  lockUsers,
  mergeAccounts,
  ownIdentities,
} from './account-linking.js';
import type { IdentityKey } from './account-linking.js';
import { Identity } from './identity.entity.js';
import { User } from './user.entity.js';
import { UsersService } from './users.service.js';
import type { VerifiedPhone } from './verified-phone.js';

/** The account that has a phone number. */
export interface PhoneOwner {
  account: User;
  /** Whether the identity that logged in belongs to this account. */
  linked: boolean;
}

const NO_NUMBER = { phoneNumber: null, phoneE164: null, phoneVerifiedAt: null };

const CONFIRM_NUMBER = `
  UPDATE users SET phone_verified_at = GREATEST(phone_verified_at, $3)
  WHERE id = $1 AND phone_e164 = $2`;

/** Which account has a phone number, and what follows when that changes (docs/account-linking.md). */
@Injectable()
export class PhoneNumbersService {
  private readonly logger = new Logger(PhoneNumbersService.name);

  constructor(
    @InjectRepository(User) private readonly rows: Repository<User>,
    private readonly users: UsersService,
    private readonly sessions: SessionService,
    private readonly config: AppConfig,
  ) {}

  /**
   * Finds the account of a number that WeChat has just verified for `identity`. Merges the account of the identity into it if
   * the number was verified for the found account within `PHONE_TRUST`, and WeChat does not say that they are two people.
   *
   * @returns `null` if no account has the number
   */
  async findOwner(
    identity: IdentityKey,
    user: User,
    phone: VerifiedPhone,
  ): Promise<PhoneOwner | null> {
    const { phoneE164, phoneVerifiedAt } = phone;
    const owner = await this.rows.findOneBy({ phoneE164 });
    if (!owner) return null;
    if (owner.id === user.id) await this.confirm(identity, user, phone);
    else {
      const verifiedSince = new Date(phoneVerifiedAt.getTime() - this.config.phoneTrustMs);
      const evidence = { phoneE164, verifiedSince };
      await this.rows.manager.transaction((db) =>
        mergeAccounts(db, { into: owner.id, from: user.id, evidence }),
      );
    }
    const [account, own] = await Promise.all([
      this.rows.findOneBy({ phoneE164 }),
      this.users.resolve(identity),
    ]);
    return account && { account, linked: own?.id === account.id };
  }

  /**
   * Gives the account of an identity a number that WeChat has verified for it. Identities that joined the account by its old
   * number leave it, and their sessions are revoked. An identity that itself joined by the old number leaves the account with
   * the new number.
   *
   * @param takeOver take the number from the account that has it now
   * @returns the account that has the number now
   * @throws PhoneTakenError if another account has the number, AccountDeletedError, StoreUnavailableError
   */
  async setNumber(
    identity: IdentityKey,
    user: User,
    phone: VerifiedPhone,
    { takeOver = false } = {},
  ): Promise<User> {
    const { id, previousOwner } = await this.rows.manager
      .transaction(async (db) => {
        const owner = takeOver ? await db.findOneBy(User, { phoneE164: phone.phoneE164 }) : null;
        const users = await lockUsers(db, user.id, owner?.id);
        const account = users.get(user.id);
        if (!account) throw new AccountDeletedError();
        const cleared = await this.clearNumber(db, phone, account, users.get(owner?.id ?? ''));
        return {
          id: await this.assignNumber(db, account, identity, phone),
          previousOwner: cleared,
        };
      })
      .catch((error: unknown) => {
        throw isUniqueViolation(error) ? new PhoneTakenError() : error;
      });
    if (previousOwner)
      this.logger.warn(
        `Account ${id} took over the phone number of account ${previousOwner}, which has no number now.`,
      );
    return this.users.get(id);
  }

  /**
   * Removes the number of an account. Identities that joined the account by it leave, and their sessions are revoked.
   * @throws StoreUnavailableError: nothing has changed
   */
  async removeNumber({ id }: User): Promise<void> {
    await this.rows.manager.transaction(async (db) => {
      const account = (await lockUsers(db, id)).get(id);
      if (account) await this.clear(db, account);
    });
  }

  /** @returns the id of the account whose number was cleared */
  private async clearNumber(
    db: EntityManager,
    { phoneE164 }: VerifiedPhone,
    account: User,
    owner: User | undefined,
  ): Promise<string | undefined> {
    if (!owner || owner.id === account.id || owner.phoneE164 !== phoneE164) return undefined;
    await this.clear(db, owner);
    return owner.id;
  }

  /** @param account locked by `lockUsers` */
  private async clear(db: EntityManager, account: User): Promise<void> {
    await db.update(User, account.id, NO_NUMBER);
    const identities = await db.findBy(Identity, { userId: account.id });
    await this.revokeSessions(await detachPhoneIdentities(db, account, identities));
  }

  /** @returns the id of the account that has the number now */
  private async assignNumber(
    db: EntityManager,
    account: User,
    { appId, openid }: IdentityKey,
    phone: VerifiedPhone,
  ): Promise<string> {
    const identities = await db.findBy(Identity, { userId: account.id });
    const isSame = account.phoneE164 === phone.phoneE164;
    if (!hasIdentity(ownIdentities(identities), { appId, openid })) {
      if (isSame) return account.id;
      if (!hasIdentity(identities, { appId, openid })) throw new AccountDeletedError(); // it left the account meanwhile
      const id = await detachIdentity(db, account, { appId, openid });
      await db.update(User, id, phone);
      return id;
    }
    await db.update(User, account.id, phone);
    if (!isSame) await this.revokeSessions(await detachPhoneIdentities(db, account, identities));
    return account.id;
  }

  /** Remembers that WeChat has returned the account's number again, if it was for one of the account's own identities. */
  private async confirm(
    { appId, openid }: IdentityKey,
    { id }: User,
    { phoneE164, phoneVerifiedAt }: VerifiedPhone,
  ): Promise<void> {
    const { identities } = (await this.users.findAccount(id)) ?? { identities: [] };
    if (hasIdentity(ownIdentities(identities), { appId, openid }))
      await this.rows.query(CONFIRM_NUMBER, [id, phoneE164, phoneVerifiedAt]);
  }

  /** Before the transaction ends: if the store is down, nothing changes, and the request can be repeated. */
  private async revokeSessions(identities: Identity[]): Promise<void> {
    await Promise.all(
      identities.map(({ appId, openid }) => this.sessions.revokeAll({ appId, openid })),
    );
  }
}

function hasIdentity(identities: Identity[], { appId, openid }: IdentityKey): boolean {
  return identities.some((identity) => identity.appId === appId && identity.openid === openid);
}
