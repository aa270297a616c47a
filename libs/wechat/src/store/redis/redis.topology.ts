import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, createCluster, RESP_TYPES } from 'redis';
import type { RedisClientType, RedisClusterType } from 'redis';
import { slotOf } from './cluster-slot.js';

/** A command and its arguments. */
export type RedisCommand = (string | Buffer)[];

/** The client is missing if the event does not belong to one server. */
export interface RedisEvents {
  ready: () => void;
  error: (error: Error, client?: RedisClientType) => void;
}

/** The server that holds a key. It has no client while no server is known for the key. */
export interface RedisServer {
  address: string;
  client?: RedisClientType;
}

/** One server or a cluster: which server holds a key, and how a command gets there. */
export interface RedisTopology {
  readonly isCluster: boolean;
  clients(): RedisClientType[];
  serverOf(key: string): RedisServer;
  /** Returns the raw reply, with strings as Buffers. */
  send(key: string, command: RedisCommand): Promise<unknown>;
  /** To be called when the server of a key cannot be reached. Another server may hold the key now. */
  rediscover(key: string): void;
  /** Closes the clients that this class opened. Clients of the application stay open. */
  close(): void;
}

const RAW = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

const CONNECT_TIMEOUT_MS = 2_000;
/** A connection without traffic for this long is closed. Pings keep an idle connection open. */
const SOCKET_TIMEOUT_MS = 3_000;
const PING_INTERVAL_MS = 1_000;
/** The longest pause between two attempts to connect. It is short, so that a restart of Redis is not followed by a long wait. */
const MAX_RECONNECT_DELAY_MS = 500;

const REDISCOVER_INTERVAL_MS = 1_000;
/** A cluster that has been out of reach for this long may have moved as a whole. Its URLs are resolved again. */
const REOPEN_AFTER_MS = 5_000;

function reconnectDelay(retries: number): number {
  return Math.min(50 * 2 ** retries, MAX_RECONNECT_DELAY_MS);
}

function clientOptions(closing: AbortSignal) {
  return {
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

/** One server. */
export class SingleServer implements RedisTopology {
  readonly isCluster = false;
  private readonly server: RedisServer;

  private constructor(
    private readonly client: RedisClientType,
    readonly close: () => void,
  ) {
    this.server = { address: '', client };
  }

  /** Connects in the background, and again whenever the connection is lost. */
  static open(url: string, events: RedisEvents): SingleServer {
    const closing = new AbortController();
    const client: RedisClientType = createClient({ url, ...clientOptions(closing.signal) });
    client
      .on('error', (error: Error) => events.error(error, client))
      .on('ready', () => events.ready());
    client.connect().catch(ignore);
    return new SingleServer(client, () => {
      closing.abort();
      closeClient(client);
    });
  }

  /** Uses a client of the application. */
  static wrap(client: RedisClientType, { ready, error }: RedisEvents): SingleServer {
    client.on('error', error).on('ready', ready);
    return new SingleServer(client, () => client.off('error', error).off('ready', ready));
  }

  clients(): RedisClientType[] {
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

  clients(): RedisClientType[] {
    return clientsOf(this.opened.client);
  }

  serverOf(key: string): RedisServer {
    const master = this.opened.client.slots[slotOf(key)]?.master;
    return { address: master?.address ?? '', client: master?.client };
  }

  /** Always to the master: a replica may still have a key that was removed. */
  send(key: string, command: RedisCommand): Promise<unknown> {
    return this.opened.client.sendCommand(key, false, command, RAW);
  }

  /** At most once a second. */
  rediscover(key: string): void {
    if (Date.now() - this.rediscoveredAt < REDISCOVER_INTERVAL_MS) return;
    this.rediscoveredAt = Date.now();
    if (this.clients().some(({ isReady }) => isReady)) {
      this.reachedAt = Date.now();
      void this.refreshSlots(key);
    } else if (Date.now() - this.reachedAt > REOPEN_AFTER_MS) {
      this.reopen();
    }
  }

  close(): void {
    this.opened.close();
  }

  /**
   * The client refreshes its slots only after a MOVED error, which a failed server cannot send. So another server is asked for
   * the key. The client chooses the server of a command without a key in turn, failed ones included.
   */
  private async refreshSlots(key: string): Promise<void> {
    for (const _ of this.clients()) {
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
function closeClient(client: RedisClientType): void {
  if (client.isReady) return client.destroy();
  client.unref();
  client.once('ready', () => client.destroy());
}

function ignore(): void {}

const yes = (): boolean => true;
const no = (): boolean => false;
