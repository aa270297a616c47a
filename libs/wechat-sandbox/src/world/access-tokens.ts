import { BoundedMap } from './bounded-map.js';
import { Calendar } from './clock.js';
import type { SandboxClock } from './clock.js';
import { looksLikeToken, newToken } from './ids.js';
import { WechatFailure } from './wechat-failure.js';

const KEPT = 10_000;
const LIFE_MS = 7200_000;
const OVERLAP_MS = 300_000;
const FORCED_PER_DAY = 20;
const FORCED_INTERVAL_MS = 30_000;

/** `cgi-bin/token` (`legacy`) and `cgi-bin/stable_token` (`stable`) issue independent tokens. */
export type TokenFamily = 'legacy' | 'stable';

/** The response of both token APIs. `expires_in` is in seconds. */
export type TokenResponse = { access_token: string; expires_in: number };

interface Token {
  text: string;
  appId: string;
  family: TokenFamily;
  /** When it expires. From then on it is refused with 42001. */
  expiresAt: number;
  /** When a newer token ended it. From then on it is refused with 40001. */
  replacedAt: number;
}

/**
 * The app-level access tokens.
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
 */
export class AccessTokens {
  private readonly tokens = new BoundedMap<string, Token>(KEPT);
  private readonly forced = new Map<string, { at: number; day: number; today: number }>();

  /** @internal */
  constructor(private readonly clock: SandboxClock) {}

  /** Handles `cgi-bin/token`: always issues a new token. The previous one stays valid for 5 minutes. */
  issue(appId: string): TokenResponse {
    this.replace(appId, 'legacy', this.clock.now() + OVERLAP_MS);
    return this.mint(appId, 'legacy');
  }

  /** Handles `cgi-bin/stable_token`: returns the same token until 5 minutes before it expires. Then it issues a new one, and both are valid. */
  stable(appId: string): TokenResponse {
    const token = this.newest(appId, 'stable');
    return token && token.expiresAt - this.clock.now() > OVERLAP_MS
      ? this.responseFor(token)
      : this.mint(appId, 'stable');
  }

  /** Handles `cgi-bin/stable_token` with `force_refresh`: revokes the previous token at once. Above the limits it works like {@link AccessTokens.stable}. */
  force(appId: string): TokenResponse {
    const now = this.clock.now();
    const last = this.forced.get(appId);
    const day = Calendar.day(now);
    const today = last?.day === day ? last.today : 0;
    if (last && (now - last.at < FORCED_INTERVAL_MS || today >= FORCED_PER_DAY))
      return this.stable(appId);
    this.forced.set(appId, { at: now, day, today: today + 1 });
    this.replace(appId, 'stable', now);
    return this.mint(appId, 'stable');
  }

  /** Returns the appId of a token. Throws 41001, 40014, 40001 or 42001. */
  verify(text: string | undefined): string {
    if (!text) throw new WechatFailure(41001);
    if (!looksLikeToken(text)) throw new WechatFailure(40014);
    const token = this.tokens.get(text);
    const now = this.clock.now();
    if (!token || token.replacedAt <= now) throw new WechatFailure(40001);
    if (token.expiresAt <= now) throw new WechatFailure(42001);
    return token.appId;
  }

  /** Returns whether WeChat accepts this token now. */
  isValid(text: string): boolean {
    const token = this.tokens.get(text);
    return token !== undefined && this.isLive(token);
  }

  /** Returns the newest valid token of an app, of one family or of both. */
  current(appId: string, family?: TokenFamily): string | undefined {
    return this.newest(appId, family)?.text;
  }

  /** Revokes all tokens of an app, or of all apps. They are refused with 40001. */
  invalidate(appId?: string): void {
    for (const token of this.tokens.values()) {
      if (appId === undefined || token.appId === appId) token.replacedAt = this.clock.now();
    }
  }

  private mint(appId: string, family: TokenFamily): TokenResponse {
    const token: Token = {
      text: newToken(),
      appId,
      family,
      expiresAt: this.clock.now() + LIFE_MS,
      replacedAt: Infinity,
    };
    this.tokens.set(token.text, token);
    return { access_token: token.text, expires_in: LIFE_MS / 1000 };
  }

  private responseFor(token: Token): TokenResponse {
    return {
      access_token: token.text,
      expires_in: Math.floor((token.expiresAt - this.clock.now()) / 1000),
    };
  }

  private replace(appId: string, family: TokenFamily, at: number): void {
    for (const token of this.tokens.values()) {
      if (token.appId === appId && token.family === family)
        token.replacedAt = Math.min(token.replacedAt, at);
    }
  }

  private newest(appId: string, family?: TokenFamily): Token | undefined {
    const fits = (token: Token): boolean =>
      token.appId === appId && (!family || token.family === family) && this.isLive(token);
    return [...this.tokens.values()].findLast(fits);
  }

  private isLive(token: Token): boolean {
    const now = this.clock.now();
    return token.replacedAt > now && token.expiresAt > now;
  }
}
