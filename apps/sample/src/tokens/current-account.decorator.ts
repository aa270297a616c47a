import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { Account } from './app-tokens.js';

/** The account of the request's app token, and the session in which the token was issued. Needs AppJwtGuard. */
export const CurrentAccount = createParamDecorator(
  (_: unknown, context: ExecutionContext) =>
    context.switchToHttp().getRequest<{ user?: Account }>().user,
);
