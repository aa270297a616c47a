import { Module } from '@nestjs/common';
import { RateLimitModule } from '../common/rate-limit.module.js';
import { MiniProgramController } from './mini-program.controller.js';
import { MiniProgramSecretController } from './mini-program-secret.controller.js';
import { MobileController } from './mobile.controller.js';

/**
 * 微信中控服务: holds the AppSecrets and tokens of WeChat for other servers. Callers prove themselves with an AppSecret or a token
 * in the URL, because existing clients do. So keep the service inside your network, and URLs out of the logs of your proxies.
 *
 * No other folder imports this one, and it imports only `common/` and `docs/`, so it can be removed or run alone.
 */
@Module({
  imports: [RateLimitModule],
  controllers: [MobileController, MiniProgramController, MiniProgramSecretController],
})
export class CentralModule {}
