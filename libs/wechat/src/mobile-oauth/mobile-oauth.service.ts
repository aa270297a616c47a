import { Inject, Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { Keyring } from '../crypto/keyring.js';
import { sealJson, unsealJson } from '../crypto/sealed-json.js';
import { isAccessTokenRefused } from '../platform/errcode.js';
import { PlatformClient } from '../platform/platform.client.js';
import { formatToken, newToken, parseToken } from '../session/session-token.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import {
  StoreUnavailableError,
  WechatBadRequestError,
  WechatSessionError,
} from '../wechat.errors.js';
import { requireCode } from '../wechat-code.js';
import { ResolvedWechatOptions, WECHAT_API_BASE_URL } from '../wechat.options.js';
import { exchangeCode, fetchUserInfo, isGrantValid, refreshGrant } from './oauth-api.js';
import type { OAuthGrant, WechatUserInfo } from './oauth-api.js';
import { OAuthState } from './oauth-state.js';

/**
 * Who logged in to a mobile app or website.
 *
 * @example
 * ```ts
 * const { appId, openid, unionid }: MobileLogin = await oauth.find(token);
 * ```
 */
export interface MobileLogin {
  appId: string;
  /** The user in this one app. */
  openid: string;
  /** The user in all apps of one open-platform account: how the same person in a mini program is known. */
  unionid?: string;
}

/**
 * Pixels of an avatar's edge; 0 is the original, up to 640.
 *
 * @example
 * ```ts
 * const info = await oauth.userInfo(token, { avatarSize: 132 });
 * ```
 */
export type AvatarSize = 0 | 46 | 64 | 96 | 132;

/** What the store keeps of a login, sealed. */
interface MobileLoginRecord extends MobileLogin {
  /** The secret part of the token, base64url. */
  secret: string;
  grant: OAuthGrant;
  loginExpiresAt: number;
  /** As last fetched. */
  userInfo?: WechatUserInfo;
}

interface StoredLogin {
  key: string;
  sealed: Buffer;
  record: MobileLoginRecord;
}

const OPEN_BASE_URL = 'https://open.weixin.qq.com';
/** A token with less life than this could run out on the way. */
const REFRESH_BEFORE = 60_000;

/**
 * WeChat login of mobile apps and websites. WeChat's tokens stay here; the client holds an opaque token of ours.
 *
 * @example
 * ```ts
 * const { token, expiresIn } = await oauth.login(code);                // what the app's SDK gave
 * const { nickname, avatar } = await oauth.userInfo(token, { refresh: true });
 * ```
 */
@Injectable()
export class MobileOAuthService {
  private readonly refreshes = new Map<string, Promise<StoredLogin>>();

  constructor(
    @Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions,
    @Inject(PlatformClient) private readonly platform: PlatformClient,
    @Inject(WechatStore) private readonly store: WechatStore,
    @Inject(WechatClock) private readonly clock: WechatClock,
    @Inject(Keyring) private readonly keyring: Keyring,
    @Inject(OAuthState) private readonly states: OAuthState,
  ) {}

  /**
   * Where a website sends the browser; WeChat sends it back to `redirectUri?code=…&state=…`.
   *
   * @param options.device something that only this browser knows, such as a random cookie; pass the same to `login`, so that
   *   nobody can be logged in with somebody else's code
   * @see https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Wechat_Login.html
   * @throws WechatBadRequestError, WechatAppError, StoreUnavailableError
   */
  async authorizationUrl({
    redirectUri,
    appId,
    device,
  }: {
    redirectUri: string;
    appId?: string;
    device?: string;
  }): Promise<{ url: string; state: string }> {
    if (!URL.canParse(redirectUri) || !/^https?:$/.test(new URL(redirectUri).protocol))
      throw new WechatBadRequestError('redirectUri must be an http(s) URL');
    const app = this.options.app('mobile', appId);
    const state = await this.states.create(app.appId, device);
    const { baseUrl } = this.options.api;
    const url = new URL(
      `${baseUrl === WECHAT_API_BASE_URL ? OPEN_BASE_URL : baseUrl}/connect/qrconnect`,
    );
    const query = {
      appid: app.appId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'snsapi_login',
      state,
    };
    url.search = new URLSearchParams(query).toString();
    return { url: `${url.href}#wechat_redirect`, state };
  }

  /**
   * Logs a user in with an OAuth code.
   *
   * @param options.state of a website login, as it came back; a mobile SDK's login has none of ours
   * @param options.device what `authorizationUrl` was given
   * @returns our token, and how many seconds it lives
   * @throws WechatBadRequestError for a code or state of the wrong shape or a state that is spent; WechatAppError,
   *   WechatCodeError, WechatUnavailableError, WechatResponseError, WechatConfigError, StoreUnavailableError
   */
  async login(
    code: string,
    { appId, state, device }: { appId?: string; state?: string; device?: string } = {},
  ): Promise<{ token: string; expiresIn: number }> {
    requireCode(code, 'WeChat');
    const app = this.options.app('mobile', appId);
    if (state !== undefined) await this.states.spend(state, app.appId, device);
    const grant = await exchangeCode(this.platform, app, code, this.clock.now());
    const { maxAge } = this.options.session;
    const token = newToken();
    const { openid, unionid } = grant;
    const record: MobileLoginRecord = {
      appId: app.appId,
      openid,
      unionid,
      secret: token.secret.toString('base64url'),
      grant,
      loginExpiresAt: this.clock.now() + maxAge,
    };
    const key = keyOf(token.id);
    if (!(await this.store.add(key, sealJson(this.keyring, app.appId, key, record), maxAge)))
      throw new StoreUnavailableError();
    return {
      token: formatToken('mot', token, this.keyring.sealing(app.appId)),
      expiresIn: Math.floor(maxAge / 1000),
    };
  }

  /**
   * Whose token this is.
   * @throws WechatSessionError, StoreUnavailableError
   */
  async find(token: string): Promise<MobileLogin> {
    const { appId, openid, unionid } = (await this.load(token)).record;
    return { appId, openid, ...(unionid !== undefined && { unionid }) };
  }

  /**
   * The user's name and picture: as last fetched, or from WeChat with `refresh`, and always from WeChat the first time. An
   * access token that has run out is refreshed on the way.
   * @throws WechatSessionError also when WeChat has ended the authorisation; WechatUnavailableError, WechatResponseError,
   *   StoreUnavailableError
   */
  async userInfo(
    token: string,
    { refresh = false, avatarSize }: { refresh?: boolean; avatarSize?: AvatarSize } = {},
  ): Promise<WechatUserInfo> {
    const stored = await this.load(token);
    const known = stored.record.userInfo;
    return sized(known && !refresh ? known : await this.fetchUserInfo(stored), avatarSize);
  }

  /**
   * Whether WeChat still honours the user's authorisation.
   * @throws WechatSessionError, WechatUnavailableError, StoreUnavailableError
   */
  async isAuthorized(token: string): Promise<boolean> {
    return isGrantValid(this.platform, (await this.load(token)).record.grant);
  }

  /** Ends the login. Ending what is not there is no error. */
  async logout(token: string): Promise<void> {
    const parsed = parseToken('mot', token, this.keyring);
    if (parsed) await this.store.remove(keyOf(parsed.id));
  }

  private async fetchUserInfo(stored: StoredLogin): Promise<WechatUserInfo> {
    const deadline = this.platform.deadline();
    const { accessTokenExpiresAt } = stored.record.grant;
    const current =
      accessTokenExpiresAt - this.clock.now() > REFRESH_BEFORE
        ? stored
        : await this.refreshed(stored, deadline);
    try {
      return await this.remembered(
        current,
        await fetchUserInfo(this.platform, current.record.grant, deadline),
      );
    } catch (error) {
      if (!isAccessTokenRefused(error) || current !== stored) throw error;
      const renewed = await this.refreshed(stored, deadline);
      return this.remembered(
        renewed,
        await fetchUserInfo(this.platform, renewed.record.grant, deadline),
      );
    }
  }

  /** One refresh at a time for a login; WeChat's refusal ends it here too. */
  private async refreshed(stored: StoredLogin, deadline: number): Promise<StoredLogin> {
    const flying = this.refreshes.get(stored.key);
    if (flying) return flying;
    const flight = this.refresh(stored, deadline).finally(() => this.refreshes.delete(stored.key));
    this.refreshes.set(stored.key, flight);
    return flight;
  }

  private async refresh(stored: StoredLogin, deadline: number): Promise<StoredLogin> {
    try {
      const { appId, grant } = stored.record;
      return await this.rewrite(stored, {
        grant: await refreshGrant(this.platform, appId, grant, this.clock.now(), deadline),
      });
    } catch (error) {
      if (error instanceof WechatSessionError) await this.store.remove(stored.key);
      throw error;
    }
  }

  private async remembered(stored: StoredLogin, userInfo: WechatUserInfo): Promise<WechatUserInfo> {
    await this.rewrite(stored, { userInfo });
    return userInfo;
  }

  /** Compare-and-set: a login that was ended meanwhile stays ended, and what another instance wrote is not lost. */
  private async rewrite(
    stored: StoredLogin,
    change: Partial<MobileLoginRecord>,
  ): Promise<StoredLogin> {
    const record = { ...stored.record, ...change };
    const sealed = sealJson(this.keyring, record.appId, stored.key, record);
    if (
      await this.store.replace(
        stored.key,
        stored.sealed,
        sealed,
        record.loginExpiresAt - this.clock.now(),
      )
    )
      return { ...stored, sealed, record };
    return this.rewrite(await this.open(stored.key), change);
  }

  private async load(text: string): Promise<StoredLogin> {
    const token = parseToken('mot', text, this.keyring);
    if (!token) throw new WechatSessionError();
    const stored = await this.open(keyOf(token.id));
    if (!timingSafeEqual(token.secret, Buffer.from(stored.record.secret, 'base64url')))
      throw new WechatSessionError();
    return stored;
  }

  private async open(key: string): Promise<StoredLogin> {
    const sealed = await this.store.get(key);
    const record = unsealJson<MobileLoginRecord>(this.keyring, key, sealed);
    if (!sealed || !record || record.loginExpiresAt <= this.clock.now())
      throw new WechatSessionError();
    return { key, sealed, record };
  }
}

function keyOf(id: string): string {
  return `wx:m:${id}`;
}

/** The last part of the URL of a picture is its size. */
function sized(info: WechatUserInfo, size: AvatarSize | undefined): WechatUserInfo {
  return size === undefined
    ? info
    : { ...info, avatar: info.avatar.replace(/\/(0|46|64|96|132)$/, `/${size}`) };
}
