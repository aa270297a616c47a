import { Body, Controller, Headers, Post } from '@nestjs/common';
import { SessionRd, SessionService } from 'nestjs-wechat';
import type { IssuedSession } from 'nestjs-wechat';
import { UsersService } from './users.service.js';

@Controller('auth')
export class AuthController {
  constructor(
    private readonly sessions: SessionService,
    private readonly users: UsersService,
  ) {}

  // #region login
  @Post('login')
  async login(@Body('code') code: string, @SessionRd() replaces?: string) {
    const { session_rd, expiresIn, session } = await this.sessions.login(code, { replaces });
    return { session_rd, expiresIn, user: await this.users.register(session) };
  }
  // #endregion login

  // #region refresh
  @Post('refresh')
  refresh(
    @SessionRd() sessionRd = '',
    @Headers('idempotency-key') requestId?: string,
  ): Promise<IssuedSession> {
    return this.sessions.refresh(sessionRd, { requestId });
  }
  // #endregion refresh

  // #region logout
  @Post('logout')
  logout(@SessionRd() sessionRd = ''): Promise<void> {
    return this.sessions.revoke(sessionRd);
  }
  // #endregion logout
}
