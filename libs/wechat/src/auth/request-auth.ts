import type { ExecutionContext } from '@nestjs/common';
import type { CryptoService } from '../open-data/crypto.service.js';
import type { WechatSession } from '../wechat-session.js';
import { carrierOf } from './request.extractor.js';

/**
 * What `SessionGuard` sets on a request, for guards, interceptors and access logs that run after it.
 *
 * @example
 * ```ts
 * const { wechatSession } = context.switchToHttp().getRequest<WechatRequest>();
 * logger.log({ openid: wechatSession?.openid });
 * ```
 */
export interface WechatRequest {
  /**
   * The user. With a user resolver it is a getter that returns one and the same promise, and the resolver is called when it is
   * first read. Without a resolver it is `{ appId, openid, unionid? }`. With `eagerUser: true` it is the user itself.
   */
  user?: unknown;
  /** The session. `null` if the guard let the request through without a session. */
  wechatSession?: WechatSession | null;
}

type FindUser = (session: WechatSession) => Promise<unknown>;

/** What a guard found out about a request. The decorators read it; `request.user` and `request.wechatSession` show it. */
export class RequestAuth {
  private foundUser: unknown;

  /**
   * @param session `undefined` if the request has no session
   * @param crypto decrypts for `@OpenData()`
   * @param findUser is called when the user is first read
   */
  constructor(
    readonly session?: WechatSession,
    readonly crypto?: CryptoService,
    private readonly findUser?: FindUser,
  ) {}

  /** A request with a user that is already known. */
  static of(user: unknown, session?: WechatSession, crypto?: CryptoService): RequestAuth {
    const auth = new RequestAuth(session, crypto);
    auth.foundUser = user;
    return auth;
  }

  /** Whether the user has still to be found. */
  get isLazy(): boolean {
    return this.foundUser === undefined && this.findUser !== undefined;
  }

  get user(): unknown {
    if (this.foundUser === undefined && this.session && this.findUser) {
      const user = this.findUser(this.session);
      user.catch(() => undefined); // a log that reads `request.user` and drops the promise must not end the process
      this.foundUser = user;
    }
    return this.foundUser;
  }
}

const AUTH = Symbol('nestjs-wechat:auth');

type Carrier = WechatRequest & { [AUTH]?: RequestAuth };

/** One descriptor for all requests, so that a request allocates no function. */
const LAZY_USER: PropertyDescriptor & ThisType<Carrier> = {
  configurable: true,
  get() {
    return this[AUTH]?.user;
  },
  /** Another guard, such as Passport's, may assign its own user. */
  set(value: unknown) {
    Object.defineProperty(this, 'user', {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  },
};

/**
 * Sets what a guard found on a request. `request.user` is assigned if the user is known: that takes 30 ns, a getter 400 ns.
 * Without a session and a user, a `request.user` of another guard stays.
 */
export function setAuth(carrier: object, auth: RequestAuth): void {
  const request = carrier as Carrier;
  const before = request[AUTH];
  request[AUTH] = auth;
  request.wechatSession = auth.session ?? null;
  if (auth.isLazy) Object.defineProperty(request, 'user', LAZY_USER);
  else if (auth.user !== undefined || before?.session) request.user = auth.user;
}

/** Like `setAuth`, on the object that carries the state in this context. */
export function setAuthIn(context: ExecutionContext, auth: RequestAuth): void {
  // The fields of a GraphQL operation run in parallel on one context. A public field keeps what another field has found.
  const isPublicField = context.getType<string>() === 'graphql' && !auth.session;
  const found = isPublicField ? findAuth(context) : undefined;
  setAuth(carrierOf(context), found?.session ? found : auth);
}

/** @returns `undefined` if no guard of this library ran */
export function findAuth(context: ExecutionContext): RequestAuth | undefined {
  return (carrierOf(context) as Carrier)[AUTH];
}

/** @throws Error if no guard of this library ran */
export function authIn(context: ExecutionContext): RequestAuth {
  const auth = findAuth(context);
  if (!auth)
    throw new Error(
      'No guard of nestjs-wechat ran here. Add @UseGuards(SessionGuard), or OptionalSessionGuard. In a test, call setSession() of nestjs-wechat/testing.',
    );
  return auth;
}

/**
 * Returns the session that a guard found, in a guard, interceptor or filter that runs after it. It works for HTTP, GraphQL and
 * WebSockets. Over HTTP, `request.wechatSession` is the same.
 *
 * @returns `undefined` if the request has no session, or no guard of this library ran
 * @example
 * ```ts
 * intercept(context: ExecutionContext, next: CallHandler) {
 *   this.audit.write(getSession(context)?.openid, context.getHandler().name);
 *   return next.handle();
 * }
 * ```
 */
export function getSession(context: ExecutionContext): WechatSession | undefined {
  return findAuth(context)?.session;
}

/**
 * Returns the user that `@CurrentUser()` injects, in a guard or interceptor that runs after `SessionGuard`. It works for HTTP,
 * GraphQL and WebSockets. Over HTTP, `await request.user` is the same.
 *
 * @returns `undefined` if the request has no user, or no guard of this library ran
 * @throws WechatSessionError if the user resolver finds no user, and what the resolver throws
 * @example
 * ```ts
 * async canActivate(context: ExecutionContext) {
 *   const user = await getUser<User>(context);
 *   return user?.roles.includes('admin') ?? false;
 * }
 * ```
 */
export async function getUser<User = unknown>(
  context: ExecutionContext,
): Promise<User | undefined> {
  return (await findAuth(context)?.user) as User | undefined;
}
