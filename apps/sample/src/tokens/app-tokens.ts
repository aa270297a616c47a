import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { createHmac } from 'node:crypto';
import { SessionService, WechatSessionError, WechatStore } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { AppConfig } from '../config.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { SignedTokens } from './signed-tokens.js';

/** Who comes with an app token. */
export interface Account {
  /** With its identities. */
  user: User;
  /** The login that the token came from. */
  session: WechatSession;
}

export interface IssuedToken {
  token: string;
  expiresIn: number;
}

/** A login's id, as SessionService makes them. */
const LOGIN_ID = /^[\w-]{1,64}$/;

/** The app's own login token. It names the account and the login that it came from, and ends with either. */
@Injectable()
export class AppTokens {
  constructor(
    private readonly config: AppConfig,
    private readonly tokens: SignedTokens,
    private readonly sessions: SessionService,
    private readonly users: UsersService,
    private readonly store: WechatStore,
  ) {}

  async issue({ id, phoneE164 }: User, session: WechatSession): Promise<IssuedToken> {
    const left = session.loginExpiresAt.getTime() - this.store.now();
    const expiresIn = Math.floor(Math.min(this.config.jwt.ttl, left) / 1000);
    const own = (await this.users.resolve(session))?.id === id;
    const claims = { sub: id, sid: session.id, ...(!own && { phone: this.markOf(phoneE164) }) };
    return { token: await this.tokens.sign('account', claims, expiresIn), expiresIn };
  }

  /** @throws WechatSessionError, StoreUnavailableError */
  async open(token: string): Promise<Account> {
    const { sub, sid, phone } = (await this.tokens.open('account', token)) ?? {};
    if (!isUUID(sub) || typeof sid !== 'string' || !LOGIN_ID.test(sid))
      throw new WechatSessionError();
    const session = await this.sessions.findById(sid);
    const user = await this.users.findAccount(String(sub));
    if (!user || !(isOf(user, session) || phone === this.markOf(user.phoneE164)))
      throw new WechatSessionError();
    return { user, session };
  }

  /** A login of another WeChat user has the account by its number alone, so the token ends when the account gets another number. */
  private markOf(phoneE164: string | null): string {
    return createHmac('sha256', this.config.jwt.secret)
      .update(`phone ${phoneE164}`)
      .digest('base64url')
      .slice(0, 22);
  }
}

function isOf({ identities }: User, { appId, openid }: WechatSession): boolean {
  return identities.some((identity) => identity.appId === appId && identity.openid === openid);
}
