// #region refresh
import { Controller, Headers, Post } from '@nestjs/common';
import { SessionRd, SessionService } from 'nestjs-wechat';
import type { IssuedSession } from 'nestjs-wechat';

@Controller('auth')
export class RefreshController {
  constructor(private readonly sessions: SessionService) {}

  @Post('refresh')
  refresh(
    @SessionRd() sessionRd = '',
    @Headers('idempotency-key') requestId?: string,
  ): Promise<IssuedSession> {
    return this.sessions.refresh(sessionRd, { requestId });
  }
}
// #endregion refresh
