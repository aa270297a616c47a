import { WechatConfigError } from '../../wechat.errors.js';
import { isIoRedis, problemOfRedisClient } from './redis.client.js';
import type { RedisEvents, RedisOptions, RedisTopology } from './redis.topology.js';
import { isSentinelUrl, parseSentinelUrl, problemOfRedisUrls } from './redis.url.js';

/**
 * Loads only the client library that is used, so that the application needs no other.
 * @throws WechatConfigError
 */
export async function topologyOf(
  redis: RedisOptions,
): Promise<(events: RedisEvents) => RedisTopology> {
  if ('client' in redis) {
    const { client } = redis;
    check('redis.client', problemOfRedisClient(client));
    if (isIoRedis(client)) {
      const { openIoRedis } = await import('./ioredis.js');
      return (events) => openIoRedis(client, events);
    }
    const { wrapNodeRedis } = await import('./node-redis.wrapped.js');
    return (events) => wrapNodeRedis(client, events);
  }
  const [first = '', ...others] = [redis.url].flat();
  check('redis.url', problemOfRedisUrls([first, ...others]));
  check('redis.url', await problemOfPackage());
  if (isSentinelUrl(first)) {
    const { SentinelServer } = await import('./redis.sentinel.js');
    return (events) => new SentinelServer(parseSentinelUrl(first)!, events);
  }
  if (others.length > 0) {
    const { Cluster } = await import('./node-redis.cluster.js');
    return (events) => Cluster.open([first, ...others], events);
  }
  const { SingleServer } = await import('./node-redis.js');
  return (events) => SingleServer.open({ url: first }, events);
}

/** An older version of redis may be installed for the application's own purposes. It has no RESP_TYPES. */
async function problemOfPackage(): Promise<string | undefined> {
  const redis = await import('redis').catch(() => undefined);
  return redis?.RESP_TYPES
    ? undefined
    : 'needs the package redis in version 5 or 6. Run: npm install redis';
}

function check(option: string, problem: string | undefined): void {
  if (problem) throw new WechatConfigError([`${option} ${problem}`]);
}
