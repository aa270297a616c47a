/**
 * Every error of this library. Each has a stable `code`, says the cause and the cure, and never a secret:
 * no URL, no token, no request and no foreign error is kept inside.
 */

/** The stable codes. A team may branch on them; the texts may change. */
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
  | 'ERR_WECHAT_RATE_LIMIT'
  | 'ERR_WECHAT_CONFIG'
  | 'ERR_WECHAT_RESPONSE'
  | 'ERR_WECHAT_UNAVAILABLE'
  | 'ERR_STORE_UNAVAILABLE';

/** What is known about the call to WeChat that failed. The endpoint is a path, never a URL: WeChat's URLs carry secrets. */
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

/** Base of all errors of this library: `catch (e) { if (e instanceof WechatError) … e.code … }`. */
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
    for (const [key, value] of Object.entries(call)) if (value !== undefined) Object.assign(this, { [key]: value });
  }

  /** What a log keeps of the error when it writes JSON. */
  toJSON(): object {
    return Object.assign({ message: this.message }, this);
  }
}

/** The caller sent something of the wrong shape. Nothing was sent to WeChat or to the store. */
export class WechatBadRequestError extends WechatError {
  readonly code = 'ERR_BAD_REQUEST';
}

/** No session: none was sent, or it is unknown, expired or ended. All of these look the same from outside. */
export class WechatSessionError extends WechatError {
  readonly code = 'ERR_WECHAT_SESSION';
  constructor(message = 'Session is unknown or has expired. Call wx.login() again.') {
    super(message);
  }
}

/** WeChat refused a code: of `wx.login`, of the phone button or of OAuth. It is unknown, too old, used, or another app's. */
export class WechatCodeError extends WechatError {
  readonly code = 'ERR_WECHAT_CODE';
  constructor(call: WechatCallInfo = {}) {
    super('WeChat refused the code: it is unknown, expired or already used. Ask the client for a fresh one.', call);
  }
}

/**
 * Open data could not be decrypted or is not for this session. Why is never told: answers that differ would let a
 * client forge data without the session_key.
 */
export class WechatDecryptError extends WechatError {
  readonly code = 'ERR_WECHAT_DECRYPT';
  constructor() {
    super('Open data could not be decrypted. Call wx.login() again, then ask the user for the data once more.');
  }
}

/** The signature of rawData is not made with this user's session_key. */
export class WechatSignatureError extends WechatError {
  readonly code = 'ERR_WECHAT_SIGNATURE';
  constructor() {
    super('rawData does not match its signature. Send rawData exactly as WeChat gave it, or call wx.login() again.');
  }
}

/** The app is not one of `options.apps`, or the secret that the caller named is not the app's. */
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

/** The scene of a mini-program code is empty, too long or has characters that WeChat does not take. */
export class WechatSceneError extends WechatError {
  readonly code = 'ERR_WECHAT_SCENE';
  constructor(call: WechatCallInfo = {}) {
    super("scene must be 1 to 32 of the characters 0-9 a-z A-Z !#$&'()*+,/:;=?@-._~", call);
  }
}

/** WeChat does not know the page: it must be a page of the released version, without leading slash and query. */
export class WechatPageError extends WechatError {
  readonly code = 'ERR_WECHAT_PAGE';
  constructor(call: WechatCallInfo = {}) {
    super('WeChat does not know this page. Name a released page without leading slash and query, or pass checkPath: false.', call);
  }
}

/** WeChat blocked the login of a high-risk user. Do not retry; tell the user. */
export class WechatBlockedError extends WechatError {
  readonly code = 'ERR_WECHAT_BLOCKED';
  constructor(call: WechatCallInfo = {}) {
    super('WeChat blocked this user as high-risk.', call);
  }
}

/** A quota is used up: WeChat's (45009, 45011), or ours for failed decryptions of one session. */
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

/** Our own configuration is wrong: found at boot, or told by WeChat, which refused the credentials or the server's IP address. */
export class WechatConfigError extends WechatError {
  readonly code = 'ERR_WECHAT_CONFIG';
  constructor(
    /** Every problem found, each naming the option or variable, never its value. */
    readonly problems: string[],
    call: WechatCallInfo = {},
  ) {
    super(`nestjs-wechat is not configured correctly:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`, call);
  }
}

/** An answer from WeChat that is not what its protocol says, or an errcode that nobody here can act on. */
export class WechatResponseError extends WechatError {
  readonly code = 'ERR_WECHAT_RESPONSE';
}

/** WeChat refused the access token itself (40001, 40014, 42001), also after a fresh one. */
export class WechatAccessTokenError extends WechatResponseError {}

/** WeChat cannot be reached, did not answer in time, or says that it is busy. */
export class WechatUnavailableError extends WechatError {
  readonly code = 'ERR_WECHAT_UNAVAILABLE';
  /** Seconds after which a retry makes sense. */
  readonly retryAfter = 1;
}

/** The store cannot answer. Whether a session exists is not known, so nobody is logged out and nobody let in. */
export class StoreUnavailableError extends WechatError {
  readonly code = 'ERR_STORE_UNAVAILABLE';
  /** Seconds after which a retry makes sense. */
  readonly retryAfter = 1;
  constructor(message = 'The session store did not answer. See its own log lines; it is retried by itself.') {
    super(message);
  }
}
