import type { OnApplicationShutdown } from '@nestjs/common';
import type { RedisClientType } from 'redis';
import { safeCause } from '../error-cause.js';
import { MinuteLog } from '../minute-log.js';
import { StoreUnavailableError } from '../wechat.errors.js';
import type { WechatModuleOptions } from '../wechat.options.js';
import { isNumber, isPair } from './redis.answers.js';
import { Circuit, DeadlineError, STORE_DEADLINE, withinDeadline } from './redis.circuit.js';
import { ClusterNodes, SingleNode } from './redis.nodes.js';
import type { RedisListener, RedisNodes } from './redis.nodes.js';

/** Sends one command. */
export type Send = (...command: (string | Buffer)[]) => Promise<unknown>;

/** What is asked of Redis: by `send`, which finds the server itself, or over the client of the server that holds the key now. */
type Work = (send: Send, client: RedisClientType) => Promise<unknown>;

/** How long the start of an application waits for Redis before it goes on without. */
const FIRST_CONTACT = 1_000;

const RENEW_AGAIN_IN = 1_000;

/** How long replicas may take to confirm a removal, in milliseconds. It ends within STORE_DEADLINE, the removal included. */
const REPLICA_PATIENCE = 150;

/** What to do about an error that Redis answers with. */
const CURES: Record<string, string> = {
  LOADING: 'It has just started and reads its data.',
  MISCONF: 'It cannot write to its disk.',
  MOVED: 'It is part of a cluster: give the URLs of several of its nodes.',
  NOAUTH: 'Its URL needs a user and a password.',
  NOPERM:
    'The user of the URL needs ~wx:* and get, set, getdel, del, incrby, pttl, pexpire, eval, evalsha, time, ping; a cluster also cluster|slots, waitReplicas also wait.',
  OOM: 'Its maxmemory is reached: raise it.',
  READONLY: 'It is a replica: the URL must lead to the primary.',
  WRONGPASS: 'Check user and password in its URL.',
};

/**
 * The one connection to Redis, for the store and for the cache. It turns everything that is not an answer, and soon, into
 * StoreUnavailableError, and heals by itself. What it did not open it does not close.
 */
export class RedisConnection implements OnApplicationShutdown {
  private readonly log = new MinuteLog('WechatStore');
  private readonly circuits = new Map<string, Circuit>();
  private readonly readyListeners: (() => void)[] = [];
  private readonly isOurs: boolean;
  private readonly nodes: RedisNodes;
  private readonly waitReplicas: number;
  /** For removals with `waitReplicas`: Redis answers nothing behind a WAIT, and no guarded request should stand there. */
  private readonly waiting?: RedisConnection;
  private isClosed = false;
  private renewedAt = -Infinity;
  /** Ends the wait for the first contact, whether it came about or failed. */
  private onContact?: () => void;

  private constructor(redis: NonNullable<WechatModuleOptions['redis']>) {
    this.isOurs = 'url' in redis;
    this.waitReplicas = ('url' in redis && redis.waitReplicas) || 0;
    if ('url' in redis && this.waitReplicas > 0)
      this.waiting = new RedisConnection({ url: redis.url });
    this.nodes = nodesOf(redis, {
      ready: () => this.onNodeReady(),
      error: (error, client) => this.onError(error, client),
    });
  }

  /** Waits until Redis is there, but not long: an application starts without it, too. */
  static async open(redis: NonNullable<WechatModuleOptions['redis']>): Promise<RedisConnection> {
    const connection = new RedisConnection(redis);
    if ('client' in redis && !redis.client.isOpen)
      connection.log.error(
        'The Redis client in options.redis is not connected: call its connect().',
      );
    await Promise.all([connection.firstContact(), connection.waiting?.firstContact()]);
    return connection;
  }

  get isCluster(): boolean {
    return this.nodes.isCluster;
  }

  /** Called whenever a connection to a server stands. */
  onReady(listener: () => void): void {
    this.readyListeners.push(listener);
  }

  /**
   * Sends what `work` sends to the server of this key.
   *
   * @param isAnswer whether this can be Redis's answer to it; anything else says that answers got out of step with questions
   * @returns the answer, or `undefined` where something lies at the key that no command of ours has put there
   * @throws StoreUnavailableError
   */
  async ask<T>(
    key: string,
    isAnswer: (answer: unknown) => answer is T,
    work: Work,
  ): Promise<T | undefined> {
    const { name, client } = this.nodes.nodeOf(key);
    if (this.isClosed) throw new StoreUnavailableError('The connection to Redis is closed.');
    if (!client?.isReady) {
      this.nodes.lookElsewhere(key);
      throw new StoreUnavailableError();
    }
    const answer = await this.circuitOf(name, key)
      .call(() => work((...command) => this.nodes.send(key, command), client))
      .catch((error: Error) => this.withoutAnswer(error, key, client));
    if (answer === undefined || isAnswer(answer)) return answer;
    this.outOfStep(client);
    throw new StoreUnavailableError();
  }

  /**
   * Removes a key, and answers whether it was there. With `waitReplicas` it answers only once so many replicas have removed it,
   * too; what was gone already is waited for all the same, since an earlier removal may have stopped half-way.
   *
   * @throws StoreUnavailableError also where too few replicas confirmed it in time: it is gone, but a failover may bring it back
   */
  async remove(key: string): Promise<boolean> {
    if (!this.waiting) return (await this.ask(key, isNumber, (send) => send('DEL', key))) === 1;
    const [removed, replicas] = (await this.waiting.ask(key, isPair, (_, client) =>
      this.removeAndWait(client, key),
    )) ?? [0, 0];
    if (replicas >= this.waitReplicas) return removed === 1;
    this.log.error(
      `${replicas} of ${this.waitReplicas} replicas confirmed a removal within ${REPLICA_PATIENCE} ms: see whether they run.`,
    );
    throw new StoreUnavailableError('Too few replicas of Redis have confirmed this. Try again.');
  }

  /** Redis's time, of whichever server answers, in milliseconds since 1970. */
  async time(): Promise<number> {
    const client = this.nodes.clients().find(({ isReady }) => isReady);
    if (!client || this.isClosed) throw new StoreUnavailableError();
    const time = withinDeadline(client.sendCommand(['TIME']));
    const answer: unknown = await time.catch((error: Error) =>
      this.withoutAnswer(error, '', client),
    );
    const [seconds, microseconds] = Array.isArray(answer) ? answer.map(Number) : [];
    if (seconds && microseconds !== undefined) return seconds * 1_000 + microseconds / 1_000;
    this.outOfStep(client);
    throw new StoreUnavailableError();
  }

  /** Waits for the answers that are on their way, then ends the connection if it is ours. Safe to call twice. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.waiting?.close();
    for (const circuit of this.circuits.values()) circuit.stop();
    if (this.isOurs)
      await Promise.allSettled(this.nodes.clients().map((client) => withinDeadline(client.ping())));
    this.nodes.end();
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** WAIT speaks for the writes of its own connection alone: both go out together, to one server, or both fail. */
  private removeAndWait(client: RedisClientType, key: string): Promise<unknown> {
    const wait = ['WAIT', String(this.waitReplicas), String(REPLICA_PATIENCE)];
    return Promise.all([client.sendCommand(['DEL', key]), client.sendCommand(wait)]);
  }

  private firstContact(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, FIRST_CONTACT);
      this.onContact = () => {
        clearTimeout(timer);
        resolve();
      };
      this.checkContact();
    });
  }

  private checkContact(): void {
    const clients = this.nodes.clients();
    if (clients.length > 0 && clients.every(({ isReady }) => isReady)) this.onContact?.();
  }

  private circuitOf(name: string, key: string): Circuit {
    let circuit = this.circuits.get(name);
    if (!circuit) {
      circuit = new Circuit(() =>
        this.nodes
          .send(key, ['TIME'])
          .catch((error: Error) => codeOf(error) ?? Promise.reject(error)),
      );
      this.circuits.set(name, circuit);
    }
    return circuit;
  }

  private withoutAnswer(error: Error, key: string, client: RedisClientType): undefined {
    const code = codeOf(error);
    if (code === 'WRONGTYPE') {
      this.log.error(
        'A key of ours holds a value of another type in Redis: something else writes there. It is taken for absent.',
      );
      return undefined;
    }
    if (error instanceof DeadlineError)
      this.log.error(`Redis did not answer within ${STORE_DEADLINE} ms.`);
    if (code === 'MOVED' && this.isCluster) this.nodes.lookElsewhere(key);
    else if (code) this.log.error(`Redis refused a command: ${code}. ${CURES[code] ?? ''}`);
    if (code === 'READONLY' && performance.now() - this.renewedAt > RENEW_AGAIN_IN)
      this.renew(client);
    throw error instanceof StoreUnavailableError
      ? error
      : new StoreUnavailableError(undefined, { cause: safeCause(error, code) });
  }

  private onNodeReady(): void {
    this.checkContact();
    for (const listener of this.readyListeners) listener();
  }

  /** An error while the connection stands is not the connection's: the client could not read what came in, and has dropped it. */
  private onError(error: Error, client?: RedisClientType): void {
    this.onContact?.();
    if (this.isClosed) return;
    if (client?.isReady && !codeOf(error)) this.outOfStep(client);
    else this.log.error(`Redis: ${describe(error)}`);
  }

  /** From here on every answer could belong to another question, to another user's even. */
  private outOfStep(client: RedisClientType): void {
    this.log.error(
      'Redis sent something that is no answer to what was asked; the connection is opened anew.',
    );
    this.renew(client);
  }

  /** A server that became a replica, or a connection that cannot be trusted: its address is looked up and connected to again. */
  private renew(client: RedisClientType): void {
    if (!this.isOurs || this.isClosed || !client.isReady) return;
    this.renewedAt = performance.now();
    client.destroy();
    client.connect().catch(ignore);
  }
}

function nodesOf(
  redis: NonNullable<WechatModuleOptions['redis']>,
  listener: RedisListener,
): RedisNodes {
  if ('client' in redis)
    return 'masters' in redis.client
      ? ClusterNodes.wrap(redis.client, listener)
      : SingleNode.wrap(redis.client, listener);
  const [first = '', ...others] = [redis.url].flat();
  return others.length > 0
    ? ClusterNodes.open([first, ...others], listener)
    : SingleNode.open(first, listener);
}

/** The first word of an error that Redis answered with, such as `READONLY`. The rest may repeat what was sent. */
function codeOf({ message }: Error): string | undefined {
  return /^[A-Z]+(?= )/.exec(message)?.[0];
}

/** A refused connection to a name with several addresses has no text of its own. */
function describe(error: Error): string {
  return error instanceof AggregateError
    ? error.errors.map(({ message }: Error) => message).join(', ')
    : (codeOf(error) ?? error.message);
}

function ignore(): void {}
