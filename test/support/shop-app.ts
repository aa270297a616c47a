import { Controller, Get, Injectable, Module } from '@nestjs/common';
import type { DynamicModule, INestApplication, ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { OnPayNotification, wechatPayOptionsFromEnv, WechatPayModule } from 'nestjs-wechat/pay';
import type { PayNotification, WechatPayOptions } from 'nestjs-wechat/pay';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { freePort } from './free-port.js';
import { payOptions } from './pay-messages.js';
import type { Adapter } from './team-app.js';

/** Records the notifications of a shop, in the order in which their handlers ran. */
@Injectable()
export class Shop {
  readonly received: PayNotification[] = [];
  /** The work of the handler. Tests replace it. */
  handle: (notification: PayNotification) => unknown = () => undefined;

  @OnPayNotification('*')
  async notify(notification: PayNotification): Promise<void> {
    await this.handle(notification);
    this.received.push(notification);
  }
}

@Controller('hello')
export class HelloController {
  @Get()
  hello(): string {
    return 'hello';
  }
}

export interface ShopApp {
  app: INestApplication;
  url: string;
  notifyUrl: string;
  shop: Shop;
  close(): Promise<void>;
}

export interface ShopAppOptions {
  adapter?: Adapter;
  pay?: Partial<WechatPayOptions>;
  module?: Partial<ModuleMetadata>;
  /** Runs before the application starts, like the code of a main.ts. */
  configure?: (app: INestApplication) => void;
  rawBody?: boolean;
  port?: number;
  /** Whether `Shop` takes the notifications. @default true */
  hasShop?: boolean;
}

/**
 * Starts an application with WechatPayModule and without WechatModule.
 * @param wechat its first merchant pays; without it the merchant of pay-messages.ts, whose notifications the test signs
 */
export async function startShop(
  wechat: WechatSandbox | undefined,
  {
    adapter = 'fastify',
    pay = {},
    module = {},
    configure,
    rawBody,
    port,
    hasShop = true,
  }: ShopAppOptions = {},
): Promise<ShopApp> {
  const listenOn = port ?? (await freePort());
  const notifyUrl = `http://127.0.0.1:${listenOn}/wechat/pay/notify`;
  const options = wechat
    ? wechatPayOptionsFromEnv(wechat.pay.merchant.env({ notifyUrl }))!
    : payOptions({ notify: { url: notifyUrl } });

  @Module({})
  class ShopModule {
    static create(): DynamicModule {
      const { imports = [], providers = [], controllers = [] } = module;
      return {
        module: ShopModule,
        imports: [WechatPayModule.forRoot({ ...options, ...pay }), ...imports],
        providers: [...(hasShop ? [Shop] : []), ...providers],
        controllers: [HelloController, ...controllers],
      };
    }
  }
  const http = adapter === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = await NestFactory.create(ShopModule.create(), http, {
    logger: false,
    abortOnError: false,
    rawBody,
  });
  configure?.(app);
  await app.listen(listenOn, '127.0.0.1');
  return {
    app,
    url: `http://127.0.0.1:${listenOn}`,
    notifyUrl,
    shop: hasShop ? app.get(Shop) : new Shop(),
    close: () => app.close(),
  };
}
