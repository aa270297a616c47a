import { Injectable } from '@nestjs/common';
import type { OnModuleInit, Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { hideSecrets } from '../hide-secrets.js';
import { createInstance, providedInstance, scopeOf } from '../provided-instance.js';
import type { WechatSession } from '../wechat-session.js';
import type { WechatUserResolver } from '../wechat-user.resolver.js';
import { WechatSessionError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';

/**
 * The token of the user resolver. Provide the resolver under it in place of `options.users`, for example if a factory makes it.
 *
 * @example
 * ```ts
 * { provide: WECHAT_USER_RESOLVER, useExisting: UsersService }
 * ```
 */
export const WECHAT_USER_RESOLVER: symbol = Symbol.for('nestjs-wechat:user-resolver');

/** Finds the user of a session: by `options.users`, by the provider `WECHAT_USER_RESOLVER`, or from the session itself. */
@Injectable()
export class CurrentUserResolver implements OnModuleInit {
  /** Whether `find` is called only when the user is read. */
  isLazy = false;
  private resolver?: WechatUserResolver;

  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly moduleRef: ModuleRef,
  ) {
    hideSecrets(this, 'moduleRef'); // it references the whole application
  }

  /** @throws Error if the resolver is request-scoped */
  async onModuleInit(): Promise<void> {
    const { users } = this.options;
    if (users === undefined) this.resolver = this.provided(WECHAT_USER_RESOLVER);
    else if (typeof users !== 'function') this.resolver = users;
    else
      this.resolver =
        this.provided(users) ?? (await createInstance(this.moduleRef, users, nameOf(users)));
    this.isLazy = this.resolver !== undefined && !this.options.eagerUser;
  }

  /** Whether the application has a resolver of its own. Valid as soon as all providers exist. */
  isConfigured(): boolean {
    return (
      this.options.users !== undefined ||
      scopeOf(this.moduleRef, WECHAT_USER_RESOLVER) !== undefined
    );
  }

  /** @throws WechatSessionError if the resolver finds no user */
  readonly find = async (session: WechatSession): Promise<unknown> => {
    if (!this.resolver) return userOf(session);
    const user = await this.resolver.resolve(session);
    if (user === undefined || user === null) throw new WechatSessionError();
    return user;
  };

  private provided(token: symbol | Type<WechatUserResolver>): WechatUserResolver | undefined {
    return providedInstance<WechatUserResolver>(this.moduleRef, token, nameOf(token));
  }
}

function nameOf(token: symbol | Type<WechatUserResolver>): string {
  return `user resolver ${typeof token === 'symbol' ? 'WECHAT_USER_RESOLVER' : token.name}`;
}

/** The user without a resolver. */
export function userOf({ appId, openid, unionid }: WechatSession): object {
  return { appId, openid, ...(unionid !== undefined && { unionid }) };
}
