import { createClient, RESP_TYPES } from 'redis';
import type { RedisClientOptions, RedisClientType } from 'redis';
import { CONNECT_TIMEOUT_MS, reconnectDelay, SOCKET_TIMEOUT_MS } from './redis.topology.js';
import type {
  RedisCommand,
  RedisEvents,
  RedisLink,
  RedisServer,
  RedisTopology,
} from './redis.topology.js';

/** Strings of a reply are Buffers. */
export const RAW = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

const PING_INTERVAL_MS = 1_000;

export function clientOptions(closing: AbortSignal) {
  return {
    RESP: 2 as const, // the default of node-redis 5. The default of 6 is 3, with other types of replies
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 }, // every call has its own deadline. That of node-redis 6 takes 8 times the CPU of a command
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

/**
 * `destroy()` during an attempt to connect would leave the socket of that attempt open. So a client that is not connected is
 * destroyed when it is; its reconnect strategy starts no further attempt.
 */
export function closeClient(client: RedisClientType): void {
  if (client.isReady) return client.destroy();
  client.unref();
  client.once('ready', () => client.isReady && client.destroy());
}

/** A client that is not ready reconnects by itself. */
export function reopen(client: RedisClientType): void {
  if (!client.isReady) return;
  client.destroy();
  client.connect().catch(ignore);
}

export function ignore(): void {}
