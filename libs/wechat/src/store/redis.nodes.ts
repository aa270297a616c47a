import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, createCluster, RESP_TYPES } from 'redis';
import type { RedisClientType, RedisClusterType } from 'redis';
import { slotOf } from './redis.slot.js';

/** What the connection wants to know. An error comes with the client it happened to, where there is one. */
export interface RedisListener {
  ready: () => void;
  error: (error: Error, client?: RedisClientType) => void;
}

/** The server that holds a key. Without a client there is none that we know of yet. */
export interface RedisNode {
  name: string;
  client?: RedisClientType;
}

/** One server or a cluster: where a key lies, and how a command gets there. */
export interface RedisNodes {
  readonly isCluster: boolean;
  clients(): RedisClientType[];
  nodeOf(key: string): RedisNode;
  /** The bare answer, with bytes as Buffers. */
  send(key: string, command: (string | Buffer)[]): Promise<unknown>;
  /** Called when the server of a key cannot be reached: another one may hold the key by now. */
  lookElsewhere(key: string): void;
  end(): void;
}

const BYTES = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

/** A peer that vanished without a word is given up after `socketTimeout`; pings keep an idle connection from looking like that. */
const CONNECT_TIMEOUT = 2_000;
const SOCKET_TIMEOUT = 3_000;
const PING_INTERVAL = 1_000;

const LOOK_AGAIN_IN = 1_000;
/** A cluster none of whose nodes could be reached for so long may have moved as a whole: it is looked up by its URLs again. */
const START_OVER_AFTER = 5_000;

/** Half a second at most: what Redis's restart takes should not be doubled by our waiting. */
function reconnectIn(retries: number): number {
  return Math.min(50 * 2 ** retries, 500);
}

function clientOptions(ending: AbortSignal) {
  return {
    disableOfflineQueue: true,
    pingInterval: PING_INTERVAL,
    socket: {
      connectTimeout: CONNECT_TIMEOUT,
      socketTimeout: SOCKET_TIMEOUT,
      reconnectStrategy: (retries: number): number | false =>
        !ending.aborted && reconnectIn(retries),
    },
  };
}

/** One server. */
export class SingleNode implements RedisNodes {
  readonly isCluster = false;

  /** @param end how to let go of the client: only who opened it ends it */
  private constructor(
    private readonly client: RedisClientType,
    readonly end: () => void,
  ) {}

  /** Connects by itself, now and whenever the connection is lost. */
  static open(url: string, listener: RedisListener): SingleNode {
    const ending = new AbortController();
    const client: RedisClientType = createClient({ url, ...clientOptions(ending.signal) });
    client
      .on('error', (error: Error) => listener.error(error, client))
      .on('ready', () => listener.ready());
    client.connect().catch(ignore);
    return new SingleNode(client, () => {
      ending.abort();
      endClient(client);
    });
  }

  static wrap(client: RedisClientType, listener: RedisListener): SingleNode {
    const { ready, error } = listener;
    client.on('error', error).on('ready', ready);
    return new SingleNode(client, () => client.off('error', error).off('ready', ready));
  }

  clients(): RedisClientType[] {
    return [this.client];
  }

  nodeOf(): RedisNode {
    return { name: '', client: this.client };
  }

  send(_key: string, command: (string | Buffer)[]): Promise<unknown> {
    return this.client.sendCommand(command, BYTES);
  }

  lookElsewhere(): void {}
}

/** A Redis Cluster. Every command touches one key, so each goes to the one node that holds it. */
export class ClusterNodes implements RedisNodes {
  readonly isCluster = true;
  private lookedAt = 0;
  private reachedAt = Date.now();

  private constructor(
    private cluster: RedisClusterType,
    private letGo: () => void,
    private readonly reopen?: () => { cluster: RedisClusterType; letGo: () => void },
  ) {}

  /** Connects by itself, now and whenever the connection is lost. Credentials and TLS are those of the first URL. */
  static open(urls: string[], listener: RedisListener): ClusterNodes {
    const reopen = (): ReturnType<typeof openCluster> => openCluster(urls, listener);
    const { cluster, letGo } = reopen();
    return new ClusterNodes(cluster, letGo, reopen);
  }

  static wrap(cluster: RedisClusterType, listener: RedisListener): ClusterNodes {
    return new ClusterNodes(cluster, listenTo(cluster, listener));
  }

  clients(): RedisClientType[] {
    return clientsOf(this.cluster);
  }

  nodeOf(key: string): RedisNode {
    const master = this.cluster.slots[slotOf(key)]?.master;
    return { name: master?.address ?? '', client: master?.client };
  }

  /** Always to the master: a replica may still hold what was removed. */
  send(key: string, command: (string | Buffer)[]): Promise<unknown> {
    return this.cluster.sendCommand(key, false, command, BYTES);
  }

  /**
   * The client learns of a failover only from a MOVED, and the node that is gone cannot send one. So any other node is
   * asked for the key. Once a second is enough.
   */
  lookElsewhere(key: string): void {
    if (Date.now() - this.lookedAt < LOOK_AGAIN_IN) return;
    this.lookedAt = Date.now();
    if (this.clients().some(({ isReady }) => isReady)) {
      this.reachedAt = Date.now();
      void this.askAround(key);
    } else if (Date.now() - this.reachedAt > START_OVER_AFTER) {
      this.startOver();
    }
  }

  end(): void {
    this.letGo();
  }

  /** The client takes its nodes in turn for what is not addressed to a key, those it cannot reach included. */
  private async askAround(key: string): Promise<void> {
    for (const _ of this.clients()) {
      if (await this.cluster.sendCommand(undefined, true, ['GET', key]).then(succeed, fail)) return;
    }
  }

  private startOver(): void {
    if (!this.reopen) return;
    this.letGo();
    ({ cluster: this.cluster, letGo: this.letGo } = this.reopen());
    this.reachedAt = Date.now();
  }
}

function openCluster(
  urls: string[],
  listener: RedisListener,
): { cluster: RedisClusterType; letGo: () => void } {
  const ending = new AbortController();
  const { username, password, protocol } = new URL(urls[0] ?? '');
  const { socket, ...options } = clientOptions(ending.signal);
  const cluster = createCluster({
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
  listenTo(cluster, listener); // for good: a look around that is under way may still fail after the end
  const connected = connect(cluster, ending.signal);
  const letGo = (): void => {
    ending.abort();
    clientsOf(cluster).forEach(endClient);
    void connected.then(() => clientsOf(cluster).forEach(endClient));
  };
  return { cluster, letGo };
}

/** The client of a cluster gives up when no node answers at first. */
async function connect(cluster: RedisClusterType, ending: AbortSignal): Promise<void> {
  for (let retries = 0; !ending.aborted; retries++) {
    try {
      await cluster.connect();
      return;
    } catch {
      await sleep(reconnectIn(retries), undefined, { ref: false });
    }
  }
}

function listenTo(cluster: RedisClusterType, listener: RedisListener): () => void {
  const error = (cause: Error): void => listener.error(cause);
  const nodeError = (cause: Error, at: { host: string; port: number }): void =>
    listener.error(cause, cluster.nodeByAddress.get(`${at.host}:${at.port}`)?.client);
  const ready = (): void => listener.ready();
  cluster.on('error', error).on('node-error', nodeError).on('node-ready', ready);
  return () => cluster.off('error', error).off('node-error', nodeError).off('node-ready', ready);
}

function clientsOf({ masters }: RedisClusterType): RedisClientType[] {
  return masters.flatMap(({ client }) => client ?? []);
}

/**
 * `destroy()` during an attempt to connect would leave the socket of that attempt open for good. So what is not connected
 * is left to end by itself: its reconnect strategy says no from now on, and a connection that still comes up is ended then.
 */
function endClient(client: RedisClientType): void {
  if (client.isReady) return client.destroy();
  client.unref();
  client.once('ready', () => client.destroy());
}

function ignore(): void {}

const succeed = (): boolean => true;
const fail = (): boolean => false;
