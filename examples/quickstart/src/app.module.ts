// #region app
import { Body, Controller, Get, Headers, Module, Post, Put, UseGuards } from '@nestjs/common';
import {
  CurrentSession,
  CurrentUser,
  PhoneService,
  SessionGuard,
  SessionRd,
  SessionService,
  WechatModule,
  wechatOptionsFromEnv,
} from 'nestjs-wechat';
import type { IssuedSession, WechatPhone, WechatSession } from 'nestjs-wechat';

@Controller()
export class AppController {
  constructor(
    private readonly sessions: SessionService,
    private readonly phones: PhoneService,
  ) {}

  @Post('auth/login')
  login(@Body('code') code: string): Promise<IssuedSession> {
    return this.sessions.login(code);
  }

  @Post('auth/refresh')
  refresh(
    @SessionRd() sessionRd = '',
    @Headers('idempotency-key') requestId?: string,
  ): Promise<IssuedSession> {
    return this.sessions.refresh(sessionRd, { requestId });
  }

  @Post('auth/logout')
  logout(@SessionRd() sessionRd = ''): Promise<void> {
    return this.sessions.revoke(sessionRd);
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentUser() user: { openid: string }) {
    return user;
  }

  @Put('me/phone')
  @UseGuards(SessionGuard)
  phone(
    @CurrentSession() { openid, appId }: WechatSession,
    @Body('code') code: string,
  ): Promise<WechatPhone> {
    return this.phones.getByCode(code, { openid, appId });
  }
}

@Module({
  imports: [WechatModule.forRootAsync({ useFactory: () => wechatOptionsFromEnv(process.env) })],
  controllers: [AppController],
})
export class AppModule {}
// #endregion app
