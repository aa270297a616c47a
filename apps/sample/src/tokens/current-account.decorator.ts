import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { Account } from './app-tokens.js';

/** What AppJwtGuard found: the account and the login that its token came from. */
export const CurrentAccount = createParamDecorator(
  (_: unknown, context: ExecutionContext) =>
    context.switchToHttp().getRequest<{ user?: Account }>().user,
);
