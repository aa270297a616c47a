import { createParamDecorator, SetMetadata } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { authOf } from './request-auth.js';

/**
 * The user behind the session: what `options.users` resolves, or `{ appId, openid, unionid? }` without one.
 * `undefined` where the guard let the request through without a session.
 *
 * @example
 * ```ts
 * @Get() @UseGuards(SessionGuard)
 * me(@CurrentUser() user: User) { return user; }
 * ```
 */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext) => authOf(context)?.user());

/** The session itself, a `WechatSession`. It costs nothing: the guard has read it already. */
export const CurrentSession = createParamDecorator((_: unknown, context: ExecutionContext) => authOf(context)?.session);

export const PUBLIC = 'nestjs-wechat:public';

/** Lets everybody in where `SessionGuard` guards the whole controller or application. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);
