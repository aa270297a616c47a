import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { WechatHealthIndicator } from 'nestjs-wechat/health';
import { Shutdown } from '../common/shutdown.js';
import { FilesModule } from '../files/files.module.js';
import { HealthController } from './health.controller.js';

@Module({
  imports: [FilesModule, TerminusModule.forRoot({ logger: false })], // the line of the request is logged anyway
  controllers: [HealthController],
  providers: [Shutdown, WechatHealthIndicator],
})
export class HealthModule {}
