import type { OnApplicationShutdown } from '@nestjs/common';
import type { RedisClientType } from 'redis';
import { safeCause } from '../../error-cause.js';
import { hideSecrets } from '../../hide-secrets.js';
import { MinuteLog } from '../../minute-log.js';
import { StoreUnavailableError } from '../../wechat.errors.js';
import type { WechatModuleOptions } from '../../wechat.options.js';
import { CALL_TIMEOUT_MS, CircuitBreaker, TimeoutError, withTimeout } from './circuit-breaker.js';
import { Cluster, SingleServer } from './redis.topology.js';
import type { RedisEvents, RedisTopology } from './redis.topology.js';

export type RedisOptions = NonNullable<WechatModuleOptions['redis']>;

/** How long `open` waits for the first connection. The application starts without Redis after that. */
const CONNECT_WAIT_MS = 1_000;

const RECONNECT_INTERVAL_MS = 1_000;

/** How long replicas may take to confirm a removal. The removal and the wait together end within `CALL_TIMEOUT_MS`. */
const REPLICA_TIMEOUT_MS = 150;

/** What to do about an error that Redis returns, by its first word. */
const CURES: Record<string, string> = {
  LOADING: 'It has just started and is loading its data.',
  MISCONF: 'It cannot write to its disk.',
  MOVED: 'It is part of a cluster: give the URLs of several of its nodes.',
  NOAUTH: 'Its URL needs a user and a password.',
  NOPERM:
    'The user of the URL needs ~wx:* (or your key prefix) and get, set, getdel, del, incrby, pttl, pexpire, eval, evalsha, time, ping; a cluster also cluster|slots, waitReplicas also wait.',
  OOM: 'Its maxmemory is reached: raise it.',
  READONLY: 'It is a replica: the URL must lead to the primary.',
  WRONGPASS: 'Check the user and the password in its URL.',
};

/**
 * The connection to Redis. It reconnects by itself. Whatever is not a valid reply in time becomes StoreUnavailableError.
 * A client of the application is used, but never closed.
 */
export class RedisConnection implements OnApplicationShutdown {
  private readonly log = new MinuteLog('WechatStore');
  /** One per server, by its address. */
  private readonly breakers = new Map<string, CircuitBreaker>();
  private readonly readyListeners: (() => void)[] = [];
  private readonly ownsClient: boolean;
  private readonly topology: RedisTopology;
  private readonly waitReplicas: number;
  /** A second connection for removals with `waitReplicas`: Redis replies to nothing on a connection that is in WAIT. */
  private readonly waiting?: RedisConnection;
  private isClosed = false;
  private reconnectedAt = -Infinity;
  /** Ends the wait for the first connection, whether it succeeded or failed. */
  private onFirstContact?: () => void;

  private constructor(redis: RedisOptions) {
    this.ownsClient = 'url' in redis;
    this.waitReplicas = ('url' in redis && redis.waitReplicas) || 0;
    if ('url' in redis && this.waitReplicas > 0)
      this.waiting = new RedisConnection({ url: redis.url });
    this.topology = createTopology(redis, {
      ready: () => this.onReady(),
      error: (error, client) => this.onError(error, client),
    });
    hideSecrets(this, 'topology', 'waiting');
  }

  /** Waits for the first connection, but for a second at most. */
  static async open(redis: RedisOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(redis);
    if ('client' in redis && !redis.client.isOpen)
      connection.log.error(
        'The Redis client in options.redis is not connected: call its connect().',
      );
    await Promise.all([connection.firstContact(), connection.waiting?.firstContact()]);
    return connection;
  }

  /** Calls the listener whenever a server is connected. */
  addReadyListener(listener: () => void): void {
    this.readyListeners.push(listener);
  }

  /**
   * Sends commands for one key to the server that holds it.
   *
   * @param isReply whether a value can be the reply to `work`. If it cannot, replies no longer match commands.
   * @returns the reply; `undefined` if the key holds a value of another type, which this library did not write
   * @throws StoreUnavailableError
   */
  async execute<T>(
    key: string,
    isReply: (value: unknown) => value is T,
    work: (redis: RedisTopology, client: RedisClientType) => Promise<unknown>,
  ): Promise<T | undefined> {
    const { address, client } = this.topology.serverOf(key);
    if (this.isClosed) throw new StoreUnavailableError('The connection to Redis is closed.');
    if (!client?.isReady) {
      this.topology.rediscover(key);
      throw new StoreUnavailableError();
    }
    const breaker = this.breakers.get(address) ?? this.addBreaker(address, key);
    try {
      const reply = await breaker.run(() => work(this.topology, client));
      if (isReply(reply)) return reply;
    } catch (error) {
      return this.failed(error as Error, key, client);
    }
    this.recoverFromDesync(client);
    throw new StoreUnavailableError();
  }

  /**
   * Removes a key and returns whether it existed. With `waitReplicas` it resolves only after that many replicas have removed
   * it too. A key that did not exist is waited for as well, because an earlier removal may not have reached the replicas.
   *
   * @throws StoreUnavailableError also if too few replicas confirmed in time: the key is removed, but a failover may restore it
   */
  async remove(key: string): Promise<boolean> {
    if (!this.waiting)
      return (await this.execute(key, isInteger, (redis) => redis.send(key, ['DEL', key]))) === 1;
    const [removed, replicas] = (await this.waiting.execute(key, isIntegerPair, (_, client) =>
      this.removeAndWait(client, key),
    )) ?? [0, 0];
    if (replicas >= this.waitReplicas) return removed === 1;
    this.log.error(
      `${replicas} of ${this.waitReplicas} replicas confirmed a removal within ${REPLICA_TIMEOUT_MS} ms. Check that the replicas run.`,
    );
    throw new StoreUnavailableError('Too few replicas of Redis confirmed a removal. Try again.');
  }

  /**
   * Returns the time of any server that responds, in milliseconds since 1970.
   * @throws StoreUnavailableError
   */
  async time(): Promise<number> {
    const client = this.topology.clients().find(({ isReady }) => isReady);
    if (!client || this.isClosed) throw new StoreUnavailableError();
    const reply: unknown = await withTimeout(client.sendCommand(['TIME'])).catch((error: Error) =>
      this.failed(error, '', client),
    );
    const [seconds, microseconds] = Array.isArray(reply) ? reply.map(Number) : [];
    if (seconds && microseconds !== undefined) return seconds * 1_000 + microseconds / 1_000;
    this.recoverFromDesync(client);
    throw new StoreUnavailableError();
  }

  /** Waits for the replies that are on their way, then closes the connection. May be called twice. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.waiting?.close();
    for (const breaker of this.breakers.values()) breaker.stop();
    if (this.ownsClient)
      await Promise.allSettled(this.topology.clients().map((client) => withTimeout(client.ping())));
    this.topology.close();
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** WAIT covers the writes of its own connection only, so both commands go to the same client. */
  private removeAndWait(client: RedisClientType, key: string): Promise<unknown> {
    const wait = ['WAIT', String(this.waitReplicas), String(REPLICA_TIMEOUT_MS)];
    return Promise.all([client.sendCommand(['DEL', key]), client.sendCommand(wait)]);
  }

  private firstContact(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CONNECT_WAIT_MS);
      this.onFirstContact = () => {
        clearTimeout(timer);
        resolve();
      };
      this.checkFirstContact();
    });
  }

  private checkFirstContact(): void {
    const clients = this.topology.clients();
    if (clients.length > 0 && clients.every(({ isReady }) => isReady)) this.onFirstContact?.();
  }

  private addBreaker(address: string, key: string): CircuitBreaker {
    const breaker = new CircuitBreaker(() =>
      this.topology
        .send(key, ['TIME'])
        .catch((error: Error) => codeOf(error) ?? Promise.reject(error)),
    );
    this.breakers.set(address, breaker);
    return breaker;
  }

  /** Logs why a command failed. Returns `undefined` for a key of another type, else throws StoreUnavailableError. */
  private failed(error: Error, key: string, client: RedisClientType): undefined {
    const code = codeOf(error);
    if (code === 'WRONGTYPE') {
      this.log.error(
        'A key of this library holds a value of another type: another program writes to it. The key counts as absent.',
      );
      return undefined;
    }
    if (error instanceof TimeoutError)
      this.log.error(`Redis did not respond within ${CALL_TIMEOUT_MS} ms.`);
    if (code === 'MOVED' && this.topology.isCluster) this.topology.rediscover(key);
    else if (code) this.log.error(`Redis refused a command: ${code}. ${CURES[code] ?? ''}`);
    if (code === 'READONLY' && performance.now() - this.reconnectedAt > RECONNECT_INTERVAL_MS)
      this.reconnect(client);
    throw error instanceof StoreUnavailableError
      ? error
      : new StoreUnavailableError(undefined, { cause: safeCause(error, code) });
  }

  private onReady(): void {
    this.checkFirstContact();
    for (const listener of this.readyListeners) listener();
  }

  /** An error of a connected client that Redis did not send is a protocol error: the client could not parse its input. */
  private onError(error: Error, client?: RedisClientType): void {
    this.onFirstContact?.();
    if (this.isClosed) return;
    if (client?.isReady && !codeOf(error)) this.recoverFromDesync(client);
    else this.log.error(`Redis: ${describe(error)}`);
  }

  /** A reply does not match its command, so every later reply could belong to another command, even to another user's. */
  private recoverFromDesync(client: RedisClientType): void {
    this.log.error(
      'Redis sent a reply that does not match the command. The connection is reopened.',
    );
    this.reconnect(client);
  }

  /** Resolves the address again and connects to it: the server may have become a replica. */
  private reconnect(client: RedisClientType): void {
    if (!this.ownsClient || this.isClosed || !client.isReady) return;
    this.reconnectedAt = performance.now();
    client.destroy();
    client.connect().catch(ignore);
  }
}

function createTopology(redis: RedisOptions, events: RedisEvents): RedisTopology {
  if ('client' in redis)
    return 'masters' in redis.client
      ? Cluster.wrap(redis.client, events)
      : SingleServer.wrap(redis.client, events);
  const [first = '', ...others] = [redis.url].flat();
  return others.length > 0
    ? Cluster.open([first, ...others], events)
    : SingleServer.open(first, events);
}

export function isInteger(value: unknown): value is number {
  return typeof value === 'number';
}

export function isIntegerPair(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isInteger);
}

/** Returns the first word of an error that Redis sent, such as `READONLY`. The rest may contain arguments of the command. */
function codeOf({ message }: Error): string | undefined {
  return /^[A-Z]+(?= )/.exec(message)?.[0];
}

/** A refused connection to a name with several addresses has no message of its own. */
function describe(error: Error): string {
  return error instanceof AggregateError
    ? error.errors.map(({ message }: Error) => message).join(', ')
    : (codeOf(error) ?? error.message);
}

function ignore(): void {}
