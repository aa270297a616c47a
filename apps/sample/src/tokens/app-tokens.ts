import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { createHmac } from 'node:crypto';
import { SessionService, WechatClock } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { UnauthorizedError } from '../common/app-error.js';
import { AppConfig } from '../config.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { SignedTokens } from './signed-tokens.js';
import type { TokenScope } from './token-scope.js';

/** The account of a valid app token. */
export interface Account {
  /** With its identities. */
  user: User;
  /** The session in which the token was issued. */
  session: WechatSession;
  scope: TokenScope;
}

export interface IssuedToken {
  token: string;
  expiresIn: number;
}

const PHONE_SCOPE_TTL_MS = 30 * 60_000;

/** The format of a session id. */
const SESSION_ID = /^[\w-]{1,64}$/;

/** The app's own token (a JWT). It is valid as long as its account exists and its session is not revoked. */
@Injectable()
export class AppTokens {
  constructor(
    private readonly config: AppConfig,
    private readonly tokens: SignedTokens,
    private readonly sessions: SessionService,
    private readonly users: UsersService,
    private readonly clock: WechatClock,
  ) {}

  /** @param scope `phone` if the identity of the session does not belong to the account */
  async issue(
    { id, phoneE164 }: User,
    session: WechatSession,
    scope: TokenScope = 'account',
  ): Promise<IssuedToken> {
    const sessionLeft = session.loginExpiresAt.getTime() - this.clock.now();
    const ttlMs = scope === 'phone' ? PHONE_SCOPE_TTL_MS : this.config.jwt.ttlMs;
    const expiresIn = Math.floor(Math.min(ttlMs, this.config.jwt.ttlMs, sessionLeft) / 1000);
    const claims = {
      sub: id,
      sid: session.id,
      ...(scope === 'phone' && { scope, phone: this.phoneMac(phoneE164) }),
    };
    return { token: await this.tokens.sign('account', claims, expiresIn), expiresIn };
  }

  /** @throws UnauthorizedError, StoreUnavailableError */
  async verify(token: string): Promise<Account> {
    const { sub, sid, scope, phone } = (await this.tokens.open('account', token)) ?? {};
    if (!isUUID(sub) || typeof sid !== 'string' || !SESSION_ID.test(sid))
      throw new UnauthorizedError();
    const session = await this.sessions.findById(sid);
    const user = await this.users.findAccount(String(sub));
    const isPhoneScope = scope === 'phone';
    const isValid =
      user && (isPhoneScope ? phone === this.phoneMac(user.phoneE164) : isOf(user, session));
    if (!isValid) throw new UnauthorizedError();
    return { user, session, scope: isPhoneScope ? 'phone' : 'account' };
  }

  /** A token of scope `phone` becomes invalid when the account gets another number. */
  private phoneMac(phoneE164: string | null): string {
    return createHmac('sha256', this.config.jwt.secret)
      .update(`phone ${phoneE164}`)
      .digest('base64url')
      .slice(0, 22);
  }
}

function isOf({ identities }: User, { appId, openid }: WechatSession): boolean {
  return identities.some((identity) => identity.appId === appId && identity.openid === openid);
}
