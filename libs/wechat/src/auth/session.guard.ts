import { Injectable, SetMetadata } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { CryptoService } from '../open-data/crypto.service.js';
import { SessionService } from '../session/session.service.js';
import type { WechatSession } from '../wechat-session.js';
import { WechatSessionError } from '../wechat.errors.js';
import { CurrentUserResolver } from './current-user.resolver.js';
import { carrierOf, getSession, LazyAuth, setAuth } from './request-auth.js';
import { requestOf, sessionRdFrom } from './session-rd.extractor.js';
import type { RequestWithHeaders } from './session-rd.extractor.js';

/**
 * Lets a request through if it carries a live `session_rd`: an HTTP request, a GraphQL operation, each message of a WebSocket.
 * It reads the store once. Then `request.user` is the user and `request.wechatSession` the session; see `WechatRequest`.
 *
 * Throws WechatSessionError (401), and StoreUnavailableError (503) if the store is unavailable.
 *
 * @example
 * ```ts
 * @UseGuards(SessionGuard)                               // on a handler, a controller, a resolver or a gateway
 * { provide: APP_GUARD, useExisting: SessionGuard }      // or on the whole application; see @Public()
 * ```
 */
@Injectable()
export class SessionGuard implements CanActivate {
  /** @internal */
  constructor(
    protected readonly sessions: SessionService,
    private readonly users: CurrentUserResolver,
    private readonly crypto: CryptoService,
  ) {}

  /** Checks the request. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isPublic(context)) return this.allowAnonymous(context);
    const session = await this.authenticate(this.getRequest(context));
    if (!session) return this.allowAnonymous(context);
    if (!this.users.isLazy) return this.allowUser(context, await this.users.find(session), session);
    setAuth(carrierOf(context), new LazyAuth(session, this.crypto, this.users.find));
    return true;
  }

  /** Returns the request that carries the `session_rd`. Override it for another transport. */
  protected getRequest(context: ExecutionContext): RequestWithHeaders {
    return requestOf(context);
  }

  /**
   * Returns the session of the request. Override it to accept another credential.
   *
   * @returns `undefined` to let the request through without a session
   * @throws WechatSessionError to refuse the request
   */
  protected authenticate(request: RequestWithHeaders): Promise<WechatSession | undefined> {
    const sessionRd = sessionRdFrom(request);
    if (sessionRd === undefined) throw new WechatSessionError();
    return this.sessions.find(sessionRd);
  }

  /**
   * Lets the request through without a session and without a user. For a subclass that overrides `canActivate`.
   * @returns `true`
   */
  protected allowAnonymous(context: ExecutionContext): boolean {
    return this.allowUser(context, undefined);
  }

  /**
   * Lets the request through as this user, without the user resolver. For a subclass that overrides `canActivate`.
   *
   * @param user what `@CurrentUser()` injects and `request.user` is
   * @param session what `@CurrentSession()` injects, if the user has a WeChat session
   * @returns `true`
   */
  protected allowUser(context: ExecutionContext, user: unknown, session?: WechatSession): boolean {
    // The fields of a GraphQL operation run in parallel on one context. A field without a session keeps what another has found.
    const keepsSession = !session && context.getType<string>() === 'graphql' && getSession(context);
    if (!keepsSession) setAuth(carrierOf(context), { user, session, crypto: this.crypto });
    return true;
  }
}

/**
 * Like SessionGuard, but a request without a live session goes through, too. `@CurrentUser()` is then `undefined`. If the store
 * is unavailable, the response is still 503: otherwise a user who is logged in would get the page for strangers.
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

const PUBLIC = 'nestjs-wechat:public';

/**
 * Lets every request through to a handler or a controller where `SessionGuard` guards the controller or the application. It
 * does not apply to subclasses of the controller: a subclass that should be public has its own `@Public()`.
 *
 * @example
 * ```ts
 * @Public() @Get('prices')
 * prices() { … }
 * ```
 */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);

/** Whether the handler or its own class is `@Public()`. Nest's Reflector would also find the metadata of a base class. */
function isPublic(context: ExecutionContext): boolean {
  return (
    Reflect.hasOwnMetadata(PUBLIC, context.getHandler()) ||
    Reflect.hasOwnMetadata(PUBLIC, context.getClass())
  );
}
