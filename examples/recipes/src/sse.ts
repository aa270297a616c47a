import { Controller, Sse, UseGuards } from '@nestjs/common';
import type { MessageEvent } from '@nestjs/common';
import { CurrentSession, SessionGuard, SessionService } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { ticks } from './ticks.js'; // an Observable of your events

@Controller('ticks')
export class TicksController {
  constructor(private readonly sessions: SessionService) {}

  @Sse()
  @UseGuards(SessionGuard)
  ticks(@CurrentSession() session: WechatSession): Observable<MessageEvent> {
    return ticks.pipe(takeUntil(this.sessions.untilRevoked(session, { every: '15s' })));
  }
}
