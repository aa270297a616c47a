import { Module } from '@nestjs/common';
import { AppConfig } from '../config.js';
import { RateLimit } from './rate-limit.js';

const MINUTE_SECONDS = 60;
const WRONG_SECRETS_PER_MINUTE = 120;

/** Counts logins, phone logins, new phone numbers and code exchanges of one IP address together. */
export class LoginRateLimit extends RateLimit {}

/** Counts the wrong secrets of one IP address in paths of the central service. */
export class WrongSecretLimit extends RateLimit {}

/** Limits by IP address. Each process counts for itself, so they work without Redis. `LOGIN_RATE_LIMIT=0` turns them off. */
@Module({
  providers: [
    {
      provide: LoginRateLimit,
      inject: [AppConfig],
      useFactory: ({ loginRateLimit }: AppConfig) =>
        new LoginRateLimit(loginRateLimit, MINUTE_SECONDS),
    },
    {
      provide: WrongSecretLimit,
      inject: [AppConfig],
      useFactory: ({ loginRateLimit }: AppConfig) =>
        new WrongSecretLimit(loginRateLimit && WRONG_SECRETS_PER_MINUTE, MINUTE_SECONDS),
    },
  ],
  exports: [LoginRateLimit, WrongSecretLimit],
})
export class RateLimitModule {}
