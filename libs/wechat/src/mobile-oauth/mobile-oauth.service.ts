import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { Keyring } from '../crypto/keyring.js';
import { isAccessTokenRefused } from '../platform/errcode.js';
import { PlatformClient } from '../platform/platform.client.js';
import { requireCode } from '../platform/wechat-text.js';
import { TokenFormat } from '../session/session-token.js';
import { SingleFlight } from '../single-flight.js';
import { WechatClock } from '../wechat.clock.js';
import {
  StoreUnavailableError,
  WechatBadRequestError,
  WechatSessionError,
} from '../wechat.errors.js';
import { ResolvedWechatOptions, WECHAT_API_BASE_URL } from '../wechat.options.js';
import type { WechatApp } from '../wechat.options.js';
import { MobileLoginRepository } from './mobile-login.repository.js';
import type { MobileLoginRecord, StoredMobileLogin } from './mobile-login.repository.js';
import { exchangeCode, fetchUserInfo, isGrantValid, refreshGrant } from './oauth-api.js';
import type { OAuthGrant, WechatUserInfo } from './oauth-api.js';
import { OAuthState } from './oauth-state.js';

/**
 * The user of a mobile or website login.
 *
 * @example
 * ```ts
 * const { appId, openid, unionid }: MobileLogin = await oauth.find(token);
 * ```
 */
export interface MobileLogin {
  appId: string;
  /** Identifies the user in this app only. */
  openid: string;
  /** Identifies the user in all apps of one open-platform account, mini programs included. */
  unionid?: string;
}

/**
 * The width and height of an avatar in pixels. 0 is the original size, at most 640.
 *
 * @example
 * ```ts
 * const info = await oauth.getUserInfo(token, { avatarSize: 132 });
 * ```
 */
export type AvatarSize = 0 | 46 | 64 | 96 | 132;

const OPEN_BASE_URL = 'https://open.weixin.qq.com';
/** An access token that expires within this time, in milliseconds, is refreshed before its use. */
const REFRESH_BEFORE_MS = 60_000;

/**
 * WeChat login of mobile apps and websites. WeChat's tokens stay encrypted in the store. The client gets an opaque token of
 * this library.
 *
 * @example
 * ```ts
 * const { token, expiresIn } = await oauth.login(code);                // the code of a mobile app's SDK
 * const { nickName, avatarUrl } = await oauth.getUserInfo(token, { refresh: true });
 * ```
 */
@Injectable()
export class MobileOAuthService {
  private readonly tokens: TokenFormat;
  private readonly renewals = new SingleFlight<StoredMobileLogin>();

  /** @internal */
  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly apps: WechatApps,
    private readonly platform: PlatformClient,
    private readonly clock: WechatClock,
    keyring: Keyring,
    private readonly states: OAuthState,
    private readonly logins: MobileLoginRepository,
  ) {
    this.tokens = new TokenFormat(keyring, 'mot');
  }

  /**
   * Starts the login of a website. Redirect the browser to `url`; WeChat redirects it back to `redirectUri?code=…&state=…`.
   *
   * @param options
   * @param options.appId an app of kind `website`. Default: the first one
   * @param options.device a random value that only this browser has, such as an HttpOnly cookie. Pass the same value to
   *   `handleCallback`
   * @see https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Wechat_Login.html
   * @throws WechatBadRequestError, WechatAppError, StoreUnavailableError
   */
  async createAuthorizationUrl({
    redirectUri,
    appId,
    device,
  }: {
    redirectUri: string;
    appId?: string;
    device: string;
  }): Promise<{ url: string; state: string }> {
    if (!URL.canParse(redirectUri) || !/^https?:$/.test(new URL(redirectUri).protocol))
      throw new WechatBadRequestError('redirectUri must be an http(s) URL');
    requireText(device, 'device');
    const app = await this.apps.require('website', appId);
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
   * Finishes the login of a website. The state can be used once, within ten minutes, by the browser that started the login.
   * So an attacker cannot make a browser log in to the attacker's account (login CSRF).
   *
   * @param callback
   * @param callback.code of the query of the callback
   * @param callback.state of the query of the callback
   * @param callback.device the value that `createAuthorizationUrl` got
   * @returns a token, and in how many seconds it expires
   * @throws WechatBadRequestError if the code or the state is not valid; WechatAppError, WechatCodeError,
   *   WechatUnavailableError, WechatResponseError, WechatConfigError, StoreUnavailableError
   */
  async handleCallback({
    code,
    state,
    device,
  }: {
    code: string;
    state: string;
    device: string;
  }): Promise<{ token: string; expiresIn: number }> {
    requireCode(code, 'WeChat');
    requireText(state, 'state');
    requireText(device, 'device');
    const appId = await this.states.use(state, device);
    return this.exchange(await this.apps.require('website', appId), code);
  }

  /**
   * Logs a user of a mobile app in with the code of WeChat's SDK.
   *
   * @param options
   * @param options.appId an app of kind `mobile`. Default: the first one
   * @returns a token, and in how many seconds it expires
   * @throws WechatBadRequestError if the code is not valid, or the app is a website; WechatAppError, WechatCodeError,
   *   WechatUnavailableError, WechatResponseError, WechatConfigError, StoreUnavailableError
   */
  async login(
    code: string,
    { appId, state, device }: { appId?: string; state?: never; device?: never } = {},
  ): Promise<{ token: string; expiresIn: number }> {
    requireCode(code, 'WeChat');
    const app =
      appId === undefined
        ? ((await this.apps.default('mobile')) ?? (await this.apps.default('website')))
        : await this.apps.find(appId);
    if (app?.kind === 'website' || state !== undefined || device !== undefined) {
      throw new WechatBadRequestError(
        'login() does not check a state. A website logs in by handleCallback({ code, state, device }).',
      );
    }
    return this.exchange(await this.apps.require('mobile', appId), code);
  }

  /**
   * Finds the user of a token.
   * @throws WechatSessionError, StoreUnavailableError
   */
  async find(token: string): Promise<MobileLogin> {
    const { appId, openid, unionid } = (await this.load(token)).record;
    return { appId, openid, ...(unionid !== undefined && { unionid }) };
  }

  /**
   * Returns the user's name and picture. They are fetched from WeChat the first time and with `refresh: true`, and returned
   * from the store otherwise. An expired access token is refreshed first.
   * @param options
   * @param options.refresh default: false
   * @param options.avatarSize default: the size that WeChat returns
   * @throws WechatSessionError also if WeChat has ended the authorisation; WechatUnavailableError, WechatResponseError,
   *   StoreUnavailableError
   */
  async getUserInfo(
    token: string,
    { refresh = false, avatarSize }: { refresh?: boolean; avatarSize?: AvatarSize } = {},
  ): Promise<WechatUserInfo> {
    const login = await this.load(token);
    const known = login.record.profile;
    return withAvatarSize(known && !refresh ? known : await this.fetchUserInfo(login), avatarSize);
  }

  /**
   * Returns whether WeChat still accepts the user's authorisation.
   * @throws WechatSessionError, WechatUnavailableError, StoreUnavailableError
   */
  async isAuthorized(token: string): Promise<boolean> {
    return isGrantValid(this.platform, (await this.load(token)).record.grant);
  }

  /**
   * Revokes a token. Does nothing if the token is unknown or no longer valid.
   * @throws StoreUnavailableError
   */
  async revoke(token: string): Promise<void> {
    const parsed = this.tokens.parse(token);
    if (parsed) await this.logins.remove(parsed.id);
  }

  /** The options hold the app secrets. */
  [inspect.custom](): string {
    return 'MobileOAuthService {}';
  }

  toJSON(): object {
    return {};
  }

  private async exchange(
    app: WechatApp,
    code: string,
  ): Promise<{ token: string; expiresIn: number }> {
    const grant = await exchangeCode(this.platform, app, code, this.clock.now());
    const { maxAgeMs } = this.options.session;
    const token = this.tokens.create();
    const login = await this.logins.add(token.id, {
      appId: app.appId,
      openid: grant.openid,
      unionid: grant.unionid,
      secret: token.secret.toString('base64url'),
      grant,
      loginExpiresAt: this.clock.now() + maxAgeMs,
    });
    if (!login)
      throw new StoreUnavailableError('The store already has a mobile login with this id.');
    return {
      token: this.tokens.format(token, login.key),
      expiresIn: Math.floor(maxAgeMs / 1000),
    };
  }

  private async load(text: string): Promise<StoredMobileLogin> {
    const token = this.tokens.parse(text);
    if (!token) throw new WechatSessionError();
    const login = await this.loadById(token.id);
    if (!timingSafeEqual(token.secret, Buffer.from(login.record.secret, 'base64url')))
      throw new WechatSessionError();
    return login;
  }

  private async loadById(id: string): Promise<StoredMobileLogin> {
    const login = await this.logins.get(id);
    if (!login || login.record.loginExpiresAt <= this.clock.now()) throw new WechatSessionError();
    return login;
  }

  private async fetchUserInfo(login: StoredMobileLogin): Promise<WechatUserInfo> {
    const deadline = this.platform.deadline();
    const { accessTokenExpiresAt } = login.record.grant;
    const isExpiring = accessTokenExpiresAt - this.clock.now() <= REFRESH_BEFORE_MS;
    const current = isExpiring ? await this.renewGrant(login, deadline) : login;
    const fetchWith = ({ record }: StoredMobileLogin): Promise<WechatUserInfo> =>
      fetchUserInfo(this.platform, record.grant, deadline);
    const profile = await fetchWith(current).catch(async (error: unknown) => {
      if (isExpiring || !isAccessTokenRefused(error)) throw error;
      return fetchWith(await this.renewGrant(login, deadline));
    });
    const written = await this.logins.update(
      login.id,
      (record) => record && { ...record, profile },
    );
    if (!written) throw new WechatSessionError(); // revoked meanwhile
    return profile;
  }

  /**
   * Refreshes the access token of a login, once for all callers of this instance. If the grant in the store is newer than the
   * one in `record`, that grant is returned without a refresh.
   */
  private renewGrant(
    { id, record }: StoredMobileLogin,
    deadline: number,
  ): Promise<StoredMobileLogin> {
    return this.renewals.run(id, async () => {
      const current = await this.loadById(id);
      const used = current.record.grant;
      if (!isSameGrant(used, record.grant)) return current;
      try {
        const now = this.clock.now();
        const grant = await refreshGrant(this.platform, record.appId, used, now, deadline);
        return (await this.logins.update(id, withNewerGrant(used, grant))) ?? refuse();
      } catch (error) {
        if (!(error instanceof WechatSessionError)) throw error;
        return (await this.logins.update(id, withoutGrant(used))) ?? refuse();
      }
    });
  }
}

type Change = (record: MobileLoginRecord | undefined) => MobileLoginRecord | undefined;

/** Writes a refreshed grant, except over a grant that another instance got later. */
function withNewerGrant(used: OAuthGrant, grant: OAuthGrant): Change {
  return (record) => {
    if (!record) return undefined;
    const isNewer = grant.accessTokenExpiresAt > record.grant.accessTokenExpiresAt;
    return isNewer || isSameGrant(record.grant, used) ? { ...record, grant } : record;
  };
}

/** Removes a login whose refresh token WeChat refused, except if another instance has refreshed it meanwhile. */
function withoutGrant(used: OAuthGrant): Change {
  return (record) => (record && isSameGrant(record.grant, used) ? undefined : record);
}

/** Compares the expiry too, because WeChat extends a valid access token without changing it. */
function isSameGrant(one: OAuthGrant, other: OAuthGrant): boolean {
  return (
    one.accessToken === other.accessToken &&
    one.accessTokenExpiresAt === other.accessTokenExpiresAt &&
    one.refreshToken === other.refreshToken
  );
}

function refuse(): never {
  throw new WechatSessionError();
}

function requireText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '')
    throw new WechatBadRequestError(`${name} must be a non-empty string`);
}

/** Replaces the size of the picture, which is the last part of its URL. */
function withAvatarSize(info: WechatUserInfo, size: AvatarSize | undefined): WechatUserInfo {
  if (size === undefined || info.avatarUrl === undefined) return info;
  return { ...info, avatarUrl: info.avatarUrl.replace(/\/(0|46|64|96|132)$/, `/${size}`) };
}
