import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { AppConfig } from '../config.js';
import { UsersModule } from '../users/users.module.js';
import { AppJwtGuard, AppJwtStrategy } from './app-jwt.strategy.js';
import { AppTokens } from './app-tokens.js';
import { jwtOptions, SignedTokens } from './signed-tokens.js';

@Module({
  imports: [UsersModule, JwtModule.registerAsync({ inject: [AppConfig], useFactory: jwtOptions })],
  providers: [SignedTokens, AppTokens, AppJwtStrategy, AppJwtGuard],
  exports: [SignedTokens, AppTokens, AppJwtGuard],
})
export class TokensModule {}
