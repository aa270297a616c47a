import { createParamDecorator } from '@nestjs/common';
import type { ArgumentsHost, ExecutionContext, PipeTransform, Type } from '@nestjs/common';
import { isObject } from '../is-object.js';
import type { EncryptedOpenData, SignedRawData } from '../open-data/open-data.js';
import { WechatBadRequestError, WechatSessionError } from '../wechat.errors.js';
import { authIn } from './request-auth.js';

/**
 * Injects the open data of the body, decrypted with the session_key of this session. The body has `{ encryptedData, iv }`, and
 * `{ rawData, signature }` if the page sends them; the signature is then verified first, and the values of `rawData` replace the
 * decrypted ones, because a client can change the first 16 bytes of encrypted data. In GraphQL and WebSockets the body is
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
  if (sent.rawData === undefined && sent.signature === undefined)
    return crypto.decryptOpenData(session, sent);
  await crypto.verifyRawData(session, sent);
  const data = await crypto.decryptOpenData(session, sent);
  return { ...data, ...signedValues(sent.rawData) };
}

/** @throws WechatBadRequestError if it is not a JSON object. WeChat signs nothing else, but an exception of the parser would be 500. */
function signedValues(rawData: string): object {
  try {
    const values: unknown = JSON.parse(rawData);
    if (isObject(values)) return values;
  } catch {
    // refused below
  }
  throw new WechatBadRequestError('rawData must be the JSON object that WeChat returned');
}

/** Returns the body of the request, the message, or the arguments of the field. */
function bodyOf(context: ArgumentsHost): unknown {
  return context.getType() === 'http'
    ? context.switchToHttp().getRequest<{ body?: unknown }>().body
    : context.getArgByIndex<unknown>(1);
}
