import { Injectable, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext, OnModuleInit } from '@nestjs/common';
import { WechatApps } from '../app-registry/wechat-apps.js';
import type { WechatSession } from '../wechat-session.js';
import {
  WechatPhoneRequiredError,
  WechatSessionError,
  WechatUnionIdRequiredError,
} from '../wechat.errors.js';
import { CurrentUserResolver } from './current-user.resolver.js';
import { authIn, getSession } from './request-auth.js';
import type { RequestAuth } from './request-auth.js';
import { SessionGuard } from './session.guard.js';

/** A guard that requires something of the session. It runs `SessionGuard` itself if no guard did, so their order is free. */
@Injectable()
abstract class RequirementGuard implements CanActivate {
  constructor(
    private readonly guard: SessionGuard,
    protected readonly apps: WechatApps,
    protected readonly users: CurrentUserResolver,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // The result on a socket may be that of an earlier message, whose session was revoked since.
    if (context.getType() === 'ws' || !getSession(context)) await this.guard.canActivate(context);
    const auth = authIn(context);
    if (!auth.session) throw new WechatSessionError();
    await this.check(auth.session, auth);
    return true;
  }

  /** Throws the error for the client if the requirement is not met. */
  protected abstract check(session: WechatSession, auth: RequestAuth): void | Promise<void>;
}

@Injectable()
class UnionIdGuard extends RequirementGuard {
  protected check({ unionid }: WechatSession): void {
    if (unionid === undefined) throw new WechatUnionIdRequiredError();
  }
}

/**
 * Requires a live session with a unionid. Otherwise the response is 403 `ERR_WECHAT_UNIONID_REQUIRED`. It works with and
 * without `SessionGuard`.
 *
 * @example
 * ```ts
 * @Get('orders-of-all-apps') @RequireUnionId()
 * orders(@CurrentSession() { unionid }: WechatSession) { … }
 * ```
 */
export const RequireUnionId = (): MethodDecorator & ClassDecorator => UseGuards(UnionIdGuard);

/**
 * Requires a live session of the app with this name in `options.apps`. A session of another app is 401. It works with and
 * without `SessionGuard`. A name that no app of a list has stops the start.
 *
 * @example
 * ```ts
 * @Controller('staff') @ForApp('staff')
 * ```
 */
export function ForApp(name: string): MethodDecorator & ClassDecorator {
  @Injectable()
  class ForAppGuard extends RequirementGuard {
    private readonly isOf = this.apps.named(name) ?? unknownApp(name);

    protected async check(session: WechatSession): Promise<void> {
      if (!(await this.isOf(session))) throw new WechatSessionError();
    }
  }
  return UseGuards(ForAppGuard);
}

function unknownApp(name: string): never {
  throw new Error(
    `@ForApp('${name}'): no app of WechatModule has this name. Set the name of one of options.apps.`,
  );
}

/**
 * Requires a live session whose user has a phone number. Otherwise the response is 403 `ERR_WECHAT_PHONE_REQUIRED`. The number
 * is read from the user that the user resolver returns. Without a resolver the application does not start.
 *
 * @param phoneOf returns the phone number of a user. Default: `user.phoneNumber`
 * @example
 * ```ts
 * @Post('orders') @RequirePhone()
 * @Post('orders') @RequirePhone((user: User) => user.mobile)
 * ```
 */
export function RequirePhone<User = { phoneNumber?: string | null }>(
  phoneOf: (user: User) => unknown = (user) => (user as { phoneNumber?: unknown }).phoneNumber,
): MethodDecorator & ClassDecorator {
  @Injectable()
  class PhoneGuard extends RequirementGuard implements OnModuleInit {
    onModuleInit(): void {
      if (!this.users.isConfigured())
        throw new Error(
          '@RequirePhone() reads the phone number of your user. Pass the resolver of your users to WechatModule as `users`.',
        );
    }

    protected async check(_: WechatSession, auth: RequestAuth): Promise<void> {
      if (!phoneOf((await auth.user) as User)) throw new WechatPhoneRequiredError();
    }
  }
  return UseGuards(PhoneGuard);
}
