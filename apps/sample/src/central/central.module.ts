import { Module } from '@nestjs/common';
import { MiniProgramController } from './mini-program.controller.js';
import { MiniProgramSecretController } from './mini-program-secret.controller.js';
import { MobileController } from './mobile.controller.js';

/**
 * 微信中控服务: one place that holds the AppSecrets and tokens of WeChat for other servers. Whoever calls it proves that by an AppSecret
 * or by a token in the URL, as its clients always have; so keep it inside your network, and URLs out of the logs of what is in front.
 */
@Module({ controllers: [MobileController, MiniProgramController, MiniProgramSecretController] })
export class CentralModule {}
