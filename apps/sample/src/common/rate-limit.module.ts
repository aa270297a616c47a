import { Module } from '@nestjs/common';
import { WechatStore } from 'nestjs-wechat';
import { AppConfig } from '../config.js';
import { RateLimit } from './rate-limit.js';

const WRONG_SECRETS_PER_MINUTE = 120;
const windowSeconds = 60;

/** Counts logins, phone logins, new phone numbers and code exchanges of one IP address together. */
export class LoginRateLimit extends RateLimit {}

/** Counts the wrong secrets of one IP address in paths of the central service. */
export class WrongSecretLimit extends RateLimit {}

/** Limits by IP address. `LOGIN_RATE_LIMIT=0` turns them off. */
@Module({
  providers: [
    {
      provide: LoginRateLimit,
      inject: [WechatStore, AppConfig],
      useFactory: (store: WechatStore, { loginRateLimit: points }: AppConfig) =>
        new LoginRateLimit(store, { name: 'login', points, windowSeconds }),
    },
    {
      provide: WrongSecretLimit,
      inject: [WechatStore, AppConfig],
      useFactory: (store: WechatStore, { loginRateLimit }: AppConfig) => {
        const points = loginRateLimit && WRONG_SECRETS_PER_MINUTE;
        return new WrongSecretLimit(store, { name: 'wrong-secret', points, windowSeconds });
      },
    },
  ],
  exports: [LoginRateLimit, WrongSecretLimit],
})
export class RateLimitModule {}
