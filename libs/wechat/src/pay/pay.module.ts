import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { telemetryProvider } from '../telemetry.provider.js';
import { HttpTransport } from '../transport/http.transport.js';
import { WechatConfigError } from '../wechat.errors.js';
import { PayNotificationReader } from './pay-notification.reader.js';
import { PayNotificationService } from './pay-notification.service.js';
import { WechatPayClient } from './pay.client.js';
import { PayDefaults } from './pay.defaults.js';
import { PayKeys } from './pay.keys.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './pay.module-definition.js';
import { ResolvedPayOptions } from './pay.options.js';
import type { WechatPayOptions } from './pay.options.js';
import { payStoreProvider } from './pay.store.js';
import { PayTransport } from './pay.transport.js';
import { PaymentService } from './payment.service.js';
import { RefundService } from './refund.service.js';

/**
 * WeChat Pay v3. Import it once, in the root module, with or without WechatModule. It is global by default.
 *
 * No real merchant has used it yet.
 *
 * @experimental
 * @example
 * ```ts
 * WechatPayModule.forRoot({ mchId, certificateSerial, privateKey, apiV3Key, publicKeys: [{ id, pem }], notify: { url } })
 * ```
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    {
      provide: ResolvedPayOptions,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: WechatPayOptions | undefined) => {
        if (options) return new ResolvedPayOptions(options);
        throw new WechatConfigError([
          'WechatPayModule has no options. If they come from the environment, set WECHAT_PAY_MCH_ID and the other WECHAT_PAY_ variables, or do not import the module',
        ]);
      },
    },
    payStoreProvider,
    telemetryProvider,
    { provide: HttpTransport, useFactory: () => new HttpTransport() },
    PayDefaults,
    PayTransport,
    PayKeys,
    WechatPayClient,
    PaymentService,
    RefundService,
    PayNotificationReader,
    PayNotificationService,
  ],
  exports: [WechatPayClient, PaymentService, RefundService, PayNotificationService],
})
export class WechatPayModule extends ConfigurableModuleClass {}
