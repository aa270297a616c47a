import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext, PipeTransform, Type } from '@nestjs/common';
import { hintAtCopies } from '../loaded-copies.cjs';
import type { CryptoService } from '../open-data/crypto.service.js';
import type { WechatSession } from '../wechat-session.js';

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

/** What a guard found out about a request. The decorators read it; `request.user` and `request.wechatSession` show it. */
export interface RequestAuth {
  readonly session?: WechatSession;
  /** The user, or a promise of the user. */
  readonly user?: unknown;
  /** Decrypts for `@OpenData()`. */
  readonly crypto?: CryptoService;
}

/** A request whose user is resolved when it is first read. */
export class LazyAuth implements RequestAuth {
  private found?: Promise<unknown>;

  constructor(
    readonly session: WechatSession,
    readonly crypto: CryptoService,
    private readonly findUser: (session: WechatSession) => Promise<unknown>,
  ) {}

  get user(): Promise<unknown> {
    if (!this.found) {
      this.found = this.findUser(this.session);
      this.found.catch(() => undefined); // a log that reads `request.user` and drops the promise must not end the process
    }
    return this.found;
  }
}

/** One symbol for all copies of this package, so that the decorators of one read what the guard of another has set. */
const AUTH = Symbol.for('nestjs-wechat:auth');

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
export function setAuth(carrier: Carrier, auth: RequestAuth): void {
  const before = carrier[AUTH];
  carrier[AUTH] = auth;
  carrier.wechatSession = auth.session ?? null;
  if (auth instanceof LazyAuth) Object.defineProperty(carrier, 'user', LAZY_USER);
  else if (auth.user !== undefined || before?.session) carrier.user = auth.user;
}

/**
 * Returns the object that carries the result of a guard. It must not live longer than the guard's decision is valid: it is the
 * request, or the context of one GraphQL operation. A socket lives longer than a session, so each handler of a socket has an
 * object of its own, and each message overwrites the result.
 */
export function carrierOf(context: ExecutionContext): Carrier {
  const type = context.getType<string>();
  if (type === 'graphql') return context.getArgByIndex<object>(2);
  if (type === 'ws')
    return messageStateOf(context.switchToWs().getClient<object>(), context.getHandler());
  return context.getArgByIndex<object>(0);
}

const states = new WeakMap<object, WeakMap<object, object>>();

/** Messages of one socket run in parallel. Two messages to one handler passed the same guards, so they may share the object. */
function messageStateOf(client: object, handler: object): object {
  const byHandler = states.get(client) ?? new WeakMap<object, object>();
  const state = byHandler.get(handler) ?? {};
  states.set(client, byHandler.set(handler, state));
  return state;
}

/** @throws Error if no guard of this library ran */
export function authIn(context: ExecutionContext): RequestAuth {
  const auth = carrierOf(context)[AUTH];
  if (!auth)
    throw new Error(
      `No guard of nestjs-wechat ran here. Add @UseGuards(SessionGuard), or OptionalSessionGuard. In a test, call setSession() of nestjs-wechat/testing. ${hintAtCopies()}`.trimEnd(),
    );
  return auth;
}

// The types of the decorators are written out, because createParamDecorator infers a type that Nest 11 does not have.

/**
 * Injects the user: what the user resolver returns, or `{ appId, openid, unionid? }` without a resolver.
 * `undefined` if the guard let the request through without a session.
 *
 * @example
 * ```ts
 * @Get() @UseGuards(SessionGuard)
 * me(@CurrentUser() user: User) { return user; }
 * ```
 */
export const CurrentUser: (
  ...pipes: (PipeTransform | Type<PipeTransform>)[]
) => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => authIn(context).user,
);

/**
 * Injects the `WechatSession` that the guard has read. It costs nothing.
 * `undefined` if the guard let the request through without a session.
 *
 * @example
 * ```ts
 * @Post('logout-all') @UseGuards(SessionGuard)
 * logoutAll(@CurrentSession() session: WechatSession) { return this.sessions.revokeAll(session); }
 * ```
 */
export const CurrentSession: (
  ...pipes: (PipeTransform | Type<PipeTransform>)[]
) => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => authIn(context).session,
);

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
  return carrierOf(context)[AUTH]?.session;
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
  return (await carrierOf(context)[AUTH]?.user) as User | undefined;
}
