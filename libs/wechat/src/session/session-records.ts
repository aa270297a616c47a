import { Inject, Injectable } from '@nestjs/common';
import { Keyring } from '../crypto/keyring.js';
import type { RingKey } from '../crypto/keyring.js';
import { seal, unseal } from '../crypto/sealed-box.js';
import { MinuteLog } from '../minute-log.js';
import { WechatStore } from '../store/wechat.store.js';
import { packSession, unpackSession } from './session.record.js';
import type { SessionRecord } from './session.record.js';
import type { ProvenToken } from './session-tokens.js';

/** A record as it was read or written. */
export interface StoredSession {
  id: string;
  sealed: Buffer;
  /** What sealed it, and therefore what vouches for the token that it holds. */
  key: RingKey;
  record: SessionRecord;
}

/** The sealed records of logins in the store. Each read asks the store, so an end holds at once. */
@Injectable()
export class SessionRecords {
  private readonly oddities = new MinuteLog('WechatSession');

  constructor(
    @Inject(WechatStore) private readonly store: WechatStore,
    @Inject(Keyring) private readonly keyring: Keyring,
  ) {}

  /** `undefined` also for a record that does not open, because its key is gone or somebody moved it. */
  async read(id: string): Promise<StoredSession | undefined> {
    const sealed = await this.store.get(keyOf(id));
    return sealed && this.open(id, sealed);
  }

  /** Like read, for the token of a request: bytes that are equal to those that it found before are not opened again. */
  async readFor(token: ProvenToken): Promise<StoredSession | undefined> {
    const sealed = await this.store.get(keyOf(token.id));
    if (!sealed) return undefined;
    if (!token.lastRead?.sealed.equals(sealed)) token.lastRead = this.open(token.id, sealed);
    return token.lastRead;
  }

  /** Writes a new login. `undefined` if there is one with this id. */
  async add(id: string, record: SessionRecord): Promise<StoredSession | undefined> {
    const stored = this.seal(id, record);
    return (await this.store.add(keyOf(id), stored.sealed, this.lifeOf(record)))
      ? stored
      : undefined;
  }

  /** Writes over what was read. `undefined` if it has been changed or ended since. */
  async replace(
    { id, sealed }: StoredSession,
    record: SessionRecord,
  ): Promise<StoredSession | undefined> {
    const stored = this.seal(id, record);
    return (await this.store.replace(keyOf(id), sealed, stored.sealed, this.lifeOf(record)))
      ? stored
      : undefined;
  }

  remove(id: string): Promise<boolean> {
    return this.store.remove(keyOf(id));
  }

  private open(id: string, sealed: Buffer): StoredSession | undefined {
    const box = unseal(this.keyring, keyOf(id), sealed);
    const record = box && unpackSession(box.record);
    if (record) return { id, sealed, key: box.key, record };
    this.oddities.error(
      'A session record cannot be opened: its key was removed from the encryption keys, or it was tampered with.',
    );
    return undefined;
  }

  private seal(id: string, record: SessionRecord): StoredSession {
    const key = this.keyring.sealing(record.appId);
    return { id, sealed: seal(key, keyOf(id), packSession(record)), key, record };
  }

  private lifeOf({ loginExpiresAt }: SessionRecord): number {
    return Math.max(1, loginExpiresAt - this.store.now());
  }
}

/** A record lasts as long as its login could, so that a token that was replaced long ago is still known for what it is. */
function keyOf(id: string): string {
  return `wx:s:${id}`;
}
