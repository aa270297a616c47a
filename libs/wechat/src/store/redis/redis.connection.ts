import type { OnApplicationShutdown } from '@nestjs/common';
import { safeCause } from '../../error-cause.js';
import { hideSecrets } from '../../hide-secrets.js';
import { MinuteLog } from '../../minute-log.js';
import { StoreUnavailableError, WechatConfigError } from '../../wechat.errors.js';
import { CALL_TIMEOUT_MS, CircuitBreaker, TimeoutError, withTimeout } from './circuit-breaker.js';
import { topologyOf } from './open-topology.js';
import type { RedisEvents, RedisLink, RedisOptions, RedisTopology } from './redis.topology.js';

/** How long `open` waits for the first connection. The application starts without Redis after that. */
const CONNECT_WAIT_MS = 1_000;

const RECONNECT_INTERVAL_MS = 1_000;

/** How long replicas may take to confirm a removal. The removal and the wait together end within `CALL_TIMEOUT_MS`. */
const REPLICA_TIMEOUT_MS = 150;

const LACKS_CLUSTER =
  'redis.url (REDIS_URL) names several servers, or redis.client is a cluster client, but cluster support is disabled in the servers. Name one server, or its sentinels by redis+sentinel://host:26379,host:26379/master-name';

/** What to do about an error that Redis returns, by its first word. */
const CURES: Record<string, string> = {
  CLUSTERDOWN: 'It is not part of a working cluster: check the other nodes.',
  LOADING: 'It has just started and is loading its data.',
  MASTERDOWN: 'It is a replica without its primary: the URL must lead to the primary.',
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
 * A client of the application is never closed.
 */
export class RedisConnection implements OnApplicationShutdown {
  private readonly log = new MinuteLog('WechatStore');
  /** One per server, by its address. */
  private readonly breakers = new Map<string, CircuitBreaker>();
  private readonly readyListeners: (() => void)[] = [];
  private readonly topology: RedisTopology;
  private readonly waitReplicas: number;
  /** A second connection for removals with `waitReplicas`: Redis replies to nothing on a connection that is in WAIT. */
  private readonly waiting?: RedisConnection;
  private isClosed = false;
  /** Whether a server replied that it is no node of a cluster. */
  private lacksCluster = false;
  private reconnectedAt = -Infinity;
  /** Ends the wait for the first connection, whether it succeeded or failed. */
  private onFirstContact?: () => void;

  private constructor(redis: RedisOptions, open: (events: RedisEvents) => RedisTopology) {
    this.waitReplicas = ('url' in redis && redis.waitReplicas) || 0;
    if ('url' in redis && this.waitReplicas > 0)
      this.waiting = new RedisConnection({ url: redis.url }, open);
    this.topology = open({
      ready: () => this.onReady(),
      error: (error, link) => this.onError(error, link),
    });
    hideSecrets(this, 'topology', 'waiting');
  }

  /**
   * Waits for the first connection, but for a second at most.
   * @throws WechatConfigError if Redis cannot be used with these options
   */
  static async open(redis: RedisOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(redis, await topologyOf(redis));
    if ('client' in redis && 'isOpen' in redis.client && !redis.client.isOpen)
      connection.log.error(
        'The Redis client in options.redis is not connected: call its connect().',
      );
    await Promise.all([connection.firstContact(), connection.waiting?.firstContact()]);
    if (!connection.lacksCluster) return connection;
    await connection.close();
    throw new WechatConfigError([LACKS_CLUSTER]);
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
    work: (redis: RedisTopology, link: RedisLink) => Promise<unknown>,
  ): Promise<T | undefined> {
    if (this.isClosed) throw new StoreUnavailableError('The connection to Redis is closed.');
    const { address, link } = this.topology.serverOf(key);
    if (!link?.isReady) {
      this.topology.rediscover(key);
      throw new StoreUnavailableError();
    }
    const breaker = this.breakers.get(address) ?? this.addBreaker(address, key);
    try {
      const reply = await breaker.run(() => work(this.topology, link));
      if (isReply(reply)) return reply;
    } catch (error) {
      return this.failed(error as Error, key, link);
    }
    this.recoverFromDesync(link);
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
    const [removed, replicas] = (await this.waiting.execute(key, isIntegerPair, (_, link) =>
      this.removeAndWait(link, key),
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
    const link = this.topology.links().find(({ isReady }) => isReady);
    if (!link || this.isClosed) throw new StoreUnavailableError();
    const reply: unknown = await withTimeout(link.sendCommand(['TIME'])).catch((error: Error) =>
      this.failed(error, '', link),
    );
    const [seconds, microseconds] = Array.isArray(reply) ? reply.map(Number) : [];
    if (seconds && microseconds !== undefined) return seconds * 1_000 + microseconds / 1_000;
    this.recoverFromDesync(link);
    throw new StoreUnavailableError();
  }

  /** Waits for the replies that are on their way, then closes the connection. May be called twice. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.waiting?.close();
    for (const breaker of this.breakers.values()) breaker.stop();
    const links = this.topology.links().filter(({ isReady }) => isReady);
    await Promise.allSettled(links.map((link) => withTimeout(link.sendCommand(['PING']))));
    this.topology.close();
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** WAIT covers the writes of its own connection only, so both commands go to the same one. */
  private removeAndWait(link: RedisLink, key: string): Promise<unknown> {
    const wait = ['WAIT', String(this.waitReplicas), String(REPLICA_TIMEOUT_MS)];
    return Promise.all([link.sendCommand(['DEL', key]), link.sendCommand(wait)]);
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
    const links = this.topology.links();
    if (links.length > 0 && links.every(({ isReady }) => isReady)) this.onFirstContact?.();
  }

  private addBreaker(address: string, key: string): CircuitBreaker {
    const breaker = new CircuitBreaker(() => this.probe(address, key));
    this.breakers.set(address, breaker);
    return breaker;
  }

  /**
   * An error that the server has sent is a response, too. A key that another server holds now says nothing about this one, so the
   * next call gets a new circuit breaker.
   */
  private async probe(of: string, key: string): Promise<void> {
    const { address, link } = this.topology.serverOf(key);
    if (address !== of) return void this.breakers.delete(of);
    if (!link) throw new StoreUnavailableError();
    await link.sendCommand(['TIME']).catch((error: Error) => {
      if (!codeOf(error)) throw error;
    });
  }

  /** Logs why a command failed. Returns `undefined` for a key of another type, else throws StoreUnavailableError. */
  private failed(error: Error, key: string, link: RedisLink): undefined {
    const code = codeOf(error);
    if (code === 'WRONGTYPE') {
      this.log.error(
        'A key of this library holds a value of another type: another program writes to it. The key counts as absent.',
      );
      return undefined;
    }
    if (error instanceof TimeoutError)
      this.log.error(`Redis did not respond within ${CALL_TIMEOUT_MS} ms.`);
    const isElsewhere = code === 'MOVED' && this.topology.isCluster;
    if (isElsewhere || code === 'CLUSTERDOWN') this.topology.rediscover(key);
    if (code && !isElsewhere)
      this.log.error(`Redis refused a command: ${code}. ${CURES[code] ?? ''}`);
    const isReplica = code === 'READONLY' || code === 'MASTERDOWN';
    if (isReplica && performance.now() - this.reconnectedAt > RECONNECT_INTERVAL_MS)
      this.reconnect(link);
    throw error instanceof StoreUnavailableError
      ? error
      : new StoreUnavailableError(undefined, { cause: safeCause(error, code) });
  }

  private onReady(): void {
    this.checkFirstContact();
    for (const listener of this.readyListeners) listener();
  }

  /** An error of a connected client that Redis did not send is a protocol error: the client could not parse its input. */
  private onError(error: Error, link?: RedisLink): void {
    this.lacksCluster ||= error.message.includes('cluster support disabled');
    this.onFirstContact?.();
    if (this.isClosed) return;
    if (link?.isReady && !codeOf(error)) this.recoverFromDesync(link);
    else this.log.error(this.lacksCluster ? LACKS_CLUSTER : `Redis: ${describe(error)}`);
  }

  /** A reply does not match its command, so every later reply could belong to another command, even to another user's. */
  private recoverFromDesync(link: RedisLink): void {
    this.log.error(
      'Redis sent a reply that does not match the command. The connection is reopened.',
    );
    this.reconnect(link);
  }

  /** The server may have become a replica, or its address may have changed. */
  private reconnect(link: RedisLink): void {
    if (this.isClosed || !link.isReady) return;
    this.reconnectedAt = performance.now();
    this.topology.reconnect(link);
  }
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
