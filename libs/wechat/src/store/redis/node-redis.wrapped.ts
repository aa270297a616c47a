import type { RedisClientType, RedisClusterType, RedisSentinelType } from 'redis';
import { Cluster } from './node-redis.cluster.js';
import { RAW, SingleServer } from './node-redis.js';
import type { NodeRedisClient } from './redis.client.js';
import type {
  RedisCommand,
  RedisEvents,
  RedisLink,
  RedisServer,
  RedisTopology,
} from './redis.topology.js';

/** Uses a client of the application. */
export function wrapNodeRedis(client: NodeRedisClient, events: RedisEvents): RedisTopology {
  if ('masters' in client) return Cluster.wrap(client as unknown as RedisClusterType, events);
  if ('getSentinelNode' in client)
    return new SentinelClient(client as unknown as RedisSentinelType, events);
  return SingleServer.wrap(client as unknown as RedisClientType, events);
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
    const failed = (cause: unknown): void =>
      error(cause instanceof Error ? cause : new Error(String(cause))); // some of its errors are strings
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
