import { createHash } from 'node:crypto';
import { StoreUnavailableError } from '../wechat.errors.js';
import type { WechatModuleOptions } from '../wechat.options.js';
import { isBytesOrNil, isNumber, isOkOrNil, isPair } from './redis.answers.js';
import { RedisClock } from './redis.clock.js';
import { RedisConnection } from './redis.connection.js';
import type { Send } from './redis.connection.js';
import { WechatStore } from './wechat.store.js';
import type { StoreCount } from './wechat.store.js';

/** Each touches one key, so it runs on any node of a cluster. A key of another type is an error, never a match. */
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
 * Sessions in Redis or in a Redis Cluster, for any number of instances. Each verb is one command or one small script.
 *
 * `options.redis` makes one. Make it yourself where another part of your application needs it, too:
 *
 * @example
 * ```ts
 * const store = await RedisStore.open({ url: 'redis://127.0.0.1:6379' });
 * WechatModule.forRoot({ apps, store }) // and store.close() when your application ends
 * ```
 */
export class RedisStore extends WechatStore {
  private readonly clock: RedisClock;

  /** @param clock see RedisClock; for tests */
  constructor(
    private readonly redis: RedisConnection,
    clock?: () => number,
  ) {
    super();
    this.clock = new RedisClock(() => redis.time(), clock);
    redis.onReady(() => void this.clock.sync());
  }

  /** A store on a connection of its own. It resolves within a second or so, whether Redis is there or not. */
  static async open(
    redis: NonNullable<WechatModuleOptions['redis']>,
    clock?: () => number,
  ): Promise<RedisStore> {
    return RedisStore.on(await RedisConnection.open(redis), clock);
  }

  /** A store on a connection that is there already, and that knows Redis's time before its first use. */
  static async on(redis: RedisConnection, clock?: () => number): Promise<RedisStore> {
    const store = new RedisStore(redis, clock);
    await store.clock.sync();
    return store;
  }

  /** Ends the connection, unless it is a client of your own. */
  close(): Promise<void> {
    return this.redis.close();
  }

  now(): number {
    return this.clock.now();
  }

  async get(key: string): Promise<Buffer | undefined> {
    return (await this.redis.ask(key, isBytesOrNil, (send) => send('GET', key))) ?? undefined;
  }

  async add(key: string, value: Buffer, ttl: number): Promise<boolean> {
    return (
      (await this.redis.ask(key, isOkOrNil, (send) =>
        send('SET', key, value, 'NX', 'PX', life(ttl)),
      )) === 'OK'
    );
  }

  async replace(key: string, expected: Buffer, value: Buffer, ttl: number): Promise<boolean> {
    return (
      (await this.redis.ask(key, isNumber, (send) =>
        run(send, REPLACE, key, expected, value, life(ttl)),
      )) === 1
    );
  }

  async remove(key: string, expected?: Buffer): Promise<boolean> {
    if (!expected) return this.redis.remove(key);
    return (await this.redis.ask(key, isNumber, (send) => run(send, REMOVE, key, expected))) === 1;
  }

  async take(key: string): Promise<Buffer | undefined> {
    return (await this.redis.ask(key, isBytesOrNil, (send) => send('GETDEL', key))) ?? undefined;
  }

  async count(key: string, by: number, window: number): Promise<StoreCount> {
    const answer = await this.redis.ask(key, isPair, (send) =>
      run(send, COUNT, key, String(by), life(window)),
    );
    if (!answer)
      throw new StoreUnavailableError('What lies at the key of a counter is no counter.');
    const [count, resetsIn] = answer;
    return { count, resetsIn };
  }
}

interface Script {
  text: string;
  sha1: string;
}

function script(text: string): Script {
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}

/** By its digest; with its text where the server does not know it yet, or has forgotten it over a restart. */
async function run(
  send: Send,
  { sha1, text }: Script,
  key: string,
  ...args: (string | Buffer)[]
): Promise<unknown> {
  try {
    return await send('EVALSHA', sha1, '1', key, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return send('EVAL', text, '1', key, ...args);
  }
}

/** Redis takes whole milliseconds, from 1. */
function life(ttl: number): string {
  return String(Math.max(1, Math.ceil(ttl)));
}
