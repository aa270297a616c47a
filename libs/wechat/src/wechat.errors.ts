/**
 * Every error of this library. Each has a stable `code`, says the cause and the cure, and never a secret:
 * no URL, no token, no request and no foreign error is kept inside.
 */

/**
 * The stable codes. A team may branch on them; the texts may change.
 *
 * @example
 * ```ts
 * const code: WechatErrorCode = 'ERR_WECHAT_SESSION';
 * ```
 */
export type WechatErrorCode =
  | 'ERR_BAD_REQUEST'
  | 'ERR_WECHAT_SESSION'
  | 'ERR_WECHAT_CODE'
  | 'ERR_WECHAT_DECRYPT'
  | 'ERR_WECHAT_SIGNATURE'
  | 'ERR_WECHAT_APP'
  | 'ERR_WECHAT_SCENE'
  | 'ERR_WECHAT_PAGE'
  | 'ERR_WECHAT_BLOCKED'
  | 'ERR_WECHAT_UNIONID_REQUIRED'
  | 'ERR_WECHAT_PHONE_REQUIRED'
  | 'ERR_WECHAT_RATE_LIMIT'
  | 'ERR_WECHAT_CONFIG'
  | 'ERR_WECHAT_RESPONSE'
  | 'ERR_WECHAT_UNAVAILABLE'
  | 'ERR_STORE_UNAVAILABLE';

/**
 * What is known about the call to WeChat that failed. The endpoint is a path, never a URL: WeChat's URLs carry secrets.
 *
 * @example
 * ```ts
 * const { endpoint, errcode, rid }: WechatCallInfo = error;      // '/sns/jscode2session', 40029, '…'
 * ```
 */
export interface WechatCallInfo {
  /** Path of WeChat's API, such as `/sns/jscode2session`. */
  endpoint?: string;
  /** WeChat's own number for the failure. */
  errcode?: number;
  /** WeChat's request id; its console can look it up for seven days. */
  rid?: string;
  /** Which attempt failed, from 1. */
  attempt?: number;
  /** How long the attempt took, in milliseconds. */
  ms?: number;
}

/**
 * Base of all errors of this library: `catch (e) { if (e instanceof WechatError) … e.code … }`.
 *
 * @example
 * ```ts
 * try { … } catch (error) {
 *   if (error instanceof WechatError) logger.warn({ code: error.code, rid: error.rid });
 * }
 * ```
 */
export abstract class WechatError extends Error implements WechatCallInfo {
  abstract readonly code: WechatErrorCode;
  readonly endpoint?: string;
  readonly errcode?: number;
  readonly rid?: string;
  readonly attempt?: number;
  readonly ms?: number;

  constructor(message: string, call: WechatCallInfo = {}) {
    super(message);
    this.name = new.target.name;
    for (const [key, value] of Object.entries(call))
      if (value !== undefined) Object.assign(this, { [key]: value });
  }

  /** What a log keeps of the error when it writes JSON. */
  toJSON(): object {
    return Object.assign({ message: this.message }, this);
  }
}

/**
 * The caller sent something of the wrong shape. Nothing was sent to WeChat or to the store.
 *
 * @example
 * ```ts
 * if (error instanceof WechatBadRequestError) return reply.status(400).send(error.message);      // sessions.login(undefined)
 * ```
 */
export class WechatBadRequestError extends WechatError {
  readonly code = 'ERR_BAD_REQUEST';
}

/**
 * No session: none was sent, or it is unknown, expired or ended. All of these look the same from outside.
 *
 * It has no stack. It is an answer rather than a fault, and finding out where it was thrown would be a quarter of what refusing
 * a request costs, which a flood of invented tokens would have us pay for each.
 *
 * @example
 * ```ts
 * if (error instanceof WechatSessionError) return redirectToLogin();      // sessions.find(ended)
 * ```
 */
export class WechatSessionError extends WechatError {
  readonly code = 'ERR_WECHAT_SESSION';
  constructor(message = 'Session is unknown or has expired. Call wx.login() again.') {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * WeChat refused a code: of `wx.login`, of the phone button or of OAuth. It is unknown, too old, used, or another app's.
 *
 * @example
 * ```ts
 * if (error instanceof WechatCodeError) return askForFreshCode();      // sessions.login(usedCode)
 * ```
 */
export class WechatCodeError extends WechatError {
  readonly code = 'ERR_WECHAT_CODE';
  constructor(call: WechatCallInfo = {}) {
    super(
      'WeChat refused the code: it is unknown, expired or already used. Ask the client for a fresh one.',
      call,
    );
  }
}

/**
 * Open data could not be decrypted or is not for this session. Why is never told: answers that differ would let a
 * client forge data without the session_key.
 *
 * @example
 * ```ts
 * if (error instanceof WechatDecryptError) return askForLogin();      // crypto.decryptOpenData(session, forged)
 * ```
 */
export class WechatDecryptError extends WechatError {
  readonly code = 'ERR_WECHAT_DECRYPT';
  constructor() {
    super(
      'Open data could not be decrypted. Call wx.login() again, then ask the user for the data once more.',
    );
  }
}

/**
 * The signature of rawData is not made with this user's session_key.
 *
 * @example
 * ```ts
 * if (error instanceof WechatSignatureError) return askForLogin();      // crypto.verifyRawData(session, forged)
 * ```
 */
export class WechatSignatureError extends WechatError {
  readonly code = 'ERR_WECHAT_SIGNATURE';
  constructor() {
    super(
      'rawData does not match its signature. Send rawData exactly as WeChat gave it, or call wx.login() again.',
    );
  }
}

/**
 * The app is not one of `options.apps`, or the secret that the caller named is not the app's.
 *
 * @example
 * ```ts
 * if (error instanceof WechatAppError) return reply.status(400).send(error.parameter);      // sessions.login(code, { appId: unknown })
 * ```
 */
export class WechatAppError extends WechatError {
  readonly code = 'ERR_WECHAT_APP';
  constructor(readonly parameter: 'appId' | 'secret' = 'appId') {
    super(
      parameter === 'appId'
        ? 'This appId is not configured. Add it to the apps of WechatModule.'
        : 'The secret is not the one of this app.',
    );
  }
}

/**
 * The scene of a mini-program code is empty, too long or has characters that WeChat does not take.
 *
 * @example
 * ```ts
 * if (error instanceof WechatSceneError) return reply.status(400).send(error.message);      // qrCodes.getUnlimited({ scene: '' })
 * ```
 */
export class WechatSceneError extends WechatError {
  readonly code = 'ERR_WECHAT_SCENE';
  constructor(call: WechatCallInfo = {}) {
    super("scene must be 1 to 32 of the characters 0-9 a-z A-Z !#$&'()*+,/:;=?@-._~", call);
  }
}

/**
 * WeChat does not know the page: it must be a page of the released version, without leading slash and query.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPageError) return codeOfHomePage(scene);      // qrCodes.getUnlimited({ scene, page: 'pages/nowhere' })
 * ```
 */
export class WechatPageError extends WechatError {
  readonly code = 'ERR_WECHAT_PAGE';
  constructor(call: WechatCallInfo = {}) {
    super(
      'WeChat does not know this page. Name a released page without leading slash and query, or pass checkPath: false.',
      call,
    );
  }
}

/**
 * WeChat blocked the login of a high-risk user. Do not retry; tell the user.
 *
 * @example
 * ```ts
 * if (error instanceof WechatBlockedError) return showBlocked();      // sessions.login(codeOfBlockedUser)
 * ```
 */
export class WechatBlockedError extends WechatError {
  readonly code = 'ERR_WECHAT_BLOCKED';
  constructor(call: WechatCallInfo = {}) {
    super('WeChat blocked this user as high-risk.', call);
  }
}

/**
 * `@RequireUnionId()` met a session without one: WeChat gives it only for an app that is bound to an open-platform account.
 *
 * @example
 * ```ts
 * if (error instanceof WechatUnionIdRequiredError) return showHelp();      // @RequireUnionId()
 * ```
 */
export class WechatUnionIdRequiredError extends WechatError {
  readonly code = 'ERR_WECHAT_UNIONID_REQUIRED';
  constructor() {
    super(
      'This needs a unionid. Bind the app to an open-platform account (open.weixin.qq.com), then call wx.login() again.',
    );
  }
}

/**
 * `@RequirePhone()` met a user without a phone number. The client shows its phone button and tries again.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPhoneRequiredError) return showPhoneButton();      // @RequirePhone()
 * ```
 */
export class WechatPhoneRequiredError extends WechatError {
  readonly code = 'ERR_WECHAT_PHONE_REQUIRED';
  constructor() {
    super('This needs a phone number. Ask the user for it first.');
  }
}

/**
 * A quota is used up: WeChat's (45009, 45011), or ours for failed decryptions of one session.
 *
 * @example
 * ```ts
 * if (error instanceof WechatRateLimitError) return tryAgainIn(error.retryAfter);      // errcode 45011
 * ```
 */
export class WechatRateLimitError extends WechatError {
  readonly code = 'ERR_WECHAT_RATE_LIMIT';
  constructor(
    /** Seconds after which a retry makes sense. */
    readonly retryAfter: number,
    call: WechatCallInfo = {},
  ) {
    super(`Too many requests. Try again in ${retryAfter} s.`, call);
  }
}

/**
 * Our own configuration is wrong: found at boot, or told by WeChat, which refused the credentials or the server's IP address.
 *
 * @example
 * ```ts
 * if (error instanceof WechatConfigError) process.stderr.write(error.problems.join('\n'));      // WechatModule.forRoot({ apps: [] })
 * ```
 */
export class WechatConfigError extends WechatError {
  readonly code = 'ERR_WECHAT_CONFIG';
  constructor(
    /** Every problem found, each naming the option or variable, never its value. */
    readonly problems: string[],
    call: WechatCallInfo = {},
  ) {
    super(
      `nestjs-wechat is not configured correctly:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
      call,
    );
  }
}

/**
 * An answer from WeChat that is not what its protocol says, or an errcode that nobody here can act on.
 *
 * @example
 * ```ts
 * if (error instanceof WechatResponseError) logger.error({ errcode: error.errcode, rid: error.rid });      // an errcode that has no error of its own
 * ```
 */
export class WechatResponseError extends WechatError {
  readonly code = 'ERR_WECHAT_RESPONSE';
}

/**
 * WeChat refused the access token itself (40001, 40014, 42001), also after a fresh one.
 *
 * @example
 * ```ts
 * if (error instanceof WechatAccessTokenError) alert(error.rid);      // errcode 40001 also after a fresh token
 * ```
 */
export class WechatAccessTokenError extends WechatResponseError {}

/**
 * WeChat cannot be reached, did not answer in time, or says that it is busy.
 *
 * @example
 * ```ts
 * if (error instanceof WechatUnavailableError) return tryAgainIn(error.retryAfter);      // a timeout
 * ```
 */
export class WechatUnavailableError extends WechatError {
  readonly code = 'ERR_WECHAT_UNAVAILABLE';
  /** Seconds after which a retry makes sense. */
  readonly retryAfter = 1;
}

/**
 * The store cannot answer. Whether a session exists is not known, so nobody is logged out and nobody let in.
 *
 * @example
 * ```ts
 * if (error instanceof StoreUnavailableError) return tryAgainIn(error.retryAfter);      // Redis is down
 * ```
 */
export class StoreUnavailableError extends WechatError {
  readonly code = 'ERR_STORE_UNAVAILABLE';
  /** Seconds after which a retry makes sense. */
  readonly retryAfter = 1;
  constructor(
    message = 'The session store did not answer. See its own log lines; it is retried by itself.',
  ) {
    super(message);
  }
}
