import { Module } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { AppConfig } from '../config.js';
import { PhoneModule } from '../phone/phone.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AuthController } from './auth.controller.js';
import { PhoneLoginController } from './phone-login.controller.js';
import { PhoneLoginService } from './phone-login.service.js';
import { RegistrationTickets } from './registration-tickets.js';
import { SessionStrategy } from './wechat-session.strategy.js';
import { WhoamiController } from './whoami.controller.js';

const MINUTE = 60_000;

@Module({
  imports: [
    UsersModule,
    AvatarsModule,
    PhoneModule,
    TokensModule,
    ThrottlerModule.forRootAsync({
      inject: [AppConfig],
      useFactory: ({ loginRateLimit }: AppConfig) => ({
        throttlers: [{ ttl: MINUTE, limit: loginRateLimit }],
        skipIf: () => loginRateLimit === 0,
        setHeaders: false,
      }),
    }),
  ],
  controllers: [AuthController, PhoneLoginController, WhoamiController],
  providers: [PhoneLoginService, RegistrationTickets, SessionStrategy],
})
export class AuthModule {}
