// #region login
import { Body, Controller, Post } from '@nestjs/common';
import { SessionRd, SessionService } from 'nestjs-wechat';
import { UsersService } from './users.service.js';

@Controller('auth')
export class LoginController {
  constructor(
    private readonly sessions: SessionService,
    private readonly users: UsersService,
  ) {}

  @Post('login')
  async login(@Body('code') code: string, @SessionRd() replaces?: string) {
    const { session_rd, expiresIn, session } = await this.sessions.login(code, { replaces });
    return { session_rd, expiresIn, user: await this.users.register(session) };
  }
}
// #endregion login
