import { Cluster, Redis } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { ResolvedWechatOptions, wechatOptionsFromEnv } from '../../index.js';
import { problemsOf } from '../../problems-of.for-spec.js';
import { parseSentinelUrl } from './redis.url.js';
import { RedisStore } from './redis.store.js';

const env = { WECHAT_MINI_APP_ID: 'wx1111111111111111', WECHAT_MINI_APP_SECRET: 'secret' };
const apps = [{ appId: 'wx1111111111111111', secret: 's', kind: 'mini-program' as const }];

describe('REDIS_URL', () => {
  it.each([
    'redis://localhost',
    'redis://user:p%40ss%25@redis.example.com:6380/2',
    'rediss://:password@[::1]:6379/',
    'redis://a:1, redis://b:2',
    'redis+sentinel://a:26379/mymaster',
    'rediss+sentinel://user:p%40ss@a,b:26380, [::1]:26381/my.master-1',
  ])('accepts %s', (REDIS_URL) => {
    expect(problemsOf(() => wechatOptionsFromEnv({ ...env, REDIS_URL }))).toEqual([]);
  });

  it.each([
    'CANARY:6379',
    'http://CANARY',
    'redis://',
    'redis://user:CANARY%@host',
    'redis://user:CANARY%zz@host',
    'redis://user:CANARY%ff@host',
    'redis://user:CANA/RY@host',
    'redis://user:CANA#RY@host',
    'redis://:CANARY@host:port',
    'redis://:CANARY@host/name',
    'redis://:CANARY@host?db=name',
    'redis://a, ',
    'redis://a, redis+sentinel://:CANARY@b/mymaster',
    'redis+sentinel://:CANARY@a:26379',
    'redis+sentinel://:CANARY@/mymaster',
    'redis+sentinel://:CANARY@a,,b/mymaster',
    'redis+sentinel://:CANARY@a,b:99999/mymaster',
    'redis+sentinel://:CANARY%@a/mymaster',
    'redis+sentinel://:CANARY@a/my master',
    'redis+sentinel://:CANARY@a/mymaster, redis://b',
  ])('refuses %s with one message that names the variable and no part of the URL', async (url) => {
    const problems = problemsOf(() => wechatOptionsFromEnv({ ...env, REDIS_URL: url }));
    expect(problems).toEqual([expect.stringMatching(/^REDIS_URL must (be|have|name) /)]);
    const opened = RedisStore.open({ url: url.split(', ') });
    await expect(opened).rejects.toThrow(/^[^]*redis\.url must (be|have|name) /);
    await expect(opened).rejects.not.toThrow('CANARY');
  });

  it('may name sentinels, with the user and password of the servers', () => {
    expect(parseSentinelUrl('redis+sentinel://u:p%40s@a,[::1]:5/main')).toEqual({
      sentinels: [
        { host: 'a', port: 26_379 },
        { host: '::1', port: 5 },
      ],
      name: 'main',
      username: 'u',
      password: 'p@s',
      tls: false,
    });
  });
});

describe('redis.client', () => {
  const offline = { lazyConnect: true };
  const accepted = {
    'createClient()': createClient(),
    'createCluster()': createCluster({ rootNodes: [{}] }),
    'createSentinel()': createSentinel({
      name: 'main',
      sentinelRootNodes: [{ host: 'a', port: 1 }],
    }),
    'Redis of ioredis': new Redis(offline),
    'Cluster of ioredis': new Cluster([{ host: 'a' }], offline),
  };

  it.each(Object.entries(accepted))('accepts %s', (_, client) => {
    expect(problemsOf(() => new ResolvedWechatOptions({ apps, redis: { client } }))).toEqual([]);
  });

  class Valkey {}
  const refused: [string, unknown][] = [
    ['a client pool of node-redis', createClientPool()],
    [
      'a client of node-redis 4 or older',
      { isOpen: true, isReady: true, sendCommand: () => Promise.resolve() },
    ],
    [
      'a client of ioredis 4',
      {
        status: 'ready',
        options: { dropBufferSupport: false },
        callBuffer: () => undefined,
        duplicate: () => undefined,
      },
    ],
    ['an instance of Valkey', new Valkey()],
    ['a plain object', { host: 'localhost', port: 6379 }],
    ['of the type string', 'redis://user:CANARY@host'],
    ['undefined', undefined],
  ];

  it.each(refused)('refuses what is %s, by name', async (name, client) => {
    const redis = { client: client as never };
    const problems = problemsOf(() => new ResolvedWechatOptions({ apps, redis }));
    const text = `redis.client is ${name}. Pass a client of node-redis 5 or 6 (createClient, createCluster, createSentinel) or of ioredis 5 or 6 (Redis, Cluster), or pass redis.url`;
    expect(problems).toEqual([text]);
    await expect(RedisStore.open(redis)).rejects.toThrow(text);
  });
});
