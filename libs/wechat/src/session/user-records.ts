import { Inject, Injectable } from '@nestjs/common';
import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Keyring } from '../crypto/keyring.js';
import { seal, unseal } from '../crypto/sealed-box.js';
import { WechatStore } from '../store/wechat.store.js';
import { Turns } from '../turns.js';
import { StoreUnavailableError } from '../wechat.errors.js';
import { packUser, unpackUser } from './user.record.js';
import type { UserRecord } from './user.record.js';

/**
 * Whose record: a user in one app.
 *
 * @example
 * ```ts
 * const user: WechatUserKey = { appId: 'wx…', openid: 'o…' };
 * await sessions.revokeAll(user);      // needs no session
 * ```
 */
export interface WechatUserKey {
  appId: string;
  openid: string;
}

/** Fifty logins of one user at the same moment settle well before this; more than that is a store that lies. */
const MAX_TRIES = 100;

/** What `UserRecords.change` asks. */
type Change = (
  record: UserRecord | undefined,
) => Promise<UserRecord | undefined> | UserRecord | undefined;

/** Reads and changes what the store keeps of a user. Changes are compare-and-set, so no instance overwrites another's. */
@Injectable()
export class UserRecords {
  private readonly turns = new Turns();

  constructor(
    @Inject(WechatStore) private readonly store: WechatStore,
    @Inject(Keyring) private readonly keyring: Keyring,
  ) {}

  async read(user: WechatUserKey): Promise<UserRecord | undefined> {
    const key = keyOf(user);
    return this.open(key, await this.store.get(key));
  }

  /**
   * Writes what `change` makes of the record. It is asked again whenever somebody else was faster.
   * `undefined` from `change` removes the record.
   */
  async change(user: WechatUserKey, change: Change): Promise<void> {
    const key = keyOf(user);
    return this.turns.take(key, () => this.changeInTurn(user, key, change));
  }

  /** Within a process changes queue up, so only other instances can be faster: fifty logins of one user don't ask the store thousands of times. */
  private async changeInTurn({ appId }: WechatUserKey, key: string, change: Change): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const sealed = await this.store.get(key);
      const next = await change(this.open(key, sealed));
      if (
        await this.swap(
          key,
          sealed,
          next && seal(this.keyring.sealing(appId), key, packUser(next)),
          next,
        )
      )
        return;
      await sleep(Math.random() * Math.min(tries, 10));
    }
    throw new StoreUnavailableError(
      'A record of the session store changed under every attempt to write it.',
    );
  }

  private async swap(
    key: string,
    before: Buffer | undefined,
    after: Buffer | undefined,
    record: UserRecord | undefined,
  ): Promise<boolean> {
    if (!after) return !before || this.store.remove(key, before);
    const ttl = Math.max(1, lastsUntil(record) - this.store.now());
    return before ? this.store.replace(key, before, after, ttl) : this.store.add(key, after, ttl);
  }

  private open(key: string, sealed: Buffer | undefined): UserRecord | undefined {
    const opened = sealed && unseal(this.keyring, key, sealed);
    return opened && unpackUser(opened.record);
  }
}

function lastsUntil(record: UserRecord | undefined): number {
  return Math.max(0, ...(record?.logins.map((login) => login.loginExpiresAt) ?? []));
}

/** An openid is 28 random characters, so its hash cannot be searched for; the store still does not show who logs in. */
function keyOf({ appId, openid }: WechatUserKey): string {
  return `wx:u:${hash('sha256', `${appId} ${openid}`, 'base64url').slice(0, 22)}`;
}
