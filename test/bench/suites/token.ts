import { say, withRedis } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor } from '../figures.js';
import type { Findings } from '../figures.js';

const INSTANCES = 4;
const CALLERS = 25;

/** Starts several instances whose callers all request the access token at the same moment. */
export async function tokenSuite({ rounds }: { rounds: number }): Promise<Findings> {
  say('  access token, cold callers');
  const calls: number[] = [];
  for (let round = 0; round < rounds; round++)
    calls.push(await withRedis((redis) => upstreamCalls(redis?.url)));
  const label = `calls to WeChat for ${INSTANCES} processes × ${CALLERS} cold callers`;
  return { figures: figuresFor('token')('token', label, calls, { goal: { atMost: 1 } }) };
}

async function upstreamCalls(redis: string | undefined): Promise<number> {
  const wechat = Child.start('wechat', { place: 'beside' });
  const ground = { redis, wechat: await wechat.ask('open') };
  const instances = Array.from({ length: INSTANCES }, () =>
    Child.start('server', { args: ['login', ground, 'fastify'] }),
  );
  try {
    await Promise.all(instances.map((instance) => instance.ask('url')));
    const tokens = (
      await Promise.all(
        instances.map((instance) => instance.ask<string[]>('accessTokens', CALLERS)),
      )
    ).flat();
    if (new Set(tokens).size !== 1)
      throw new Error('The instances returned different access tokens');
    return await wechat.ask<number>('calls', '/cgi-bin/stable_token');
  } finally {
    await Promise.all([wechat, ...instances].map((child) => child.stop()));
  }
}
