import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { userOf } from '../auth/current-user.resolver.js';
import { carrierOf, setAuth } from '../auth/request-auth.js';
import type { WechatRequest } from '../auth/request-auth.js';
import type { WechatSession } from '../wechat-session.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/**
 * Returns a session for tests. It is issued now and expires after 30 minutes. It is not in any store.
 *
 * @param overrides fields that replace the defaults
 * @example
 * ```ts
 * const session = fakeSession({ openid: 'o-anna' });
 * ```
 */
export function fakeSession(overrides: Partial<WechatSession> = {}): WechatSession {
  const now = Date.now();
  return {
    id: 'fake-session',
    appId: 'wx0123456789abcdef',
    openid: 'fake-openid',
    issuedAt: new Date(now),
    expiresAt: new Date(now + 30 * MINUTE),
    loginExpiresAt: new Date(now + 7 * DAY),
    ...overrides,
  };
}

/**
 * Sets a session on a request, as `SessionGuard` does: `request.user`, `request.wechatSession` and the decorators return it.
 * Use it in a test guard, or in a unit test of a guard or an interceptor.
 *
 * @param target a request, or an `ExecutionContext` of HTTP, GraphQL or a WebSocket
 * @param session `null` for a request without a session
 * @param user what `@CurrentUser()` injects. Default: `{ appId, openid, unionid? }` of the session
 * @example
 * ```ts
 * setSession(request, fakeSession(), { name: 'Anna', role: 'admin' });
 * ```
 */
export function setSession(
  target: ExecutionContext | WechatRequest,
  session: WechatSession | null,
  user: unknown = session === null ? undefined : userOf(session),
): void {
  const carrier = 'getHandler' in target ? carrierOf(target) : target;
  setAuth(carrier, { user, session: session ?? undefined });
}

/**
 * Returns a guard that replaces `SessionGuard` in a test. It accepts every request and sets this session on it.
 *
 * @param options
 * @param options.session default: `fakeSession()`. `null` for requests without a session
 * @param options.user what `@CurrentUser()` injects. Default: `{ appId, openid, unionid? }` of the session
 * @example
 * ```ts
 * Test.createTestingModule({ controllers: [OrdersController] })
 *   .overrideGuard(SessionGuard).useValue(mockSessionGuard({ user: { id: 7, name: 'Anna' } }))
 * ```
 */
export function mockSessionGuard({
  session = fakeSession(),
  user,
}: { session?: WechatSession | null; user?: unknown } = {}): CanActivate {
  return {
    canActivate(context) {
      setSession(context, session, user);
      return true;
    },
  };
}
