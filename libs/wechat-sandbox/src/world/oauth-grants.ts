import { BoundedMap } from './bounded-map.js';
import { milliseconds } from './clock.js';
import type { SandboxClock } from './clock.js';
import { looksLikeToken, newToken } from './ids.js';
import type { Consent } from './user.js';
import { WechatFailure } from './wechat-failure.js';

const KEPT = 100_000;
const LIFE_MS = 7200_000;

/** A consent with the tokens that were issued for it. */
export interface Grant extends Consent {
  accessToken: string;
  accessUntil: number;
  refreshToken: string;
  refreshUntil: number;
}

/**
 * The user-level tokens. They are not related to the app-level access tokens.
 * @see https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Wechat_Login.html
 */
export class OAuthGrants {
  private readonly byAccessToken = new BoundedMap<string, Grant>(KEPT);
  private readonly byRefreshToken = new BoundedMap<string, Grant>(KEPT);

  constructor(private readonly clock: SandboxClock) {}

  create(consent: Consent): Grant {
    const now = this.clock.now();
    const refreshUntil = now + milliseconds(consent.app.refreshTokenLife);
    const grant: Grant = {
      ...consent,
      accessToken: newToken(),
      accessUntil: now + LIFE_MS,
      refreshToken: newToken(),
      refreshUntil,
    };
    this.byAccessToken.set(grant.accessToken, grant);
    this.byRefreshToken.set(grant.refreshToken, grant);
    return grant;
  }

  /** Extends a valid access token, or replaces an expired one. The lifetime of the refresh token is not extended. Throws 40030 or 42002. */
  refresh(refreshToken: string, appId: string): Grant {
    const grant = this.byRefreshToken.get(refreshToken);
    const now = this.clock.now();
    if (grant?.app.appId !== appId) throw new WechatFailure(40030);
    if (grant.refreshUntil <= now) throw new WechatFailure(42002);
    if (grant.accessUntil <= now) grant.accessToken = newToken();
    grant.accessUntil = now + LIFE_MS;
    this.byAccessToken.set(grant.accessToken, grant);
    return grant;
  }

  /** Returns the grant of an access token. Throws 41001, 40014, 40001 or 42001. */
  verify(accessToken: string | undefined): Grant {
    if (!accessToken) throw new WechatFailure(41001);
    if (!looksLikeToken(accessToken)) throw new WechatFailure(40014);
    const grant = this.byAccessToken.get(accessToken);
    if (!grant) throw new WechatFailure(40001);
    if (grant.accessToken !== accessToken || grant.accessUntil <= this.clock.now())
      throw new WechatFailure(42001);
    return grant;
  }
}
