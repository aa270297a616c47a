import type { ExecutionContext } from '@nestjs/common';
import type { WechatSession } from '../session/wechat-session.js';

/** What a guard leaves on a request for the decorators. The user is looked up when a handler asks for it, and once. */
export interface RequestAuth {
  session: WechatSession;
  user(): Promise<unknown>;
}

const AUTH = Symbol('nestjs-wechat.auth');

type Carrier = { [AUTH]?: RequestAuth | null };

/** `null` says that a guard ran and let the request through without a session. */
export function setAuth(request: object, auth: RequestAuth | null): void {
  (request as Carrier)[AUTH] = auth;
}

export function authOf(context: ExecutionContext): RequestAuth | undefined {
  const auth = context.switchToHttp().getRequest<Carrier>()[AUTH];
  if (auth === undefined)
    throw new Error('No guard of nestjs-wechat ran on this route. Add @UseGuards(SessionGuard) to it, or OptionalSessionGuard.');
  return auth ?? undefined;
}
