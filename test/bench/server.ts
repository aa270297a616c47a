import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AccessTokenService } from 'nestjs-wechat';
import { answerQuestions } from './child.js';
import type { Ground } from './library.js';
import { STACKS } from './stacks.js';
import type { Stack, StackName } from './stacks.js';

/** One server with one stack. */
const [name, ground] = process.argv.slice(2).map((argument) => JSON.parse(argument) as unknown) as [StackName, Ground];
const stack: Stack = STACKS[name];

@Module(await stack.module(ground))
class BenchModule {}

const app = await NestFactory.create<NestFastifyApplication>(BenchModule, new FastifyAdapter(), { logger: false });
await stack.prepare?.(app);
await app.listen(0, '127.0.0.1');

answerQuestions({
  open: async (tokens: number) => ({ url: await app.getUrl(), tokens: await stack.tokens(app, tokens) }),
  /** Microseconds, of all threads. */
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  accessTokens: (callers: number) => {
    const tokens = app.get(AccessTokenService, { strict: false });
    return Promise.all(Array.from({ length: callers }, () => tokens.get()));
  },
});
