import { LRUCache } from 'lru-cache';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Keyring, RingKey } from '../crypto/keyring.js';
import { KeyedMutex } from '../keyed-mutex.js';
import { MinuteLog } from '../minute-log.js';
import type { WechatClock } from '../wechat.clock.js';
import { StoreUnavailableError } from '../wechat.errors.js';
import type { WechatStore } from './wechat.store.js';

/** Converts a record to bytes and back. */
export interface Codec<T> {
  encode(record: T): Buffer;
  /** `undefined` if the bytes are not a valid record. */
  decode(bytes: Buffer): T | undefined;
}

/** For records of which a store holds few. */
export function jsonCodec<T>(): Codec<T> {
  return {
    encode: (record) => Buffer.from(JSON.stringify(record)),
    decode: (bytes) => JSON.parse(bytes.toString()) as T,
  };
}

export interface SealedRepositoryOptions<T, Id = string> {
  /** For the log, such as `session`. */
  kind: string;
  /** The start of every key. One of `KEY_PREFIX`. */
  prefix: string;
  codec: Codec<T>;
  /** The rest of the key. @default the id */
  keyOf?(id: Id): string;
  /** The app whose key seals the record if no encryption keys are configured. */
  appIdOf(record: T, id: Id): string;
  /** When the store may delete the record, in milliseconds since 1970. */
  expiresAt(record: T): number;
  /** Whether a record still counts. One that does not is absent. @default all do */
  isLive?(record: T): Promise<boolean>;
  /** How many opened records stay in memory, so that equal bytes are not opened twice. @default 0 */
  maxOpened?: number;
}

/** A record as it was read or written. */
export interface Stored<T, Id = string> {
  id: Id;
  record: T;
  /** The bytes in the store. */
  sealed: Buffer;
  /** The key that sealed the record. */
  key: RingKey;
}

/**
 * The number of attempts of one compare-and-set. Within a process updates of a record queue up, so an attempt fails only
 * when another process wrote in between.
 */
const MAX_ATTEMPTS = 100;
/** The longest pause between two attempts, in milliseconds. Pauses are random, so that processes do not collide again. */
const MAX_PAUSE_MS = 10;

/**
 * Encrypted records of one kind in the store. The key of a record is the additional data of its encryption, so a record that
 * was copied to another key does not open. A record that does not open counts as absent.
 *
 * Every method throws StoreUnavailableError if the store does not respond.
 */
export class SealedRepository<T, Id = string> {
  private readonly log = new MinuteLog('WechatStore');
  private readonly mutex = new KeyedMutex();
  private readonly opened?: LRUCache<string, Stored<T, Id>>;

  constructor(
    private readonly store: WechatStore,
    private readonly keyring: Keyring,
    private readonly clock: WechatClock,
    private readonly options: SealedRepositoryOptions<T, Id>,
  ) {
    if (options.maxOpened) this.opened = new LRUCache({ max: options.maxOpened });
  }

  async get(id: Id): Promise<Stored<T, Id> | undefined> {
    const stored = this.open(id, await this.store.get(this.keyOf(id)));
    return this.options.isLive ? this.live(stored) : stored;
  }

  /** Writes a new record. Returns `undefined` if the key exists. */
  async add(id: Id, record: T): Promise<Stored<T, Id> | undefined> {
    return this.write(id, undefined, record);
  }

  /**
   * Reads a record, computes the next one and writes it by compare-and-set, again if another process wrote in between.
   *
   * @param change returns the next record; the same object to write nothing; `undefined` to remove the record.
   *   It may run several times. If it throws, nothing is written.
   * @returns the record as it is in the store now
   * @throws StoreUnavailableError also if every attempt was overtaken
   */
  update(
    id: Id,
    change: (record: T | undefined) => Promise<T | undefined> | T | undefined,
  ): Promise<Stored<T, Id> | undefined> {
    return this.mutex.run(this.keyOf(id), async () => {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const sealed = await this.store.get(this.keyOf(id));
        const opened = this.open(id, sealed);
        const before = this.options.isLive ? await this.live(opened) : opened;
        const record = await change(before?.record);
        if (record && record === before?.record) return before;
        if (record) {
          const written = await this.write(id, sealed, record);
          if (written) return written;
        } else if (!sealed || (await this.store.remove(this.keyOf(id), sealed))) return undefined;
        await sleep(Math.random() * Math.min(attempt, MAX_PAUSE_MS));
      }
      throw new StoreUnavailableError(
        `A record was changed by other processes during all ${MAX_ATTEMPTS} attempts to write it.`,
      );
    });
  }

  /** Removes the record without a comparison. Returns whether there was one. */
  remove(id: Id): Promise<boolean> {
    return this.store.remove(this.keyOf(id));
  }

  private async write(
    id: Id,
    before: Buffer | undefined,
    record: T,
  ): Promise<Stored<T, Id> | undefined> {
    const storeKey = this.keyOf(id);
    const key = this.keyring.sealingKey(this.options.appIdOf(record, id));
    const sealed = key.seal(storeKey, this.options.codec.encode(record));
    const ttlMs = Math.max(1, this.options.expiresAt(record) - this.clock.now());
    const isWritten = before
      ? await this.store.replace(storeKey, before, sealed, ttlMs)
      : await this.store.add(storeKey, sealed, ttlMs);
    if (!isWritten) return undefined;
    const stored = { id, record, sealed, key };
    this.opened?.set(storeKey, stored);
    return stored;
  }

  private async live(stored: Stored<T, Id> | undefined): Promise<Stored<T, Id> | undefined> {
    return stored && (await this.options.isLive!(stored.record)) ? stored : undefined;
  }

  private open(id: Id, sealed: Buffer | undefined): Stored<T, Id> | undefined {
    if (!sealed) return undefined;
    const storeKey = this.keyOf(id);
    const known = this.opened?.get(storeKey);
    if (known?.sealed.equals(sealed)) return known;
    const opened = this.keyring.open(storeKey, sealed);
    const record = opened && this.decode(opened.record);
    if (record) {
      const stored = { id, record, sealed, key: opened.key };
      this.opened?.set(storeKey, stored);
      return stored;
    }
    this.log.error(
      `A ${this.options.kind} record cannot be opened: its encryption key is not configured any more, or the record was changed.`,
    );
    return undefined;
  }

  /** A record of a later version can end where this version reads on. */
  private decode(bytes: Buffer): T | undefined {
    try {
      return this.options.codec.decode(bytes);
    } catch {
      return undefined;
    }
  }

  private keyOf(id: Id): string {
    return this.options.prefix + (this.options.keyOf?.(id) ?? String(id));
  }
}
