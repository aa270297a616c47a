import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { AppConfig } from '../config.js';
import { UsersModule } from '../users/users.module.js';
import { AppJwtStrategy } from './app-jwt.strategy.js';
import { AppTokens } from './app-tokens.js';
import { jwtOptions, SignedTokens } from './signed-tokens.js';

@Module({
  imports: [UsersModule, JwtModule.registerAsync({ inject: [AppConfig], useFactory: jwtOptions })],
  providers: [SignedTokens, AppTokens, AppJwtStrategy],
  exports: [SignedTokens, AppTokens],
})
export class TokensModule {}
