import type { WechatModuleOptions } from '../../wechat.options.js';

export type RedisOptions = NonNullable<WechatModuleOptions['redis']>;

/** A command and its arguments. */
export type RedisCommand = (string | Buffer)[];

/** A connection to one server. */
export interface RedisLink {
  readonly isReady: boolean;
  /** Returns the reply. Strings are Buffers or strings. */
  sendCommand(command: RedisCommand): Promise<unknown>;
}

/** The link is missing if the event does not belong to one server. */
export interface RedisEvents {
  ready: () => void;
  error: (error: Error, link?: RedisLink) => void;
}

/** The server that holds a key. It has no link while no server is known for the key. */
export interface RedisServer {
  address: string;
  link?: RedisLink;
}

/** One server, sentinels or a cluster: which server holds a key, and how a command gets there. */
export interface RedisTopology {
  readonly isCluster: boolean;
  links(): RedisLink[];
  serverOf(key: string): RedisServer;
  /** Returns the raw reply, with strings as Buffers. */
  send(key: string, command: RedisCommand): Promise<unknown>;
  /** To be called when the server of a key cannot be reached. Another server may hold the key now. */
  rediscover(key: string): void;
  /** Resolves the address of the server again and connects to it. Clients of the application stay as they are. */
  reconnect(link: RedisLink): void;
  /** Closes the connections that this class opened. Clients of the application stay open. */
  close(): void;
}

export const CONNECT_TIMEOUT_MS = 2_000;
/** A connection without traffic for this long is closed. Pings keep an idle connection open. */
export const SOCKET_TIMEOUT_MS = 3_000;
/** The longest pause between two attempts to connect. It is short, so that a restart of Redis is not followed by a long wait. */
const MAX_RECONNECT_DELAY_MS = 500;

export const REDISCOVER_INTERVAL_MS = 1_000;

export function reconnectDelay(retries: number): number {
  return Math.min(50 * 2 ** retries, MAX_RECONNECT_DELAY_MS);
}
