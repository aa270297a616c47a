import { Inject, Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-custom';
import { SessionService } from '../session/session.service.js';
import { WechatSessionError } from '../wechat.errors.js';
import { sessionRdFrom } from './credentials.js';
import type { RequestWithHeaders } from './credentials.js';
import { setAuth } from './request-auth.js';
import { WechatUsers } from './users.js';

/**
 * `wechat-session` for applications that already use Passport: a live `session_rd` becomes `request.user`, the team's user.
 * Provide it once, then `@UseGuards(WechatAuthGuard)`. Passport keeps strategies by name for the whole process, so of two
 * applications in one process the last one wins; `SessionGuard` has no such limit.
 */
@Injectable()
export class WechatSessionStrategy extends PassportStrategy(Strategy, 'wechat-session') {
  constructor(
    @Inject(SessionService) private readonly sessions: SessionService,
    @Inject(WechatUsers) private readonly users: WechatUsers,
  ) {
    super();
  }

  async validate(request: RequestWithHeaders): Promise<unknown> {
    const session_rd = sessionRdFrom(request);
    if (session_rd === undefined) throw new WechatSessionError();
    const session = await this.sessions.find(session_rd);
    const user = await this.users.of(session);
    setAuth(request, { session, user: () => Promise.resolve(user) });
    return user;
  }
}

/** `AuthGuard('wechat-session')` that fails closed: whatever Passport makes of it, without a user nobody passes. */
@Injectable()
export class WechatAuthGuard extends AuthGuard('wechat-session') {
  override handleRequest<User>(error: unknown, user: User | false | null | undefined): User {
    if (error) throw error;
    if (!user) throw new WechatSessionError();
    return user;
  }

  /** Passport lets a request through where a strategy calls `pass()`; then there is no user. */
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    await super.canActivate(context);
    if (!context.switchToHttp().getRequest<{ user?: unknown }>().user) throw new WechatSessionError();
    return true;
  }
}
