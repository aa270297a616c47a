import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppClock } from '../common/app-clock.js';
import { UserLimits } from '../common/user-limits.js';
import { CheckLimit } from './check-limit.js';
import { ContentOperator } from './content-operator.js';
import { ContentController } from './content.controller.js';
import { Content } from './content.entity.js';
import { Contents } from './contents.js';
import { MediaChecks } from './media-checks.js';
import { NickNames } from './nick-names.js';
import { Verdicts } from './verdicts.js';

/** Nothing that a user uploads reaches other users before WeChat has passed it, if CONTENT_CHECK is on. */
@Module({
  imports: [TypeOrmModule.forFeature([Content])],
  controllers: [ContentController],
  providers: [
    AppClock,
    UserLimits,
    CheckLimit,
    Contents,
    NickNames,
    MediaChecks,
    Verdicts,
    ContentOperator,
  ],
  exports: [CheckLimit, Contents, NickNames],
})
export class ContentModule {}
