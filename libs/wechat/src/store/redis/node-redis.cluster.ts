import { setTimeout as sleep } from 'node:timers/promises';
import { createCluster } from 'redis';
import type { RedisClientType, RedisClusterType } from 'redis';
import { withTimeout } from './circuit-breaker.js';
import { slotOf } from './cluster-slot.js';
import { clientOptions, closeClient, ignore, RAW, reopen } from './node-redis.js';
import { reconnectDelay, REDISCOVER_INTERVAL_MS } from './redis.topology.js';
import type {
  RedisCommand,
  RedisEvents,
  RedisLink,
  RedisServer,
  RedisTopology,
} from './redis.topology.js';

/** The error of a node that does not have the key (any more). */
const REDIRECTION = /^(ASK|MOVED) \d+ (\S+)$/;

/** A cluster that has served no key for this long may have moved as a whole. Its URLs are resolved again. */
const REOPEN_AFTER_MS = 5_000;

/** A Redis Cluster. Every command has one key, so it goes to the one server that holds the key. */
export class Cluster implements RedisTopology {
  readonly isCluster = true;
  private rediscoveredAt = 0;
  private reachedAt = Date.now();
  private isClosed = false;

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
    const cluster = new Cluster({ client, close: listen(client, events) });
    connectMasters(client);
    return cluster;
  }

  links(): RedisLink[] {
    return clientsOf(this.opened.client);
  }

  serverOf(key: string): RedisServer {
    const { client } = this.opened;
    const master = client.slots[slotOf(key)]?.master;
    if (master) connectTo(client, master);
    return { address: master?.address ?? '', link: master?.client };
  }

  /** Always to the master: a replica may still have a key that was removed. */
  async send(key: string, command: RedisCommand): Promise<unknown> {
    const { client } = this.opened;
    const master = client.slots[slotOf(key)]?.master?.client;
    if (!master) return client.sendCommand(key, false, command, RAW);
    try {
      const reply = await master.sendCommand(command, RAW);
      this.reachedAt = Date.now();
      return reply;
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
    void this.follow(key);
  }

  reconnect(link: RedisLink): void {
    if (this.open) reopen(link as RedisClientType);
  }

  close(): void {
    this.isClosed = true;
    this.opened.close();
  }

  /** Asks all servers for the key, because the one that should hold it may be dead, or no part of the cluster any more. */
  private async follow(key: string): Promise<void> {
    const { address } = this.serverOf(key);
    const links = this.links().filter(isReady);
    const answers = await Promise.all(links.map((link) => masterNamedBy(link, key)));
    if (this.isClosed) return;
    const named = answers.filter((answer) => answer !== undefined);
    if (named.length > 0) this.reachedAt = Date.now();
    else if (Date.now() - this.reachedAt > REOPEN_AFTER_MS) this.reopen();
    if (named.some((name) => name !== '' && name !== address)) await this.readSlots(key, address);
  }

  /**
   * The client reads the slots again only after a MOVED error. It chooses the server of a command without a key in turn, so one of the
   * next commands gets that error.
   */
  private async readSlots(key: string, before: string): Promise<void> {
    for (const _ of this.links()) {
      await this.opened.client.sendCommand(undefined, true, ['GET', key]).catch(ignore);
      if (this.isClosed || this.serverOf(key).address !== before) return;
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
    minimizeConnections: true, // otherwise it reads no slots while it connects to a node that is dead
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
  client.on('node-ready', () => {
    if (closing.signal.aborted) clientsOf(client).filter(isReady).forEach(closeClient); // of a discovery that ran at the close
  });
  void connect(client, closing.signal);
  const close = (): void => {
    closing.abort();
    clientsOf(client).forEach(closeClient);
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
      if (!closing.aborted) connectMasters(cluster);
      return;
    } catch {
      await sleep(reconnectDelay(retries), undefined, { ref: false });
    }
  }
}

function connectMasters(cluster: RedisClusterType): void {
  for (const master of cluster.masters) connectTo(cluster, master);
}

/** With `minimizeConnections` a node has no client before it is used. */
function connectTo(cluster: RedisClusterType, node: RedisClusterType['masters'][number]): void {
  if (!node.client) cluster.nodeClient(node).catch(ignore);
}

/**
 * Returns the address of the master that a server names for a key: empty if the server holds the key itself, `undefined` if it does
 * not know.
 */
function masterNamedBy(link: RedisLink, key: string): Promise<string | undefined> {
  return withTimeout(link.sendCommand(['GET', key])).then(
    () => '',
    ({ message }: Error) => REDIRECTION.exec(message)?.[2],
  );
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

const isReady = (link: RedisLink): boolean => link.isReady;
