import { Inject, Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { CryptoService } from '../open-data/crypto.service.js';
import { SessionService } from '../session/session.service.js';
import type { WechatSession } from '../session/wechat-session.js';
import { WechatSessionError } from '../wechat.errors.js';
import { sessionRdFrom } from './credentials.js';
import type { RequestWithHeaders } from './credentials.js';
import { PUBLIC } from './decorators.js';
import { RequestAuth, setAuthOf } from './request-auth.js';
import { requestOf } from './request-of.js';
import { WechatUsers } from './users.js';

/**
 * Lets a request through that carries a live `session_rd`, at the cost of one read of the store: an HTTP request, a GraphQL
 * operation, each message of a WebSocket. It asks its own module's `SessionService`, not Passport's registry, which is one
 * for the whole process.
 *
 * Refuses with WechatSessionError (401), and with StoreUnavailableError (503) where it cannot know.
 *
 * @example
 * ```ts
 * @UseGuards(SessionGuard)                               // on a handler, a controller, a resolver or a gateway
 * { provide: APP_GUARD, useExisting: SessionGuard }      // or on the whole application; see @Public()
 * ```
 */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(
    @Inject(SessionService) protected readonly sessions: SessionService,
    @Inject(WechatUsers) private readonly users: WechatUsers,
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(CryptoService) private readonly crypto: CryptoService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const isPublic = this.reflector.getAllAndOverride<boolean>(PUBLIC, [
      context.getHandler(),
      context.getClass(),
    ]);
    const session = isPublic ? undefined : await this.authenticate(this.getRequest(context));
    setAuthOf(context, session ? new RequestAuth(session, this.users, this.crypto) : null);
    return true;
  }

  /** Override it where the request lies elsewhere. */
  protected getRequest(context: ExecutionContext): RequestWithHeaders {
    return requestOf(context);
  }

  /** The session, or an error. `undefined` lets the request through without one. */
  protected authenticate(request: RequestWithHeaders): Promise<WechatSession | undefined> {
    const sessionRd = sessionRdFrom(request);
    if (sessionRd === undefined) throw new WechatSessionError();
    return this.sessions.find(sessionRd);
  }
}

/**
 * Like SessionGuard, but a request without a live session goes through too, as nobody: `@CurrentUser()` is `undefined`.
 * A store that cannot answer is still 503, because somebody who is logged in must not be shown a stranger's page.
 *
 * @example
 * ```ts
 * @Get() @UseGuards(OptionalSessionGuard)
 * home(@CurrentUser() user?: User) { return `hello ${user?.name ?? 'stranger'}`; }
 * ```
 */
@Injectable()
export class OptionalSessionGuard extends SessionGuard {
  protected override async authenticate(
    request: RequestWithHeaders,
  ): Promise<WechatSession | undefined> {
    try {
      return await super.authenticate(request);
    } catch (error) {
      if (error instanceof WechatSessionError) return undefined;
      throw error;
    }
  }
}
