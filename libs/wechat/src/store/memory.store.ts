import { ProcessClock } from '../wechat.clock.js';
import type { WechatClock } from '../wechat.clock.js';
import { WechatStore } from './wechat.store.js';
import type { StoreCount } from './wechat.store.js';

interface Entry {
  value: Buffer;
  /** Milliseconds since 1970, on the store's clock. */
  expiresAt: number;
}

/** How often expired entries are deleted, at most. */
const SWEEP_INTERVAL_MS = 60_000;

/**
 * The default store: a map in this process, for development and for a single instance. A restart ends all sessions.
 *
 * Every verb runs synchronously, so it is atomic.
 */
export class MemoryStore extends WechatStore {
  private readonly entries = new Map<string, Entry>();
  private sweptAt: number;

  constructor(private readonly clock: WechatClock = new ProcessClock()) {
    super();
    this.sweptAt = clock.now();
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.read(key)?.value;
  }

  async add(key: string, value: Buffer, ttlMs: number): Promise<boolean> {
    if (this.read(key)) return false;
    this.write(key, value, this.clock.now() + ttlMs);
    return true;
  }

  async replace(key: string, expected: Buffer, value: Buffer, ttlMs: number): Promise<boolean> {
    if (!this.read(key)?.value.equals(expected)) return false;
    this.write(key, value, this.clock.now() + ttlMs);
    return true;
  }

  async remove(key: string, expected?: Buffer): Promise<boolean> {
    const entry = this.read(key);
    if (!entry || (expected && !entry.value.equals(expected))) return false;
    return this.entries.delete(key);
  }

  async take(key: string): Promise<Buffer | undefined> {
    const entry = this.read(key);
    this.entries.delete(key);
    return entry?.value;
  }

  async count(key: string, by: number, windowMs: number): Promise<StoreCount> {
    const now = this.clock.now();
    const entry = this.read(key);
    const count = Number(entry?.value ?? 0) + by;
    const expiresAt = entry?.expiresAt ?? now + windowMs;
    this.write(key, Buffer.from(String(count)), expiresAt);
    return { count, resetsInMs: expiresAt - now };
  }

  private read(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    return entry && entry.expiresAt > this.clock.now() ? entry : undefined;
  }

  private write(key: string, value: Buffer, expiresAt: number): void {
    if (this.clock.now() - this.sweptAt > SWEEP_INTERVAL_MS) this.sweep();
    this.entries.set(key, { value, expiresAt });
  }

  /** Deletes expired entries. Without it an entry that is never read again would stay for ever. */
  private sweep(): void {
    const now = this.clock.now();
    this.sweptAt = now;
    for (const [key, { expiresAt }] of this.entries) if (expiresAt <= now) this.entries.delete(key);
  }
}
