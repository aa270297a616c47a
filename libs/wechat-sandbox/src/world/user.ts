import { randomBytes, randomInt } from 'node:crypto';
import type { Apps, SandboxApp } from './apps.js';
import { unixSeconds } from './clock.js';
import type { SandboxClock } from './clock.js';
import type { OneTimeCodes } from './codes.js';
import type { CustomerSessions } from './customer-sessions.js';
import { newGroupId, openidOf, unionidOf } from './ids.js';
import { encryptOpenData, signRawData } from './open-data.js';
import type { EncryptedData } from './open-data.js';
import type { PhoneMessage } from './phone-message.js';
import type { PushEmitter } from './push.js';
import type { PayOutcome, RequestPaymentOptions, RequestPaymentParams } from './request-payment.js';
import { SandboxError } from './sandbox-error.js';
import type { SessionKeys } from './session-keys.js';
import { popupEvent } from './subscriptions.js';
import type { RequestSubscribeOptions, SubscribeResult, Subscriptions } from './subscriptions.js';

/** The user and app of a login code or phone code. */
export interface UserCode {
  appId: string;
  user: SandboxUser;
  /** When the user tapped, in Unix seconds. */
  at: number;
}

/** `snsapi_base` gives the openid only. The other two also allow `sns/userinfo`. */
export type OAuthScope = 'snsapi_base' | 'snsapi_userinfo' | 'snsapi_login';

/** All scopes of 微信登录. */
export const OAUTH_SCOPES: readonly OAuthScope[] = [
  'snsapi_base',
  'snsapi_userinfo',
  'snsapi_login',
];

/** The consent of a user to an app, for which an OAuth code is issued. */
export interface Consent {
  app: SandboxApp;
  user: SandboxUser;
  scope: OAuthScope;
}

/** The part of the world that a user's phone uses. */
export interface UserWorld {
  clock: SandboxClock;
  apps: Apps;
  sessionKeys: SessionKeys;
  loginCodes: OneTimeCodes<UserCode>;
  phoneCodes: OneTimeCodes<UserCode>;
  oauthCodes: OneTimeCodes<Consent>;
  subscriptions: Subscriptions;
  customers: CustomerSessions;
  pushes?: PushEmitter;
  pay: {
    requestPayment(
      user: SandboxUser,
      params: RequestPaymentParams,
      options: RequestPaymentOptions,
    ): { errMsg: string };
    scanPayCode(user: SandboxUser, codeUrl: string, outcome: PayOutcome): { errMsg: string };
  };
}

/** The data of a WeChat user. */
export interface UserProfile {
  /** Letters, digits, `-`, `_`, `.`. The same id has the same openids in every run. */
  id: string;
  nickName: string;
  avatarUrl: string;
  /** Without the country code. */
  phoneNumber: string;
  /** Digits of the country code: `86`. */
  countryCode: string;
  /** A high-risk account: WeChat refuses every login with 40226. */
  highRisk: boolean;
  /** Fixed openids by appId. All others are derived from the id. */
  openids: Readonly<Record<string, string>>;
}

/** The result of `wx.getUserInfo` and `wx.getUserProfile`. */
export interface ProfileData extends EncryptedData {
  errMsg: string;
  rawData: string;
  signature: string;
  userInfo: Record<string, string | number>;
}

/** Options of {@link SandboxUser.encrypt}. */
export interface EncryptOptions {
  /** Replaces the usual `{ timestamp, appid }`. `false`: no watermark. */
  watermark?: Record<string, unknown> | false;
}

const MOST_MESSAGES = 1000;

/** The grey avatar that `wx.getUserProfile` returns since November 2022. */
const ANONYMOUS_AVATAR =
  'https://mmbiz.qpic.cn/mmbiz/icTdbqWNOwNRna42FI242Lcia07jQodd2FJGIYQfG0LAJGFxM4FbnQP6yfMxBgJ0F3YRqJCJ1aPAK2dQagdusBZg/0';

/**
 * A user with a phone on which the mini program runs. Each method is the `wx` API of the same name and returns its result.
 * Without an appId it uses the first mini program of the sandbox ({@link SandboxUser.authorize}: the first mobile app).
 */
export class SandboxUser implements UserProfile {
  readonly id: string;
  nickName: string;
  avatarUrl: string;
  phoneNumber: string;
  countryCode: string;
  highRisk: boolean;
  readonly openids: Readonly<Record<string, string>>;
  private readonly world: UserWorld;
  private readonly received: PhoneMessage[] = [];
  private readonly visits = new Map<string, number>();
  private readonly derived = new Map<string, string>();

  /** @internal Use `wechat.users.create()`. */
  constructor(profile: UserProfile, world: UserWorld) {
    this.id = profile.id;
    this.nickName = profile.nickName;
    this.avatarUrl = profile.avatarUrl;
    this.phoneNumber = profile.phoneNumber;
    this.countryCode = profile.countryCode;
    this.highRisk = profile.highRisk;
    this.openids = profile.openids;
    this.world = world;
  }

  /** `wx.login`: returns a code for `sns/jscode2session` that works once within 5 minutes. It may replace the session_key. */
  async login(appId?: string): Promise<{ errMsg: string; code: string }> {
    const app = this.miniProgram(appId);
    this.world.sessionKeys.onLogin(this.openid(app.appId));
    return { errMsg: 'login:ok', code: this.world.loginCodes.issue(this.tap(app)) };
  }

  /** `wx.getUserInfo` of old versions: the real name, with openId and unionId in the encrypted part. */
  async getUserInfo(appId?: string): Promise<ProfileData> {
    const app = this.miniProgram(appId);
    const unionId = this.unionid(app.appId);
    const ids = { openId: this.openid(app.appId), ...(unionId && { unionId }) };
    return this.profileData('getUserInfo:ok', app, userInfo(this.nickName, this.avatarUrl), ids);
  }

  /** `wx.getUserProfile` of today: 微信用户 with a grey avatar and without ids. */
  async getUserProfile(appId?: string): Promise<ProfileData> {
    return this.profileData(
      'getUserProfile:ok',
      this.miniProgram(appId),
      userInfo('微信用户', ANONYMOUS_AVATAR),
      {},
    );
  }

  /** The event of the phone button: a code for `wxa/business/getuserphonenumber` and, for old servers, the encrypted number. */
  async getPhoneNumber(appId?: string): Promise<EncryptedData & { errMsg: string; code: string }> {
    const app = this.miniProgram(appId);
    const code = this.world.phoneCodes.issue(this.tap(app));
    return { errMsg: 'getPhoneNumber:ok', code, ...this.encrypt(this.phoneInfo(), app.appId) };
  }

  /**
   * `wx.requestPayment`: the phone checks signature, age, mini program and payer, and the person confirms or not. WeChat notifies the
   * server afterwards.
   */
  async requestPayment(
    params: RequestPaymentParams,
    options: RequestPaymentOptions = {},
  ): Promise<{ errMsg: string }> {
    return this.world.pay.requestPayment(this, params, options);
  }

  /**
   * Scans the code of a Native order (`code_url`) with WeChat and pays it. WeChat notifies the server afterwards.
   *
   * @returns `errMsg` is `scanPayCode:ok`, or `scanPayCode:fail` with the reason
   */
  async scanPayCode(
    codeUrl: string,
    { outcome = 'ok' }: { outcome?: PayOutcome } = {},
  ): Promise<{ errMsg: string }> {
    return this.world.pay.scanPayCode(this, codeUrl, outcome);
  }

  /**
   * `wx.requestSubscribeMessage`: a dialog that asks whether the mini program may send these messages. The user accepts or rejects all.
   *
   * @returns `{ errMsg, [templateId]: 'accept' | 'reject' | 'filter' }`, or `{ errMsg, errCode }`
   */
  async requestSubscribeMessage(
    templateIds: readonly string[],
    { choose = 'accept', appId }: RequestSubscribeOptions = {},
  ): Promise<SubscribeResult> {
    const app = this.miniProgram(appId);
    this.tap(app);
    const openid = this.openid(app.appId);
    const result = this.world.subscriptions.request(app, openid, templateIds, choose);
    if (result.errCode === undefined)
      void this.world.pushes?.emit(app.appId, popupEvent(openid, result));
    return result;
  }

  /** `<button open-type="contact">`: opens the customer-service session (客服会话). The service may send two messages within a minute. */
  async openCustomerSession(appId?: string): Promise<void> {
    const app = this.miniProgram(appId).appId;
    const openid = this.openid(app);
    this.world.customers.onEntry(app, openid);
    const event = { Event: 'user_enter_tempsession', SessionFrom: '' };
    await this.world.pushes?.emit(app, { FromUserName: openid, MsgType: 'event', ...event });
  }

  /** Sends a text to the customer service. The service may send five messages within 48 hours. */
  async sendCustomerMessage(content: string, appId?: string): Promise<void> {
    const app = this.miniProgram(appId).appId;
    const openid = this.openid(app);
    this.world.customers.onMessage(app, openid);
    const text = { MsgType: 'text', Content: content };
    await this.world.pushes?.emit(app, { FromUserName: openid, ...text });
  }

  /** Whether the phone shows that the customer service is typing (对方正在输入). */
  seesTyping(appId?: string): boolean {
    const app = this.miniProgram(appId).appId;
    return this.world.customers.isTyping(app, this.openid(app));
  }

  /** Whether the user was in the mini program within this time. WeChat checks content of such users only. */
  hasVisited(appId: string, withinMs: number): boolean {
    return this.world.clock.now() - (this.visits.get(appId) ?? -Infinity) <= withinMs;
  }

  /** The subscribe and customer messages on the phone, the oldest first. Only the newest 1000 are kept. */
  get messages(): PhoneMessage[] {
    return [...this.received];
  }

  /** @internal A message arrives. */
  receive(message: PhoneMessage): void {
    this.received.push(message);
    if (this.received.length > MOST_MESSAGES) this.received.shift();
  }

  /** `wx.getWeRunData`: steps of the last 31 days. */
  async getWeRunData(appId?: string): Promise<EncryptedData & { errMsg: string }> {
    const today = unixSeconds(this.world.clock.now());
    const stepInfoList = Array.from({ length: 31 }, (_, day) => ({
      timestamp: today - (30 - day) * 86_400,
      step: randomInt(20_000),
    }));
    return { errMsg: 'getWeRunData:ok', ...this.encrypt({ stepInfoList }, appId) };
  }

  /** `wx.getShareInfo`: the group to which the mini program was shared. */
  async getShareInfo(appId?: string): Promise<EncryptedData & { errMsg: string }> {
    return { errMsg: 'getShareInfo:ok', ...this.encrypt({ openGId: newGroupId() }, appId) };
  }

  /** `wx.getGroupEnterInfo`: the group chat from which the mini program was opened. Note the lower-case `opengid`. */
  async getGroupEnterInfo(appId?: string): Promise<EncryptedData & { errMsg: string }> {
    const group = {
      opengid: newGroupId(),
      open_single_roomid: '',
      group_openid: newGroupId(),
      chat_type: 3,
    };
    return { errMsg: 'getGroupEnterInfo:ok', ...this.encrypt(group, appId) };
  }

  /** The consent dialog of the mobile SDK or a website: returns a code for `sns/oauth2/access_token` that works once within 10 minutes. */
  async authorize(
    appId?: string,
    { scope = 'snsapi_userinfo' }: { scope?: OAuthScope } = {},
  ): Promise<{ code: string }> {
    const kind = this.world.apps.find(appId)?.kind === 'website' ? 'website' : 'mobile';
    const app = this.world.apps.pick(kind, appId);
    return { code: this.world.oauthCodes.issue({ app, user: this, scope }) };
  }

  /** Encrypts any payload with the current session_key, for tests of data that must be refused. An object gets a watermark. */
  encrypt(
    payload: object | string,
    appId?: string,
    { watermark }: EncryptOptions = {},
  ): EncryptedData {
    const app = this.miniProgram(appId);
    const iv = randomBytes(16).toString('base64');
    if (typeof payload === 'string' || Buffer.isBuffer(payload))
      return encryptOpenData(this.sessionKey(app.appId), iv, payload);
    const truth = { timestamp: unixSeconds(this.world.clock.now()), appid: app.appId };
    const marked = watermark === false ? payload : { ...payload, watermark: watermark ?? truth };
    return encryptOpenData(this.sessionKey(app.appId), iv, JSON.stringify(marked));
  }

  /** Returns the user's openid in an app of any kind. */
  openid(appId?: string): string {
    const app = this.app(appId).appId;
    const openid = this.openids[app] ?? this.derived.get(app) ?? openidOf(app, this.id);
    this.derived.set(app, openid);
    return openid;
  }

  /** Returns the unionid, which is the same in all apps of one open-platform account, or undefined if the app has no account. */
  unionid(appId?: string): string | undefined {
    const { openPlatform } = this.app(appId);
    return openPlatform && unionidOf(openPlatform, this.id);
  }

  /** Returns the user's current session_key at WeChat. */
  sessionKey(appId?: string): string {
    return this.world.sessionKeys.current(this.openid(this.miniProgram(appId).appId));
  }

  /** Replaces the session_key, as WeChat may do at any time. The server's key is then outdated, so its next decryption fails. */
  rotateSessionKey(appId?: string): string {
    return this.world.sessionKeys.rotate(this.openid(this.miniProgram(appId).appId));
  }

  /** Returns the phone number in WeChat's three fields. A number outside mainland China begins with its country code. */
  phoneInfo(): { phoneNumber: string; purePhoneNumber: string; countryCode: string } {
    const { phoneNumber, countryCode } = this;
    return {
      phoneNumber: countryCode === '86' ? phoneNumber : countryCode + phoneNumber,
      purePhoneNumber: phoneNumber,
      countryCode,
    };
  }

  private profileData(
    errMsg: string,
    app: SandboxApp,
    info: ProfileData['userInfo'],
    ids: object,
  ): ProfileData {
    const rawData = JSON.stringify(info);
    const signature = signRawData(this.sessionKey(app.appId), rawData);
    return {
      errMsg,
      rawData,
      userInfo: info,
      signature,
      ...this.encrypt({ ...ids, ...info }, app.appId),
    };
  }

  /** The user is in the mini program and taps. */
  private tap(app: SandboxApp): UserCode {
    this.visits.set(app.appId, this.world.clock.now());
    return { appId: app.appId, user: this, at: unixSeconds(this.world.clock.now()) };
  }

  private miniProgram(appId?: string): SandboxApp {
    return this.world.apps.pick('mini-program', appId);
  }

  private app(appId?: string): SandboxApp {
    const app = appId === undefined ? this.miniProgram() : this.world.apps.find(appId);
    if (!app)
      throw new SandboxError(
        `This sandbox has no app ${appId}. Add it to startWechatSandbox({ apps }).`,
      );
    return app;
  }
}

/** Since October 2021 gender and region are empty and the language is fixed. The fields remain. */
function userInfo(nickName: string, avatarUrl: string): ProfileData['userInfo'] {
  return { nickName, gender: 0, language: 'zh_CN', city: '', province: '', country: '', avatarUrl };
}
