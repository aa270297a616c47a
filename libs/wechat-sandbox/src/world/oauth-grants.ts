import { BoundedMap } from './bounded-map.js';
import { milliseconds, type SandboxClock } from './clock.js';
import { looksLikeToken, newToken } from './ids.js';
import type { Consent } from './user.js';
import { WechatFailure } from './wechat-failure.js';

const KEPT = 100_000;
const LIFE = 7200_000;

/** A consent with the tokens that were given for it. */
export interface Grant extends Consent {
  accessToken: string;
  accessUntil: number;
  refreshToken: string;
  refreshUntil: number;
}

/**
 * User-level tokens. They have nothing in common with the app-level access tokens but the name.
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
      accessUntil: now + LIFE,
      refreshToken: newToken(),
      refreshUntil,
    };
    this.byAccessToken.set(grant.accessToken, grant);
    this.byRefreshToken.set(grant.refreshToken, grant);
    return grant;
  }

  /** A living access token is prolonged and stays the same; a dead one is replaced. The refresh token's own life is never prolonged. */
  refresh(refreshToken: string, appId: string): Grant {
    const grant = this.byRefreshToken.get(refreshToken);
    const now = this.clock.now();
    if (grant?.app.appId !== appId) throw new WechatFailure(40030);
    if (grant.refreshUntil <= now) throw new WechatFailure(42002);
    if (grant.accessUntil <= now) grant.accessToken = newToken();
    grant.accessUntil = now + LIFE;
    this.byAccessToken.set(grant.accessToken, grant);
    return grant;
  }

  /** The grant behind an access token, or 41001, 40014, 40001, 42001. */
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
