import type { Cache } from '@nestjs/cache-manager';
import { KeyedMutex } from '../keyed-mutex.js';
import { WechatStore } from './wechat.store.js';
import type { StoreCount } from './wechat.store.js';

interface Entry {
  value: Buffer;
  expiresAt: number;
}

const SWEEP_EVERY = 60_000;

/**
 * The default: sessions in this process, on Nest's in-memory cache. For development and for a single instance; a restart
 * logs everybody out. Verbs on one key run one after the other, which is what makes them atomic.
 */
export class MemoryStore extends WechatStore {
  private readonly turns = new KeyedMutex();
  private sweptAt = Date.now();

  constructor(
    private readonly cache: Cache,
    /** Milliseconds since 1970; tests move it. @default Date.now */
    private readonly clock: () => number = Date.now,
  ) {
    super();
  }

  now(): number {
    return this.clock();
  }

  async get(key: string): Promise<Buffer | undefined> {
    return (await this.read(key))?.value;
  }

  add(key: string, value: Buffer, ttl: number): Promise<boolean> {
    return this.turns.run(key, async () => {
      if (await this.read(key)) return false;
      await this.write(key, value, this.now() + ttl);
      return true;
    });
  }

  replace(key: string, expected: Buffer, value: Buffer, ttl: number): Promise<boolean> {
    return this.turns.run(key, async () => {
      if (!(await this.read(key))?.value.equals(expected)) return false;
      await this.write(key, value, this.now() + ttl);
      return true;
    });
  }

  remove(key: string, expected?: Buffer): Promise<boolean> {
    return this.turns.run(key, async () => {
      const entry = await this.read(key);
      if (!entry || (expected && !entry.value.equals(expected))) return false;
      return this.cache.del(key);
    });
  }

  take(key: string): Promise<Buffer | undefined> {
    return this.turns.run(key, async () => {
      const entry = await this.read(key);
      if (entry) await this.cache.del(key);
      return entry?.value;
    });
  }

  count(key: string, by: number, window: number): Promise<StoreCount> {
    return this.turns.run(key, async () => {
      const entry = await this.read(key);
      const count = Number(entry?.value ?? 0) + by;
      const expiresAt = entry?.expiresAt ?? this.now() + window;
      await this.write(key, Buffer.from(String(count)), expiresAt);
      return { count, resetsIn: expiresAt - this.now() };
    });
  }

  private async read(key: string): Promise<Entry | undefined> {
    const entry = await this.cache.get<Entry>(key);
    return entry && entry.expiresAt > this.now() ? entry : undefined;
  }

  private async write(key: string, value: Buffer, expiresAt: number): Promise<void> {
    if (Date.now() - this.sweptAt > SWEEP_EVERY) void this.sweep();
    await this.cache.set(
      key,
      { value, expiresAt } satisfies Entry,
      Math.max(1, expiresAt - this.now()),
    );
  }

  /** The cache forgets an expired entry only when it is touched; walking over all of them touches what nobody reads again. */
  private async sweep(): Promise<void> {
    this.sweptAt = Date.now();
    for (const keyv of this.cache.stores)
      for await (const _ of keyv.iterator?.(undefined) ?? []) continue;
  }
}
