import { Inject, Injectable, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import {
  WechatPhoneRequiredError,
  WechatSessionError,
  WechatUnionIdRequiredError,
} from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { authOf, findAuth } from './request-auth.js';
import type { RequestAuth } from './request-auth.js';
import { SessionGuard } from './session.guard.js';

/** Asks something of the session. It finds the session itself where no guard before it did, so the order of guards is free. */
@Injectable()
abstract class RequirementGuard implements CanActivate {
  constructor(
    @Inject(SessionGuard) private readonly guard: SessionGuard,
    @Inject(ResolvedWechatOptions) protected readonly options: ResolvedWechatOptions,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // What lies on a socket may be of an earlier message, and its session ended since.
    if (context.getType() === 'ws' || !findAuth(context)) await this.guard.canActivate(context);
    const auth = authOf(context);
    if (!auth) throw new WechatSessionError();
    await this.check(auth);
    return true;
  }

  /** Throws what the client is told. */
  protected abstract check(auth: RequestAuth): void | Promise<void>;
}

@Injectable()
class UnionIdGuard extends RequirementGuard {
  protected check({ session }: RequestAuth): void {
    if (session.unionid === undefined) throw new WechatUnionIdRequiredError();
  }
}

/**
 * A live session with a unionid; else 403 `ERR_WECHAT_UNIONID_REQUIRED`. It needs no `SessionGuard` beside it.
 *
 * @example
 * ```ts
 * @Get('orders-of-all-apps') @RequireUnionId()
 * orders(@CurrentSession() { unionid }: WechatSession) { … }
 * ```
 */
export const RequireUnionId = (): MethodDecorator & ClassDecorator => UseGuards(UnionIdGuard);

/**
 * A live session of the app with this name in `options.apps`; a session of another app is no session here, 401. It needs no
 * `SessionGuard` beside it. A name that no app has stops the start.
 *
 * @example
 * ```ts
 * @Controller('staff') @ForApp('staff')
 * ```
 */
export function ForApp(name: string): MethodDecorator & ClassDecorator {
  @Injectable()
  class ForAppGuard extends RequirementGuard {
    private readonly appId =
      this.options.apps.find((app) => app.name === name)?.appId ?? unknownApp(name);

    protected check({ session }: RequestAuth): void {
      if (session.appId !== this.appId) throw new WechatSessionError();
    }
  }
  return UseGuards(ForAppGuard);
}

function unknownApp(name: string): never {
  throw new Error(
    `@ForApp('${name}'): no app of WechatModule has this name. Give one of options.apps the name.`,
  );
}

/**
 * A live session whose user has a phone number; else 403 `ERR_WECHAT_PHONE_REQUIRED`. Phones are yours: the number is read
 * from the user that `options.users` resolves, so without such a resolver the application does not start.
 *
 * @param phoneOf where your user has its number. Default: `user.phoneNumber`
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
  class PhoneGuard extends RequirementGuard {
    protected readonly users = this.options.users ?? noUsers();

    protected async check(auth: RequestAuth): Promise<void> {
      if (!phoneOf((await auth.user()) as User)) throw new WechatPhoneRequiredError();
    }
  }
  return UseGuards(PhoneGuard);
}

function noUsers(): never {
  throw new Error(
    '@RequirePhone() asks your user for its phone number. Pass `users` to WechatModule, the resolver of your users.',
  );
}
