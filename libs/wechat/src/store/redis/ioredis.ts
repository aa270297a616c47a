import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { slotOf } from './cluster-slot.js';
import type { IoRedisClient } from './redis.client.js';
import {
  CONNECT_TIMEOUT_MS,
  reconnectDelay,
  REDISCOVER_INTERVAL_MS,
  SOCKET_TIMEOUT_MS,
} from './redis.topology.js';
import type {
  RedisCommand,
  RedisEvents,
  RedisLink,
  RedisServer,
  RedisTopology,
} from './redis.topology.js';

/** A command is sent once: if ioredis sent it again after a lost connection, its effect could happen twice. */
const OPTIONS: Partial<RedisOptions> = {
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  lazyConnect: false,
  readOnly: false,
  stringNumbers: false,
  connectTimeout: CONNECT_TIMEOUT_MS,
  socketTimeout: SOCKET_TIMEOUT_MS,
  retryStrategy: reconnectDelay,
  role: 'master',
  failoverDetector: true,
  sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
  sentinelRetryStrategy: reconnectDelay,
};

/** The states in which a cluster client stays if its last connection ended while it resolved the names of the nodes. */
const GIVEN_UP = new Set(['close', 'end']);

const AGAIN_AFTER_MS = reconnectDelay(0);

/**
 * Opens a connection with the options of a client of the application. The client itself is not used, because it may send
 * commands again (BullMQ sets no limit), and because other commands of the application may block it.
 */
export function openIoRedis(client: IoRedisClient, events: RedisEvents): RedisTopology {
  return 'slots' in client
    ? new IoRedisCluster(client as Cluster, events)
    : new IoRedisServer(client as Redis, events);
}

/** One server. With sentinels, ioredis asks them again whenever it connects, and when they announce a failover. */
class IoRedisServer implements RedisTopology {
  readonly isCluster = false;
  private readonly client: Redis;
  private readonly server: RedisServer;
  private isClosed = false;

  constructor(client: Redis, { ready, error }: RedisEvents) {
    this.client = client.duplicate(OPTIONS);
    this.client
      .on('ready', () => this.onReady(ready))
      .on('error', (cause: Error) => error(cause))
      .on('close', () => this.endTimer())
      .on('end', () => void this.connectAgain());
    this.server = { address: '', link: linkOf(this.client) };
  }

  links(): RedisLink[] {
    return [this.server.link!];
  }

  serverOf(): RedisServer {
    return this.server;
  }

  send(_key: string, command: RedisCommand): Promise<unknown> {
    return call(this.client, command);
  }

  /** The client reconnects by itself. */
  rediscover(): void {}

  reconnect(): void {
    this.client.stream.destroy();
  }

  close(): void {
    this.isClosed = true;
    this.client.disconnect();
  }

  /**
   * ioredis 5 without `enableReadyCheck` counts as ready, too, if the connection was closed during the handshake. It would then refuse
   * its own next attempt.
   */
  private onReady(ready: () => void): void {
    if (this.client.stream.writable) ready();
    else this.client.status = 'close';
  }

  /** ioredis 5 lets the timer of `socketTimeout` run on when the connection ends, and it would end the next one. */
  private endTimer(): void {
    const client = this.client as unknown as { socketTimeoutTimer?: NodeJS.Timeout };
    clearTimeout(client.socketTimeoutTimer);
    client.socketTimeoutTimer = undefined;
  }

  /** ioredis gives up if a sentinel announces a failover while it connects. */
  private async connectAgain(): Promise<void> {
    await sleep(AGAIN_AFTER_MS, undefined, { ref: false });
    if (!this.isClosed) await this.client.connect().catch(() => {});
  }
}

class IoRedisCluster implements RedisTopology {
  readonly isCluster = true;
  private readonly cluster: Cluster;
  private rediscoveredAt = 0;

  constructor(cluster: Cluster, { ready, error }: RedisEvents) {
    this.cluster = cluster.duplicate([], {
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      lazyConnect: false,
      scaleReads: 'master',
      clusterRetryStrategy: reconnectDelay,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      redisOptions: { ...cluster.options.redisOptions, ...OPTIONS },
    });
    this.cluster
      .on('ready', ready)
      .on('error', (cause: Error) => error(cause))
      .on('node error', (cause: Error) => error(cause))
      .on('+node', (node: Redis) => node.on('ready', ready));
  }

  links(): RedisLink[] {
    return this.cluster.nodes('master').map((node) => linkOf(node, this.cluster));
  }

  serverOf(key: string): RedisServer {
    const address = this.cluster.slots[slotOf(this.prefix + key)]?.[0] ?? '';
    const node = this.cluster
      .nodes('master')
      .find(({ options: { host, port } }) => `${host}:${port}` === address);
    return { address, link: node && linkOf(node, this.cluster) };
  }

  send(_key: string, command: RedisCommand): Promise<unknown> {
    return call(this.cluster, command);
  }

  /** At most once a second. */
  rediscover(): void {
    if (Date.now() - this.rediscoveredAt < REDISCOVER_INTERVAL_MS) return;
    this.rediscoveredAt = Date.now();
    if (GIVEN_UP.has(this.cluster.status)) void this.cluster.connect().catch(() => {});
    else this.cluster.refreshSlotsCache();
  }

  /** A node that is disconnected leaves the cluster client, and returns when the slots are read again. */
  reconnect(link: RedisLink): void {
    (link as IoRedisLink).client.stream.destroy();
    this.cluster.refreshSlotsCache();
  }

  close(): void {
    this.cluster.disconnect();
  }

  private get prefix(): string {
    return this.cluster.options.keyPrefix ?? '';
  }
}

interface IoRedisLink extends RedisLink {
  client: Redis;
}

/** A cluster client refuses commands until it has read the slots, also if its nodes are connected. */
function linkOf(client: Redis, cluster?: Cluster): IoRedisLink {
  return {
    client,
    get isReady() {
      return client.status === 'ready' && (!cluster || cluster.status === 'ready');
    },
    sendCommand: (command) => call(client, command),
  };
}

/** ioredis finds the keys of a command, for its `keyPrefix` and for the cluster. With `callBuffer` a status is a Buffer, too. */
async function call(client: Redis | Cluster, [name = '', ...args]: RedisCommand): Promise<unknown> {
  const reply = await client.callBuffer(String(name).toLowerCase(), args);
  return name === 'SET' && Buffer.isBuffer(reply) ? reply.toString() : reply;
}
