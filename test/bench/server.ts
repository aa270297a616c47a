import { Module } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AccessTokenService } from 'nestjs-wechat';
import { serveTasks, spentCpu } from './child.js';
import { heldMemory } from './heap.js';
import type { Ground } from './library.js';
import { STACKS } from './stacks/index.js';
import type { StackName } from './stacks/index.js';
import type { Http, Stack } from './stacks/stack.js';

/** Runs one server with one stack. */
const [name, ground, http] = process.argv
  .slice(2)
  .map((argument) => JSON.parse(argument) as unknown) as [StackName, Ground, Http];
const stack: Stack = STACKS[name];

@Module(await stack.module(ground))
class BenchModule {}

const app = await create();
await stack.prepare?.(app, ground);
await app.listen(0, '127.0.0.1');

serveTasks({
  url: () => app.getUrl(),
  credentials: (clients: number) => stack.credentials(app, clients),
  requests: () => stack.requests?.() ?? [],
  cpu: spentCpu,
  heldMemory,
  accessTokens: (callers: number) => {
    const tokens = app.get(AccessTokenService, { strict: false });
    return Promise.all(Array.from({ length: callers }, () => tokens.get()));
  },
});

function create(): Promise<INestApplication> {
  const quiet = { logger: false } as const;
  return http === 'express'
    ? NestFactory.create(BenchModule, new ExpressAdapter(), quiet)
    : NestFactory.create(BenchModule, new FastifyAdapter(), quiet);
}
