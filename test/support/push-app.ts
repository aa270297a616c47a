import { Injectable, Module } from '@nestjs/common';
import type { DynamicModule, INestApplication, ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { MessagePushService, OnWechatMessage, WechatModule } from 'nestjs-wechat';
import type { WechatApp, WechatMessage, WechatModuleOptions } from 'nestjs-wechat';
import { PUSH } from './push-messages.js';
import type { PushMessage } from './push-messages.js';
import { HelloController } from './shop-app.js';
import type { Adapter } from './team-app.js';

/** Records the messages in the order in which their handlers ran. */
@Injectable()
export class Received {
  readonly messages: WechatMessage[] = [];
  /** Replaced by tests: what the handler does and returns. */
  handle: (message: WechatMessage) => unknown = () => undefined;

  @OnWechatMessage('*')
  async take(message: WechatMessage): Promise<unknown> {
    const reply = await this.handle(message);
    this.messages.push(message);
    return reply;
  }
}

type PushConfig = NonNullable<WechatApp['push']>;

/** Options of WechatModule for the mini program of push-messages.ts. */
export function pushOptions(
  push: PushConfig = { token: PUSH.token, aesKeys: [PUSH.aesKey] },
  more: Partial<Omit<WechatModuleOptions, 'apps'>> = {},
): WechatModuleOptions & { apps: WechatApp[] } {
  const app = { appId: PUSH.appId, secret: 'secret', kind: 'mini-program' as const };
  return { apps: [{ ...app, push }], ...more };
}

export const PLAIN: PushConfig = { token: PUSH.token };

export interface PushApp {
  app: INestApplication;
  url: string;
  pushes: MessagePushService;
  received: Received;
  /** Sends a push over HTTP. */
  push(message: PushMessage, path?: string): Promise<Response>;
  close(): Promise<void>;
}

export interface PushAppOptions {
  adapter?: Adapter;
  module?: Partial<ModuleMetadata>;
  /** Runs before the application starts, as lines of a team's main.ts do. */
  configure?: (app: INestApplication) => void;
  rawBody?: boolean;
  /** Whether `Received` takes the messages. @default true */
  hasReceiver?: boolean;
}

class PushModule {}

const moduleOf = (
  options: WechatModuleOptions,
  { imports = [], providers = [], controllers = [] }: Partial<ModuleMetadata>,
  hasReceiver: boolean,
): DynamicModule => ({
  module: PushModule,
  imports: [WechatModule.forRoot(options), ...imports],
  providers: [...(hasReceiver ? [Received] : []), ...providers],
  controllers: [HelloController, ...controllers],
});
Module({})(PushModule);

/** Starts an application that receives pushes. */
export async function startPushApp(
  options: WechatModuleOptions = pushOptions(),
  { adapter = 'fastify', module = {}, configure, rawBody, hasReceiver = true }: PushAppOptions = {},
): Promise<PushApp> {
  const http = adapter === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = await NestFactory.create(moduleOf(options, module, hasReceiver), http, {
    logger: false,
    abortOnError: false,
    rawBody,
  });
  configure?.(app);
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return {
    app,
    url,
    pushes: app.get(MessagePushService),
    received: hasReceiver ? app.get(Received) : new Received(),
    push: ({ query, body }, path = '/wechat/push') =>
      fetch(`${url}${path}?${new URLSearchParams(query).toString()}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: new Uint8Array(body),
      }),
    close: () => app.close(),
  };
}

/** The same without an HTTP server. */
export interface PushServices {
  pushes: MessagePushService;
  received: Received;
  close(): Promise<void>;
}

export async function startPushServices(
  options: WechatModuleOptions = pushOptions(),
  module: Partial<ModuleMetadata> = {},
): Promise<PushServices> {
  const app = await NestFactory.createApplicationContext(moduleOf(options, module, true), {
    logger: false,
    abortOnError: false,
  });
  return {
    pushes: app.get(MessagePushService),
    received: app.get(Received),
    close: () => app.close(),
  };
}
