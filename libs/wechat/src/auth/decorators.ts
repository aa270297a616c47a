import { createParamDecorator, SetMetadata } from '@nestjs/common';
import type { ExecutionContext, PipeTransform, Type } from '@nestjs/common';
import { WechatSessionError } from '../wechat.errors.js';
import { authOf } from './request-auth.js';
import { sessionRdFrom } from './credentials.js';
import { bodyOf, requestOf } from './request-of.js';

// Spelt out, because the type that createParamDecorator infers names one that Nest 11 has not.
type Pipe = PipeTransform | Type<PipeTransform>;
type ParamDecorator = (...pipes: Pipe[]) => ParameterDecorator;

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
export const CurrentUser: ParamDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => authOf(context)?.user(),
);

/**
 * The session itself, a `WechatSession`. It costs nothing: the guard has read it already.
 *
 * @example
 * ```ts
 * @Post('logout-all') @UseGuards(SessionGuard)
 * logoutAll(@CurrentSession() session: WechatSession) { return this.sessions.revokeAll(session); }
 * ```
 */
export const CurrentSession: ParamDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => authOf(context)?.session,
);

/**
 * The `session_rd` that the request carries, unchecked, or `undefined`: for the routes that hand it on, such as a refresh,
 * which must see a token that SessionGuard would refuse.
 *
 * @example
 * ```ts
 * @Post('refresh')
 * refresh(@SessionRd() sessionRd = '') { return this.sessions.refresh(sessionRd); }
 * ```
 */
export const SessionRd: ParamDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => sessionRdFrom(requestOf(context)),
);

/**
 * The open data of the body, `{ encryptedData, iv }` and, where the page has them, `{ rawData, signature }`: verified with
 * this session's session_key and decrypted. In GraphQL and WebSockets the body is the field's arguments and the message. Name
 * a property where the open data lies deeper; pass a pipe to turn it into a DTO.
 *
 * @example
 * ```ts
 * @Put('profile') @UseGuards(SessionGuard)
 * save(@OpenData() { nickName }: WechatUserProfile) { … }
 *
 * @Post('steps') @UseGuards(SessionGuard)
 * steps(@OpenData(new ValidationPipe({ transform: true, validateCustomDecorators: true })) steps: StepsDto) { … }
 * ```
 */
export const OpenData: (property?: string | Pipe, ...pipes: Pipe[]) => ParameterDecorator =
  createParamDecorator(decrypted);

async function decrypted(
  property: string | undefined,
  context: ExecutionContext,
): Promise<unknown> {
  const auth = authOf(context);
  if (!auth) throw new WechatSessionError();
  const body = bodyOf(context) as Record<string, unknown> | undefined;
  return auth.openData(property === undefined ? body : body?.[property]);
}

export const PUBLIC = 'nestjs-wechat:public';

/**
 * Lets everybody in where `SessionGuard` guards the whole controller or application.
 *
 * @example
 * ```ts
 * @Public() @Get('prices')
 * prices() { … }
 * ```
 */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);
