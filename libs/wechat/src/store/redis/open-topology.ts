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
    const { wrapNodeRedis } = await import('./node-redis.js');
    return (events) => wrapNodeRedis(client, events);
  }
  const [first = '', ...others] = [redis.url].flat();
  check('redis.url', problemOfRedisUrls([first, ...others]));
  if (isSentinelUrl(first)) {
    const { SentinelServer } = await import('./redis.sentinel.js');
    return (events) => new SentinelServer(parseSentinelUrl(first)!, events);
  }
  const { Cluster, SingleServer } = await import('./node-redis.js');
  return (events) =>
    others.length > 0
      ? Cluster.open([first, ...others], events)
      : SingleServer.open({ url: first }, events);
}

function check(option: string, problem: string | undefined): void {
  if (problem) throw new WechatConfigError([`${option} ${problem}`]);
}
