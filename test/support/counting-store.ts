import { WechatStore } from 'nestjs-wechat';
import { ProcessClock } from '../../libs/wechat/src/wechat.clock.js';
import { MemoryStore } from '../../libs/wechat/src/store/memory.store.js';

/** Counts what the store is asked, and remembers the keys. */
export class CountingStore extends WechatStore {
  calls = 0;
  readonly keys = new Set<string>();
  private readonly inner: MemoryStore;

  /** @param now the time in milliseconds since 1970 */
  constructor(now?: () => number) {
    super();
    this.inner = new MemoryStore(new ProcessClock(now));
  }

  get = (key: string) => this.counted(key, () => this.inner.get(key));
  add = (key: string, value: Buffer, ttl: number) =>
    this.counted(key, () => this.inner.add(key, value, ttl));
  replace = (key: string, expected: Buffer, value: Buffer, ttl: number) =>
    this.counted(key, () => this.inner.replace(key, expected, value, ttl));
  remove = (key: string, expected?: Buffer) =>
    this.counted(key, () => this.inner.remove(key, expected));
  take = (key: string) => this.counted(key, () => this.inner.take(key));
  count = (key: string, by: number, ttl: number) =>
    this.counted(key, () => this.inner.count(key, by, ttl));

  private counted<T>(key: string, work: () => T): T {
    this.calls++;
    this.keys.add(key);
    return work();
  }
}
