import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { WechatBadRequestError } from 'nestjs-wechat';

export const BEARER = /^Bearer +(\S+)$/i;

/** The `session_rd` of the request, if it carries one; it is not checked here. The same headers as SessionGuard reads. */
export const SessionRd = createParamDecorator((_: unknown, context: ExecutionContext): string | undefined => {
  const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
  const bearer = BEARER.exec(headers.authorization ?? '')?.[1];
  const named = headers['x-session-rd']?.toString() || undefined;
  if (bearer && named && bearer !== named)
    throw new WechatBadRequestError('Authorization and X-Session-Rd carry different tokens; send one.');
  return bearer ?? named;
});
