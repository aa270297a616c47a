import { Inject, Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-custom';
import { CryptoService } from '../open-data/crypto.service.js';
import { SessionService } from '../session/session.service.js';
import { WechatSessionError } from '../wechat.errors.js';
import { sessionRdFrom } from './credentials.js';
import type { RequestWithHeaders } from './credentials.js';
import { RequestAuth, setAuth } from './request-auth.js';
import { WechatUsers } from './users.js';

/** Which application's services a request belongs to; the guard knows, Passport's registry does not. */
const SERVICES = Symbol('nestjs-wechat.services');

interface Services {
  sessions: SessionService;
  users: WechatUsers;
  crypto: CryptoService;
}

type PassportRequest = RequestWithHeaders & { [SERVICES]?: Services; user?: unknown };

/**
 * `wechat-session` for applications that already use Passport: a live `session_rd` becomes `request.user`, the team's user.
 * Provide it once, then `@UseGuards(WechatAuthGuard)`. With a bare `AuthGuard('wechat-session')`, of two applications in one
 * process the last one serves both, because Passport keeps strategies by name for the whole process.
 *
 * @example
 * ```ts
 * @Module({ imports: [PassportModule], providers: [WechatSessionStrategy] })
 * ```
 */
@Injectable()
export class WechatSessionStrategy extends PassportStrategy(Strategy, 'wechat-session') {
  constructor(
    @Inject(SessionService) readonly sessions: SessionService,
    @Inject(WechatUsers) readonly users: WechatUsers,
    @Inject(CryptoService) readonly crypto: CryptoService,
  ) {
    super();
  }

  async validate(request: PassportRequest): Promise<unknown> {
    const { sessions, users, crypto } = request[SERVICES] ?? this;
    const sessionRd = sessionRdFrom(request);
    if (sessionRd === undefined) throw new WechatSessionError();
    const auth = new RequestAuth(await sessions.find(sessionRd), users, crypto);
    setAuth(request, auth);
    return auth.user();
  }
}

/**
 * `AuthGuard('wechat-session')` that fails closed: whatever Passport makes of it, without a user nobody passes. HTTP only;
 * `SessionGuard` serves the other transports.
 *
 * @example
 * ```ts
 * @Get() @UseGuards(WechatAuthGuard)
 * me(@CurrentUser() user: User) { return user; }      // request.user, too
 * ```
 */
@Injectable()
export class WechatAuthGuard extends AuthGuard('wechat-session') {
  @Inject(SessionService) private readonly sessions: SessionService;
  @Inject(WechatUsers) private readonly users: WechatUsers;
  @Inject(CryptoService) private readonly crypto: CryptoService;

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<PassportRequest>();
    request[SERVICES] = { sessions: this.sessions, users: this.users, crypto: this.crypto };
    await super.canActivate(context);
    if (!request.user) throw new WechatSessionError(); // Passport lets a request through where a strategy calls pass()
    return true;
  }

  override handleRequest<User>(error: unknown, user: User | false | null | undefined): User {
    if (error) throw error;
    if (!user) throw new WechatSessionError();
    return user;
  }
}
