import { HttpModule, HttpService } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { WechatModule } from 'nestjs-wechat';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { AccountModule } from './account/account.module.js';
import { AuthModule } from './auth/auth.module.js';
import { redisCacheModule } from './cache/cache.module.js';
import { CentralModule } from './central/central.module.js';
import { AppConfig } from './config.js';
import { ConfigModule } from './config.module.js';
import { ContentModule } from './content/content.module.js';
import { DatabaseModule } from './database/database.module.js';
import { HealthModule } from './health/health.module.js';
import { MeModule } from './me/me.module.js';
import { QrCodesModule } from './qrcodes/qrcodes.module.js';
import { RecordingsModule } from './recordings/recordings.module.js';
import { ShopModule } from './shop/shop.module.js';
import { UsersModule } from './users/users.module.js';
import { UsersService } from './users/users.service.js';

/** The connections to WeChat. Set an agent of a proxy here if requests must leave your network through one. */
const KEPT_ALIVE = {
  httpAgent: new HttpAgent({ keepAlive: true }),
  httpsAgent: new HttpsAgent({ keepAlive: true }),
};

@Module({})
export class AppModule {
  static with(config: AppConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(config),
        DatabaseModule,
        ...(config.cacheRedisUrl === undefined ? [] : [redisCacheModule]),
        WechatModule.forRootAsync({
          imports: [HttpModule.register(KEPT_ALIVE)],
          inject: [HttpService],
          useFactory: (http: HttpService) => ({
            ...config.wechat,
            api: { ...config.wechat.api, http },
            users: UsersService,
          }),
        }),
        ScheduleModule.forRoot(),
        UsersModule,
        ContentModule,
        AuthModule,
        MeModule,
        AccountModule,
        RecordingsModule,
        CentralModule,
        QrCodesModule,
        ...(config.pay === undefined ? [] : [ShopModule.with(config.pay, config)]),
        HealthModule,
      ],
    };
  }
}
