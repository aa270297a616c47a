// #region logout
import { Controller, Post } from '@nestjs/common';
import { SessionRd, SessionService } from 'nestjs-wechat';

@Controller('auth')
export class LogoutController {
  constructor(private readonly sessions: SessionService) {}

  @Post('logout')
  logout(@SessionRd() sessionRd = ''): Promise<void> {
    return this.sessions.revoke(sessionRd);
  }
}
// #endregion logout
