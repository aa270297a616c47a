import { Module } from '@nestjs/common';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { ContentModule } from '../content/content.module.js';
import { RateLimitModule } from '../common/rate-limit.module.js';
import { PhoneModule } from '../phone/phone.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AuthController } from './auth.controller.js';
import { PhoneLoginController } from './phone-login.controller.js';
import { PhoneLoginService } from './phone-login.service.js';
import { RegistrationTickets } from './registration-tickets.js';
import { SessionStrategy } from './wechat-session.strategy.js';
import { WhoamiController } from './whoami.controller.js';

@Module({
  imports: [UsersModule, AvatarsModule, ContentModule, PhoneModule, TokensModule, RateLimitModule],
  controllers: [AuthController, PhoneLoginController, WhoamiController],
  providers: [PhoneLoginService, RegistrationTickets, SessionStrategy],
})
export class AuthModule {}
