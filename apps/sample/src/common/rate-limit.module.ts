import { Module } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import { AppConfig } from '../config.js';

const MINUTE_MS = 60_000;

/** The counters of `LoginRateLimitGuard`, in this process. */
@Module({
  imports: [
    ThrottlerModule.forRootAsync({
      inject: [AppConfig],
      useFactory: ({ loginRateLimit }: AppConfig) => ({
        throttlers: [{ ttl: MINUTE_MS, limit: loginRateLimit }],
        skipIf: () => loginRateLimit === 0,
        setHeaders: false,
      }),
    }),
  ],
  exports: [ThrottlerModule],
})
export class RateLimitModule {}
