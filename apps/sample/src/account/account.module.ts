import { Module } from '@nestjs/common';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { RecordingsModule } from '../recordings/recordings.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { AccountController } from './account.controller.js';
import { AccountService } from './account.service.js';

@Module({
  imports: [TokensModule, RecordingsModule, AvatarsModule],
  controllers: [AccountController],
  providers: [AccountService],
})
export class AccountModule {}
