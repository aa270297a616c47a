import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  PaymentService,
  PayNotificationService,
  RefundService,
  WechatPayClient,
  WechatPayModule,
  wechatPayOptionsFromEnv,
} from 'nestjs-wechat/pay';
import type { WechatPayOptions } from 'nestjs-wechat/pay';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { Shop } from './shop-app.js';

/** The services of a merchant, without an HTTP server. */
export interface PayServices {
  payments: PaymentService;
  refunds: RefundService;
  client: WechatPayClient;
  notifications: PayNotificationService;
  /** Handles every notification. */
  shop: Shop;
  get<T>(token: Type<T>): T;
  close(): Promise<void>;
}

class PayServicesModule {}

export async function startPayServices(options: WechatPayOptions): Promise<PayServices> {
  const app = await NestFactory.createApplicationContext(
    {
      module: PayServicesModule,
      imports: [WechatPayModule.forRoot(options)],
      providers: [Shop],
    },
    { logger: false, abortOnError: false },
  );
  return {
    payments: app.get(PaymentService),
    refunds: app.get(RefundService),
    client: app.get(WechatPayClient),
    notifications: app.get(PayNotificationService),
    shop: app.get(Shop),
    get: (token) => app.get(token, { strict: false }),
    close: () => app.close(),
  };
}

/** Options for a merchant of a sandbox. Its notifications reach no server. */
export function sandboxPayOptions(
  wechat: WechatSandbox,
  change: Partial<WechatPayOptions> = {},
  merchant = wechat.pay.merchant,
): WechatPayOptions {
  const env = merchant.env({ notifyUrl: 'http://127.0.0.1:9/wechat/pay/notify' });
  return { ...wechatPayOptionsFromEnv(env)!, appId: wechat.apps[0]!.appId, ...change };
}
