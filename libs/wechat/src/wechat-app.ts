import type { Observable } from 'rxjs';

/**
 * How users log in to an app: `wx.login` of a mini program, the SDK of a mobile app, or the redirect of a website.
 *
 * @example
 * ```ts
 * const kind: WechatAppKind = 'mini-program';
 * ```
 */
export type WechatAppKind = 'mini-program' | 'mobile' | 'website';

/**
 * The credentials of one WeChat app.
 *
 * @example
 * ```ts
 * const app: WechatApp = { appId: 'wx…', secret: '…', kind: 'mini-program', name: 'shop' };
 * ```
 */
export interface WechatApp {
  /** The AppID that WeChat issued, such as `wx0123456789abcdef`. */
  appId: string;
  /** The AppSecret. It is sent to WeChat only, and no log line or error contains it. */
  secret: string;
  /** How users log in to this app. */
  kind: WechatAppKind;
  /** A name that you choose, for logs and for `@ForApp('name')`. Two apps cannot have the same name. */
  name?: string;
  /**
   * Message push (消息推送). The first mini program receives at `push.path`, every app with `push` at `{push.path}/{appId}`.
   * @default none
   */
  push?: WechatPush;
}

/**
 * The page 消息推送 of an app in WeChat's console.
 *
 * @experimental
 * @example
 * ```ts
 * const push: WechatPush = { token: '…', aesKeys: ['…43 characters…'] };
 * ```
 */
export interface WechatPush {
  /** Token (令牌): 3 to 32 letters and digits. */
  token: string;
  /**
   * EncodingAESKey (消息加密密钥): 43 letters and digits. Each of them opens pushes, and the first one encrypts replies. With a key only
   * encrypted pushes are accepted. @default none, pushes are plain
   */
  aesKeys?: string[];
}

/**
 * Apps that can change while the application runs, for example rows of a database. Pass the class or an instance as
 * `options.apps`. Results are cached for 30 seconds at most. `encryptionKeys` is required, because keys that are derived from an
 * AppSecret would end all sessions when the secret changes.
 *
 * If `find` or `default` rejects, or does not resolve within two seconds, the response is 503.
 *
 * @experimental
 * @example
 * ```ts
 * @Injectable()
 * class Apps extends WechatAppRegistry {
 *   constructor(private readonly database: Database) { super(); }
 *   find(appId: string) { return this.database.findApp({ appId }); }
 *   default(kind: WechatAppKind) { return this.database.findApp({ kind, isDefault: true }); }
 * }
 * ```
 */
export abstract class WechatAppRegistry {
  /** Returns the app with this appId, or `undefined` if there is none. Clients choose the appId, so it can be any text. */
  abstract find(appId: string): Promise<WechatApp | undefined>;

  /** Returns the app of this kind for calls without an appId, or `undefined` if there is none. */
  abstract default(kind: WechatAppKind): Promise<WechatApp | undefined>;

  /** Emits the appId of an app that was added, changed or removed, so that its cached result is dropped at once. */
  readonly changes?: Observable<string>;
}
