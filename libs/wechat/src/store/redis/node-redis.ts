import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, createCluster, RESP_TYPES } from 'redis';
import type {
  RedisClientOptions,
  RedisClientType,
  RedisClusterType,
  RedisSentinelType,
} from 'redis';
import { slotOf } from './cluster-slot.js';
import type { NodeRedisClient } from './redis.client.js';
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

const RAW = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

/** The error of a node that does not have the key (any more). */
const REDIRECTION = /^(ASK|MOVED) \d+ (\S+)$/;

const PING_INTERVAL_MS = 1_000;
/** A cluster that has been out of reach for this long may have moved as a whole. Its URLs are resolved again. */
const REOPEN_AFTER_MS = 5_000;

export function clientOptions(closing: AbortSignal) {
  return {
    RESP: 2 as const, // the default of node-redis 5. The default of 6 is 3, with other types of replies
    disableOfflineQueue: true,
    pingInterval: PING_INTERVAL_MS,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      reconnectStrategy: (retries: number): number | false =>
        !closing.aborted && reconnectDelay(retries),
    },
  };
}

/** Uses a client of the application. */
export function wrapNodeRedis(client: NodeRedisClient, events: RedisEvents): RedisTopology {
  if ('masters' in client) return Cluster.wrap(client as unknown as RedisClusterType, events);
  if ('getSentinelNode' in client)
    return new SentinelClient(client as unknown as RedisSentinelType, events);
  return SingleServer.wrap(client as unknown as RedisClientType, events);
}

/** One server. */
export class SingleServer implements RedisTopology {
  readonly isCluster = false;
  private readonly server: RedisServer;

  private constructor(
    private readonly client: RedisClientType,
    readonly close: () => void,
    readonly reconnect: () => void = ignore,
  ) {
    this.server = { address: '', link: client };
  }

  /** Connects in the background, and again whenever the connection is lost. */
  static open({ socket, ...options }: RedisClientOptions, events: RedisEvents): SingleServer {
    const closing = new AbortController();
    const defaults = clientOptions(closing.signal);
    const client = createClient({
      ...options,
      ...defaults,
      socket: { ...socket, ...defaults.socket },
    }) as unknown as RedisClientType;
    client
      .on('error', (error: Error) => events.error(error, client))
      .on('ready', () => events.ready());
    client.connect().catch(ignore);
    const close = (): void => {
      closing.abort();
      closeClient(client);
    };
    return new SingleServer(client, close, () => reopen(client));
  }

  static wrap(client: RedisClientType, { ready, error }: RedisEvents): SingleServer {
    client.on('error', error).on('ready', ready);
    return new SingleServer(client, () => client.off('error', error).off('ready', ready));
  }

  links(): RedisLink[] {
    return [this.client];
  }

  serverOf(): RedisServer {
    return this.server;
  }

  send(_key: string, command: RedisCommand): Promise<unknown> {
    return this.client.sendCommand(command, RAW);
  }

  /** The client reconnects to its one server by itself. */
  rediscover(): void {}
}

/** A Sentinel client of the application. It finds the new primary by itself. */
class SentinelClient implements RedisTopology {
  readonly isCluster = false;
  readonly close: () => void;
  private readonly server: RedisServer;

  constructor(
    private readonly client: RedisSentinelType,
    { ready, error }: RedisEvents,
  ) {
    const failed = (cause: Error): void => error(cause);
    client.on('error', failed).on('topology-change', ready);
    this.close = () => client.off('error', failed).off('topology-change', ready);
    this.server = { address: '', link: linkOf(client) };
  }

  links(): RedisLink[] {
    return [this.server.link!];
  }

  serverOf(): RedisServer {
    return this.server;
  }

  send(_key: string, command: RedisCommand): Promise<unknown> {
    return this.client.sendCommand(false, command, RAW);
  }

  rediscover(): void {}

  reconnect(): void {}
}

function linkOf(client: RedisSentinelType): RedisLink {
  return {
    get isReady() {
      return client.isReady;
    },
    sendCommand: (command) => client.sendCommand(false, command),
  };
}

/** A Redis Cluster. Every command has one key, so it goes to the one server that holds the key. */
export class Cluster implements RedisTopology {
  readonly isCluster = true;
  private rediscoveredAt = 0;
  private reachedAt = Date.now();

  private constructor(
    private opened: OpenedCluster,
    private readonly open?: () => OpenedCluster,
  ) {}

  /** Connects in the background, and again whenever a connection is lost. User, password and TLS are those of the first URL. */
  static open(urls: string[], events: RedisEvents): Cluster {
    const open = (): OpenedCluster => openCluster(urls, events);
    return new Cluster(open(), open);
  }

  /** Uses a cluster client of the application. */
  static wrap(client: RedisClusterType, events: RedisEvents): Cluster {
    return new Cluster({ client, close: listen(client, events) });
  }

  links(): RedisLink[] {
    return clientsOf(this.opened.client);
  }

  serverOf(key: string): RedisServer {
    const master = this.opened.client.slots[slotOf(key)]?.master;
    return { address: master?.address ?? '', link: master?.client };
  }

  /** Always to the master: a replica may still have a key that was removed. */
  async send(key: string, command: RedisCommand): Promise<unknown> {
    const { client } = this.opened;
    const master = client.slots[slotOf(key)]?.master?.client;
    if (!master) return client.sendCommand(key, false, command, RAW);
    try {
      return await master.sendCommand(command, RAW);
    } catch (error) {
      const [, kind, address = ''] = REDIRECTION.exec((error as Error).message) ?? [];
      if (!kind) throw error;
      const asked = kind === 'ASK' && client.nodeByAddress.get(address)?.client;
      return asked ? sendAsking(asked, command) : client.sendCommand(key, false, command, RAW); // finds the new master
    }
  }

  /** At most once a second. */
  rediscover(key: string): void {
    if (Date.now() - this.rediscoveredAt < REDISCOVER_INTERVAL_MS) return;
    this.rediscoveredAt = Date.now();
    if (this.links().some(({ isReady }) => isReady)) {
      this.reachedAt = Date.now();
      void this.refreshSlots(key);
    } else if (Date.now() - this.reachedAt > REOPEN_AFTER_MS) {
      this.reopen();
    }
  }

  reconnect(link: RedisLink): void {
    if (this.open) reopen(link as RedisClientType);
  }

  close(): void {
    this.opened.close();
  }

  /**
   * The client refreshes its slots only after a MOVED error, which a failed server cannot send. So another server is asked for
   * the key. The client chooses the server of a command without a key in turn, failed ones included.
   */
  private async refreshSlots(key: string): Promise<void> {
    for (const _ of this.links()) {
      const replied = await this.opened.client
        .sendCommand(undefined, true, ['GET', key])
        .then(yes, no);
      if (replied) return;
    }
  }

  private reopen(): void {
    if (!this.open) return;
    this.opened.close();
    this.opened = this.open();
    this.reachedAt = Date.now();
  }
}

interface OpenedCluster {
  client: RedisClusterType;
  close: () => void;
}

function openCluster(urls: string[], events: RedisEvents): OpenedCluster {
  const closing = new AbortController();
  const { username, password, protocol } = new URL(urls[0] ?? '');
  const { socket, ...options } = clientOptions(closing.signal);
  const client = createCluster({
    rootNodes: urls.map((url) => ({ url })),
    defaults: {
      ...options,
      ...(password && {
        username: decodeURIComponent(username) || undefined,
        password: decodeURIComponent(password),
      }),
      socket: protocol === 'rediss:' ? { ...socket, tls: true } : socket,
    },
  }) as unknown as RedisClusterType;
  listen(client, events); // never removed: a discovery that is running may fail after the close
  const connected = connect(client, closing.signal);
  const close = (): void => {
    closing.abort();
    clientsOf(client).forEach(closeClient);
    void connected.then(() => clientsOf(client).forEach(closeClient));
  };
  return { client, close };
}

/**
 * Sends a command for a key whose slot is moving to this node. ASKING counts for the next command of the connection, so both are queued
 * at once. The cluster client waits for the reply to ASKING, and under load another command takes its place.
 */
async function sendAsking(node: RedisClientType, command: RedisCommand): Promise<unknown> {
  const replies = [node.sendCommand(['ASKING']), node.sendCommand(command, RAW)];
  return (await Promise.all(replies))[1];
}

/** The cluster client does not retry if no node responds to its first attempt, so this does. */
async function connect(cluster: RedisClusterType, closing: AbortSignal): Promise<void> {
  for (let retries = 0; !closing.aborted; retries++) {
    try {
      await cluster.connect();
      return;
    } catch {
      await sleep(reconnectDelay(retries), undefined, { ref: false });
    }
  }
}

/** Returns a function that removes the listeners. */
function listen(cluster: RedisClusterType, events: RedisEvents): () => void {
  const error = (cause: Error): void => events.error(cause);
  const nodeError = (cause: Error, at: { host: string; port: number }): void =>
    events.error(cause, cluster.nodeByAddress.get(`${at.host}:${at.port}`)?.client);
  const ready = (): void => events.ready();
  cluster.on('error', error).on('node-error', nodeError).on('node-ready', ready);
  return () => cluster.off('error', error).off('node-error', nodeError).off('node-ready', ready);
}

function clientsOf({ masters }: RedisClusterType): RedisClientType[] {
  return masters.flatMap(({ client }) => client ?? []);
}

/**
 * `destroy()` during an attempt to connect would leave the socket of that attempt open. So a client that is not connected is
 * destroyed when it is; its reconnect strategy starts no further attempt.
 */
export function closeClient(client: RedisClientType): void {
  if (client.isReady) return client.destroy();
  client.unref();
  client.once('ready', () => client.destroy());
}

/** A client that is not ready reconnects by itself. */
function reopen(client: RedisClientType): void {
  if (!client.isReady) return;
  client.destroy();
  client.connect().catch(ignore);
}

function ignore(): void {}

const yes = (): boolean => true;
const no = (): boolean => false;
