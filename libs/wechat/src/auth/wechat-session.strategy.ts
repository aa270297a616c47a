import './passport.peers.js';
import { Inject, Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-custom';
import { CryptoService } from '../open-data/crypto.service.js';
import { SessionService } from '../session/session.service.js';
import { WechatSessionError } from '../wechat.errors.js';
import { CurrentUserResolver } from './current-user.resolver.js';
import { setAuth } from './request-auth.js';
import { sessionRdFrom } from './session-rd.extractor.js';
import type { RequestWithHeaders } from './session-rd.extractor.js';

/** The services of the application that a request belongs to. The guard sets them, because Passport's registry is one for the process. */
const SERVICES = Symbol('nestjs-wechat.services');

interface Services {
  sessions: SessionService;
  users: CurrentUserResolver;
  crypto: CryptoService;
}

type PassportRequest = RequestWithHeaders & { [SERVICES]?: Services; user?: unknown };

/**
 * The Passport strategy `wechat-session`: a live `session_rd` becomes `request.user`. Provide it once, then use
 * `@UseGuards(WechatAuthGuard)`. With `AuthGuard('wechat-session')` instead, two applications in one process share the strategy
 * of the last one, because Passport keeps strategies by name for the whole process.
 *
 * @example
 * ```ts
 * @Module({ imports: [PassportModule], providers: [WechatSessionStrategy] })
 * ```
 */
@Injectable()
export class WechatSessionStrategy extends PassportStrategy(Strategy, 'wechat-session') {
  /** @internal */
  constructor(
    private readonly sessions: SessionService,
    private readonly users: CurrentUserResolver,
    private readonly crypto: CryptoService,
  ) {
    super();
  }

  /** Returns the user of the `session_rd`. Passport calls it. */
  async validate(request: RequestWithHeaders): Promise<unknown> {
    const { sessions, users, crypto } = (request as PassportRequest)[SERVICES] ?? {
      sessions: this.sessions,
      users: this.users,
      crypto: this.crypto,
    };
    const sessionRd = sessionRdFrom(request);
    if (sessionRd === undefined) throw new WechatSessionError();
    const session = await sessions.find(sessionRd);
    const user = await users.find(session);
    setAuth(request as PassportRequest, { user, session, crypto });
    return user;
  }
}

/**
 * `AuthGuard('wechat-session')` that fails closed: without a user it refuses every request, also if a strategy calls `pass()`.
 * For HTTP only. `SessionGuard` works for all transports.
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
  @Inject(CurrentUserResolver) private readonly users: CurrentUserResolver;
  @Inject(CryptoService) private readonly crypto: CryptoService;

  /** Checks the request. */
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<PassportRequest>();
    request[SERVICES] = { sessions: this.sessions, users: this.users, crypto: this.crypto };
    await super.canActivate(context);
    if (!request.user) throw new WechatSessionError(); // Passport lets a request through if a strategy calls pass()
    return true;
  }

  /** Returns the user, or throws WechatSessionError. Passport calls it. */
  override handleRequest<User>(error: unknown, user: User | false | null | undefined): User {
    if (error) throw error;
    if (!user) throw new WechatSessionError();
    return user;
  }
}
