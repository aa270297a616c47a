import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { WechatSession } from '../session/wechat-session.js';
import type { WechatUserResolver } from '../session/wechat-user.resolver.js';
import { WechatSessionError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';

/** Without a resolver of the team's, the user is what WeChat says. */
const IDENTITY: WechatUserResolver = {
  resolve: ({ appId, openid, unionid }) => ({
    appId,
    openid,
    ...(unionid !== undefined && { unionid }),
  }),
};

/** The team's users, as `options.users` resolves them. */
@Injectable()
export class WechatUsers implements OnModuleInit {
  private resolver: WechatUserResolver = IDENTITY;

  constructor(
    @Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** A resolver that is a provider anywhere in the application is used as it is; else one is made with what we can inject. */
  async onModuleInit(): Promise<void> {
    const { users } = this.options;
    if (!users) return;
    this.resolver = this.provided(users) ?? (await this.moduleRef.create(users));
  }

  /** @throws WechatSessionError if there is no such user any more */
  async of(session: WechatSession): Promise<unknown> {
    const user = await this.resolver.resolve(session);
    if (user === undefined || user === null) throw new WechatSessionError();
    return user;
  }

  private provided(
    users: NonNullable<ResolvedWechatOptions['users']>,
  ): WechatUserResolver | undefined {
    try {
      return this.moduleRef.get(users, { strict: false });
    } catch {
      return undefined; // Nest throws where nobody provides it
    }
  }
}
