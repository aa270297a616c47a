import { Inject, Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-custom';
import { ScopeError, UnauthorizedError } from '../common/app-error.js';
import { AppTokens } from './app-tokens.js';
import type { Account } from './app-tokens.js';
import { AllowScopes } from './token-scope.js';

/** Which application a request belongs to. Passport keeps strategies by name for the whole process, so of two apps one serves both. */
const TOKENS = Symbol('app tokens');

type PassportRequest = FastifyRequest & { [TOKENS]?: AppTokens; user?: Account };

const BEARER = /^Bearer +(\S+)$/i;

/** `app-jwt`: the app's own login token becomes `request.user`, the account. */
@Injectable()
export class AppJwtStrategy extends PassportStrategy(Strategy, 'app-jwt') {
  constructor(private readonly tokens: AppTokens) {
    super();
  }

  async validate(request: PassportRequest): Promise<Account> {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw new UnauthorizedError();
    return (request[TOKENS] ?? this.tokens).verify(token);
  }
}

/** Fails closed: whatever Passport makes of it, without an account nobody passes, and an error stays the error that it is. */
@Injectable()
export class AppJwtGuard extends AuthGuard('app-jwt') {
  @Inject(AppTokens) private readonly tokens: AppTokens;
  @Inject(Reflector) private readonly reflector: Reflector;

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<PassportRequest>();
    request[TOKENS] = this.tokens;
    await super.canActivate(context);
    if (!request.user) throw new UnauthorizedError(); // Passport lets a request through where a strategy calls pass()
    const allowed = this.reflector.getAllAndOverride(AllowScopes, [
      context.getHandler(),
      context.getClass(),
    ]);
    const { scope } = request.user;
    if (scope !== 'account' && !allowed?.includes(scope)) throw new ScopeError();
    return true;
  }

  override handleRequest<User>(error: unknown, user: User | false | null | undefined): User {
    if (error) throw error;
    if (!user) throw new UnauthorizedError();
    return user;
  }
}
