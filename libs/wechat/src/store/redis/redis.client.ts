/**
 * A Redis client of the application: node-redis 5 or 6 (`createClient`, `createCluster`, `createSentinel`), or ioredis 5 or 6 (`Redis`,
 * also with sentinels, and `Cluster`).
 *
 * @example
 * ```ts
 * const client: WechatRedisClient = new Redis('redis://127.0.0.1:6379');      // of ioredis
 * ```
 */
export type WechatRedisClient =
  | {
      readonly isOpen: boolean;
      sendCommand(...args: never[]): Promise<unknown>;
      withTypeMapping(...args: never[]): unknown;
    }
  | {
      readonly status: string;
      callBuffer(...args: never[]): unknown;
      duplicate(...args: never[]): unknown;
    };

export type NodeRedisClient = Extract<WechatRedisClient, { isOpen: boolean }>;
export type IoRedisClient = Extract<WechatRedisClient, { status: string }>;

export function isIoRedis(client: object): client is IoRedisClient {
  return hasMethods(client, 'callBuffer', 'duplicate') && 'status' in client && !isIoRedis4(client);
}

/** Returns what is wrong with a client that is handed in, or `undefined`. */
export function problemOfRedisClient(client: unknown): string | undefined {
  if (typeof client === 'object' && client !== null && (isIoRedis(client) || isNodeRedis(client)))
    return undefined;
  return `is ${nameOf(client)}. Pass a client of node-redis 5 or 6 (createClient, createCluster, createSentinel) or of ioredis 5 or 6 (Redis, Cluster), or pass redis.url`;
}

/** A pool of node-redis has the same methods, but is never ready. */
function isNodeRedis(client: object): boolean {
  const isSupported = 'isReady' in client || 'masters' in client;
  return isSupported && hasMethods(client, 'sendCommand', 'withTypeMapping');
}

function isIoRedis4(client: object): boolean {
  const options = 'options' in client && client.options;
  return typeof options === 'object' && options !== null && 'dropBufferSupport' in options;
}

function nameOf(client: unknown): string {
  if (client === undefined || client === null) return String(client);
  if (typeof client !== 'object') return `of the type ${typeof client}`;
  if (hasMethods(client, 'withTypeMapping')) return 'a client pool of node-redis';
  if (hasMethods(client, 'callBuffer')) return 'a client of ioredis 4';
  if (hasMethods(client, 'sendCommand')) return 'a client of node-redis 4 or older';
  const name = client.constructor?.name ?? 'Object';
  return name === 'Object' ? 'a plain object' : `an instance of ${name}`;
}

function hasMethods(client: object, ...names: string[]): boolean {
  return names.every((name) => typeof (client as Record<string, unknown>)[name] === 'function');
}
