import { Module } from '@nestjs/common';
import { RateLimitModule } from '../common/rate-limit.module.js';
import { MiniProgramController } from './mini-program.controller.js';
import { MiniProgramSecretController } from './mini-program-secret.controller.js';
import { MobileController } from './mobile.controller.js';

/**
 * The central service (微信中控服务). It holds the AppSecrets and tokens of WeChat for other servers. As existing clients do, callers send
 * an AppSecret or a token in the URL. Keep the service inside your network, and do not log URLs in your proxies.
 *
 * No other folder imports this one, and it imports only `common/` and `docs/`, so it can be removed or run alone.
 */
@Module({
  imports: [RateLimitModule],
  controllers: [MobileController, MiniProgramController, MiniProgramSecretController],
})
export class CentralModule {}
