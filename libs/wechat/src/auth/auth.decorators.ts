import { createParamDecorator, SetMetadata } from '@nestjs/common';
import type { ExecutionContext, PipeTransform, Type } from '@nestjs/common';
import type { EncryptedOpenData, SignedRawData } from '../open-data/open-data.js';
import { WechatSessionError } from '../wechat.errors.js';
import { authIn } from './request-auth.js';
import { bodyOf, requestOf } from './request.extractor.js';
import { sessionRdFrom } from './session-rd.extractor.js';

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
 * Injects the `session_rd` that the request carries, unchecked, or `undefined`. Use it for refresh and logout, which must also
 * get a token that SessionGuard would refuse.
 *
 * @example
 * ```ts
 * @Post('refresh')
 * refresh(@SessionRd() sessionRd = '') { return this.sessions.refresh(sessionRd); }
 * ```
 */
export const SessionRd: (...pipes: (PipeTransform | Type<PipeTransform>)[]) => ParameterDecorator =
  createParamDecorator((_: unknown, context: ExecutionContext) =>
    sessionRdFrom(requestOf(context)),
  );

/**
 * Injects the open data of the body, decrypted with the session_key of this session. The body has `{ encryptedData, iv }`, and
 * `{ rawData, signature }` if the page sends them; the signature is then verified first. In GraphQL and WebSockets the body is
 * the arguments of the field and the message. Name a property if the open data is nested in it. Pass a pipe to convert it.
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
export const OpenData: (
  property?: string | PipeTransform | Type<PipeTransform>,
  ...pipes: (PipeTransform | Type<PipeTransform>)[]
) => ParameterDecorator = createParamDecorator(decrypted);

async function decrypted(
  property: string | undefined,
  context: ExecutionContext,
): Promise<unknown> {
  const { session, crypto } = authIn(context);
  if (!session) throw new WechatSessionError();
  if (!crypto)
    throw new Error(
      '@OpenData() decrypts with the session_key, which setSession() and mockSessionGuard() do not have. Test this route with the sandbox.',
    );
  const body = bodyOf(context) as Record<string, unknown> | undefined;
  const sent = ((property === undefined ? body : body?.[property]) ?? {}) as EncryptedOpenData &
    SignedRawData;
  if (sent.rawData !== undefined || sent.signature !== undefined)
    await crypto.verifyRawData(session, sent);
  return crypto.decryptOpenData(session, sent);
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
export function isPublic(context: ExecutionContext): boolean {
  return (
    Reflect.hasOwnMetadata(PUBLIC, context.getHandler()) ||
    Reflect.hasOwnMetadata(PUBLIC, context.getClass())
  );
}
