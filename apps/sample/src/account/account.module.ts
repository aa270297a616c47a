import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { AppClock } from '../common/app-clock.js';
import { RecordingsModule } from '../recordings/recordings.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountController } from './account.controller.js';
import { AccountPush } from './account-push.entity.js';
import { AccountPushes } from './account-pushes.js';
import { AccountService } from './account.service.js';

@Module({
  imports: [
    TokensModule,
    RecordingsModule,
    AvatarsModule,
    UsersModule,
    TypeOrmModule.forFeature([AccountPush]),
  ],
  controllers: [AccountController],
  providers: [AccountService, AppClock, AccountPushes],
})
export class AccountModule {}
