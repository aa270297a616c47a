import { Inject, mixin } from '@nestjs/common';
import type { ExecutionContext, Type } from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { IAuthGuard } from '@nestjs/passport';
import { ScopeError, UnauthorizedError } from '../common/app-error.js';
import { AllowScopes } from './token-scope.js';
import type { TokenScope } from './token-scope.js';

const APPLICATION = Symbol('application');

interface PassportRequest {
  [APPLICATION]?: ModuleRef;
  user?: { scope?: TokenScope };
}

/**
 * Passport's `AuthGuard` for one or several strategies, failing closed: without a user it refuses every request, also if a
 * strategy calls `pass()`. An error of a strategy, such as a store that is down, stays that error. A token whose scope the
 * route does not allow is 403.
 */
export function CredentialGuard(...strategies: string[]): Type<IAuthGuard> {
  class Guard extends AuthGuard(strategies) {
    @Inject(ModuleRef) private readonly application: ModuleRef;
    @Inject(Reflector) private readonly reflector: Reflector;

    override async canActivate(context: ExecutionContext): Promise<boolean> {
      const request = context.switchToHttp().getRequest<PassportRequest>();
      request[APPLICATION] = this.application;
      await super.canActivate(context);
      if (!request.user) throw new UnauthorizedError();
      const { scope = 'account' } = request.user;
      if (scope !== 'account' && !this.allows(scope, context)) throw new ScopeError();
      return true;
    }

    override handleRequest<User>(error: unknown, user: User | false | null | undefined): User {
      if (error) throw error;
      if (!user) throw new UnauthorizedError();
      return user;
    }

    private allows(scope: TokenScope, context: ExecutionContext): boolean {
      const targets = [context.getHandler(), context.getClass()];
      return this.reflector.getAllAndOverride(AllowScopes, targets)?.includes(scope) ?? false;
    }
  }
  return mixin(Guard);
}

/**
 * Returns the strategy of the application that a request belongs to. Passport keeps strategies by name for the whole process,
 * so with two applications in one process it calls the strategy of the second for both.
 */
export function strategyOf<Strategy extends object>(request: object, called: Strategy): Strategy {
  const application = (request as PassportRequest)[APPLICATION];
  return application?.get(called.constructor, { strict: false }) ?? called;
}
