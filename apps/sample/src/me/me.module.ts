import { Module } from '@nestjs/common';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { RateLimitModule } from '../common/rate-limit.module.js';
import { ContentModule } from '../content/content.module.js';
import { PhoneModule } from '../phone/phone.module.js';
import { UsersModule } from '../users/users.module.js';
import { MeController } from './me.controller.js';
import { ProfileService } from './profile.service.js';

@Module({
  imports: [UsersModule, AvatarsModule, ContentModule, PhoneModule, RateLimitModule],
  controllers: [MeController],
  providers: [ProfileService],
})
export class MeModule {}
