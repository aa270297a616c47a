import { createHash } from 'node:crypto';
import type { WechatClock } from '../../wechat.clock.js';
import { StoreUnavailableError } from '../../wechat.errors.js';
import type { WechatModuleOptions } from '../../wechat.options.js';
import { DEFAULT_KEY_PREFIX } from '../keys.js';
import { WechatStore } from '../wechat.store.js';
import type { StoreCount } from '../wechat.store.js';
import { RedisClock } from './redis.clock.js';
import { isInteger, isIntegerPair, RedisConnection } from './redis.connection.js';
import type { RedisTopology } from './redis.topology.js';

/** Each script has one key, so it runs on any server of a cluster. A value of another type is an error, never a match. */
const REPLACE = script(`
  if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
  redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3])
  return 1`);

const REMOVE = script(`
  if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('del', KEYS[1])`);

const COUNT = script(`
  local count = redis.call('incrby', KEYS[1], ARGV[1])
  local left = redis.call('pttl', KEYS[1])
  if left >= 0 then return {count, left} end
  redis.call('pexpire', KEYS[1], ARGV[2])
  return {count, tonumber(ARGV[2])}`);

/**
 * Sessions in Redis or in a Redis Cluster, shared by any number of instances. Each verb is one command or one script.
 *
 * `options.redis` creates one. Create it yourself if another part of your application needs it too:
 *
 * @example
 * ```ts
 * const store = await RedisStore.open({ url: 'redis://127.0.0.1:6379' });
 * WechatModule.forRoot({ apps, store }) // and store.close() when your application ends
 * ```
 */
export class RedisStore extends WechatStore {
  /** Redis's time. The module uses it as the clock of all instances. */
  readonly clock: WechatClock;

  private constructor(
    private readonly redis: RedisConnection,
    private readonly keyPrefix: string,
    clock: RedisClock,
  ) {
    super();
    this.clock = clock;
    redis.addReadyListener(() => void clock.sync());
  }

  /**
   * Opens a store with a connection of its own. Resolves after a second at most, even if Redis does not respond.
   * @throws WechatConfigError if Redis cannot be used with these options
   */
  static async open(redis: NonNullable<WechatModuleOptions['redis']>): Promise<RedisStore> {
    return RedisStore.on(await RedisConnection.open(redis), redis.keyPrefix);
  }

  /** @internal */
  static async on(redis: RedisConnection, keyPrefix = DEFAULT_KEY_PREFIX): Promise<RedisStore> {
    const clock = new RedisClock(() => redis.time());
    const store = new RedisStore(redis, keyPrefix, clock);
    await clock.sync();
    return store;
  }

  /** Closes the connection, unless it is a client of your application. */
  close(): Promise<void> {
    return this.redis.close();
  }

  async get(key: string): Promise<Buffer | undefined> {
    const name = this.nameOf(key);
    return (
      (await this.redis.execute(name, isBytesOrNil, (redis) => redis.send(name, ['GET', name]))) ??
      undefined
    );
  }

  async add(key: string, value: Buffer, ttlMs: number): Promise<boolean> {
    const name = this.nameOf(key);
    const reply = await this.redis.execute(name, isOkOrNil, (redis) =>
      redis.send(name, ['SET', name, value, 'NX', 'PX', wholeMs(ttlMs)]),
    );
    return reply === 'OK';
  }

  async replace(key: string, expected: Buffer, value: Buffer, ttlMs: number): Promise<boolean> {
    const name = this.nameOf(key);
    const replaced = await this.redis.execute(name, isInteger, (redis) =>
      run(redis, REPLACE, name, expected, value, wholeMs(ttlMs)),
    );
    return replaced === 1;
  }

  async remove(key: string, expected?: Buffer): Promise<boolean> {
    const name = this.nameOf(key);
    if (!expected) return this.redis.remove(name);
    const removed = await this.redis.execute(name, isInteger, (redis) =>
      run(redis, REMOVE, name, expected),
    );
    return removed === 1;
  }

  async take(key: string): Promise<Buffer | undefined> {
    const name = this.nameOf(key);
    return (
      (await this.redis.execute(name, isBytesOrNil, (redis) =>
        redis.send(name, ['GETDEL', name]),
      )) ?? undefined
    );
  }

  async count(key: string, by: number, windowMs: number): Promise<StoreCount> {
    const name = this.nameOf(key);
    const reply = await this.redis.execute(name, isIntegerPair, (redis) =>
      run(redis, COUNT, name, String(by), wholeMs(windowMs)),
    );
    if (!reply) throw new StoreUnavailableError('The key of a counter holds another value.');
    const [count, resetsInMs] = reply;
    return { count, resetsInMs };
  }

  /** Every name in Redis starts with the prefix. The library's keys start with the default one, which is replaced. */
  private nameOf(key: string): string {
    if (!key.startsWith(DEFAULT_KEY_PREFIX)) return this.keyPrefix + key;
    return this.keyPrefix === DEFAULT_KEY_PREFIX
      ? key
      : this.keyPrefix + key.slice(DEFAULT_KEY_PREFIX.length);
  }
}

function isBytesOrNil(reply: unknown): reply is Buffer | null {
  return reply === null || Buffer.isBuffer(reply);
}

function isOkOrNil(reply: unknown): reply is 'OK' | null {
  return reply === null || reply === 'OK';
}

interface Script {
  text: string;
  sha1: string;
}

function script(text: string): Script {
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}

/** Runs a script by its digest, or by its text if the server does not have it yet or has lost it in a restart. */
async function run(
  redis: RedisTopology,
  { sha1, text }: Script,
  key: string,
  ...args: (string | Buffer)[]
): Promise<unknown> {
  try {
    return await redis.send(key, ['EVALSHA', sha1, '1', key, ...args]);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return redis.send(key, ['EVAL', text, '1', key, ...args]);
  }
}

/** Redis takes whole milliseconds, 1 or more. */
function wholeMs(ttlMs: number): string {
  return String(Math.max(1, Math.ceil(ttlMs)));
}
