import { HttpException } from '@nestjs/common';

/**
 * Stable error codes. Branch on them; the messages may change.
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
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_WECHAT_TEMPLATE'
  | 'ERR_WECHAT_CONTENT'
  | 'ERR_WECHAT_NOT_VISITED'
  | 'ERR_WECHAT_REPLY_WINDOW'
  | 'ERR_WECHAT_SHIPPING'
  | 'ERR_WECHAT_CALLBACK'
  | 'ERR_PAY_ORDER_PAID'
  | 'ERR_PAY_ORDER_CLOSED'
  | 'ERR_PAY_ORDER_CONFLICT'
  | 'ERR_PAY_REFUND';

/**
 * The response body of an error, as `getResponse()` returns it.
 *
 * @example
 * ```ts
 * const { code, msg, error }: WechatErrorBody = exception.getResponse();      // 1000, 'unauthorized', 'ERR_WECHAT_SESSION'
 * ```
 */
export interface WechatErrorBody {
  /** A number for clients: WeChat's errcode, one of the library's own from 1000 on, or the HTTP status. */
  code: number;
  msg: string;
  /** What the client needs to go on, for example `{ payCode }` of a refused refund; usually null. */
  data: object | null;
  success: false;
  error: WechatErrorCode;
}

/**
 * HTTP status, `code` and `msg` of each error. Default `code`: the status. Default `msg`: the error's message, which is then
 * written for clients.
 */
const RESPONSES: Record<WechatErrorCode, { status: number; code?: number; msg?: string }> = {
  ERR_BAD_REQUEST: { status: 400 },
  ERR_WECHAT_SESSION: { status: 401, code: 1000, msg: 'unauthorized' },
  ERR_WECHAT_CODE: { status: 401, code: 40029, msg: 'invalid parameter: code' },
  ERR_WECHAT_DECRYPT: { status: 400, code: 1004, msg: 'error: decode failed' },
  ERR_WECHAT_SIGNATURE: { status: 400, code: 1005, msg: 'error: signature mismatch' },
  ERR_WECHAT_APP: { status: 400, code: 40013, msg: 'invalid parameter: appId' },
  ERR_WECHAT_SCENE: {
    status: 400,
    code: 40169,
    msg: 'invalid length for scene, or the data is not json string',
  },
  ERR_WECHAT_PAGE: { status: 400, code: 41030, msg: 'invalid parameter: page' },
  ERR_WECHAT_BLOCKED: { status: 403, code: 40226, msg: 'user blocked' },
  ERR_WECHAT_UNIONID_REQUIRED: { status: 403, msg: 'unionid required' },
  ERR_WECHAT_PHONE_REQUIRED: { status: 403, msg: 'phone number required' },
  ERR_WECHAT_RATE_LIMIT: { status: 429, msg: 'too many requests' },
  ERR_WECHAT_CONFIG: { status: 500, msg: 'internal error' },
  ERR_WECHAT_RESPONSE: { status: 502, msg: 'WeChat returned an unusable response' },
  ERR_WECHAT_UNAVAILABLE: { status: 503, msg: 'WeChat is unavailable; try again shortly' },
  ERR_STORE_UNAVAILABLE: {
    status: 503,
    msg: 'the session store is unavailable; try again shortly',
  },
  ERR_WECHAT_TEMPLATE: { status: 400, msg: 'invalid template message' },
  ERR_WECHAT_CONTENT: { status: 400, msg: 'WeChat refuses this content' },
  ERR_WECHAT_NOT_VISITED: { status: 409, msg: 'open the mini program and try again' },
  ERR_WECHAT_REPLY_WINDOW: { status: 409, msg: 'WeChat accepts no reply to this user now' },
  ERR_WECHAT_SHIPPING: { status: 409, msg: 'WeChat refuses the shipping information' },
  ERR_WECHAT_CALLBACK: { status: 401, msg: 'not from WeChat' },
  ERR_PAY_ORDER_PAID: { status: 409, msg: 'the order is paid' },
  ERR_PAY_ORDER_CLOSED: { status: 409, msg: 'the order is closed' },
  ERR_PAY_ORDER_CONFLICT: { status: 409, msg: 'the order number was used with other fields' },
  ERR_PAY_REFUND: { status: 409, msg: 'the refund was refused' },
};

/**
 * The call to WeChat that failed. The endpoint is a path and never a URL, because WeChat's URLs carry secrets.
 *
 * @example
 * ```ts
 * const { endpoint, errcode, rid }: WechatCallInfo = error;      // '/sns/jscode2session', 40029, '…'
 * ```
 */
export interface WechatCallInfo {
  /** Path of WeChat's API, such as `/sns/jscode2session`. */
  endpoint?: string;
  /** WeChat's error number. */
  errcode?: number;
  /** WeChat's request id. Its console can look it up for seven days. */
  rid?: string;
  /** Which attempt failed, from 1. */
  attempt?: number;
  /** How long the attempt took, in milliseconds. */
  ms?: number;
  /** The word of WeChat Pay, such as `NOT_ENOUGH`. */
  payCode?: string;
}

/**
 * What the constructors of the errors take: the failed call, and the error that caused this one. Pass only a cause that
 * holds no secret: an error of an HTTP client holds the URL.
 *
 * @example
 * ```ts
 * throw new WechatUnavailableError('WeChat cannot be reached.', { endpoint: '/sns/jscode2session', cause: dnsError });
 * ```
 */
export interface WechatErrorDetails extends WechatCallInfo {
  cause?: unknown;
}

/** Marks the errors of every copy of this package in the process. */
const BRAND = Symbol.for('nestjs-wechat:error');

/**
 * Base class of all errors of this library. It is an `HttpException`, so every exception filter of Nest finds the right status
 * and body in it. The message names cause and cure for developers, and never a secret.
 *
 * `instanceof` also recognises the errors of a second copy of this package. npm installs a second copy if two packages depend
 * on different versions; `npm ls nestjs-wechat` shows them.
 *
 * @example
 * ```ts
 * try { … } catch (error) {
 *   if (error instanceof WechatError) logger.warn({ code: error.code, rid: error.rid });
 * }
 * ```
 */
export abstract class WechatError<Code extends WechatErrorCode = WechatErrorCode>
  extends HttpException
  implements WechatCallInfo
{
  /** The code of the class. */
  static readonly code: WechatErrorCode;
  /** @internal `false`: no stack is recorded. It takes most of the time of a refusal, which any sender can cause. */
  static readonly hasStack: boolean = true;

  readonly code: Code;
  readonly endpoint?: string;
  readonly errcode?: number;
  readonly rid?: string;
  readonly attempt?: number;
  readonly ms?: number;
  readonly payCode?: string;
  /** Seconds after which a retry makes sense. Sent as `Retry-After`. */
  readonly retryAfter?: number;

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true });
  }

  constructor(message: string, details: WechatErrorDetails = {}) {
    const { stackTraceLimit } = Error;
    if (!new.target.hasStack) Error.stackTraceLimit = 0;
    super(message, RESPONSES[new.target.code].status);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = new.target.code as Code;
    for (const [key, value] of Object.entries(details))
      if (value !== undefined) Object.assign(this, { [key]: value });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    if (typeof value !== 'object' || value === null || !(BRAND in value)) return false;
    return this === WechatError || (Object.hasOwn(this, 'code') && this.code === codeOf(value));
  }

  /** The response body for the client. */
  override getResponse(): WechatErrorBody {
    const { status, code = status, msg = this.message } = RESPONSES[this.code];
    return { code, msg, data: null, success: false, error: this.code };
  }

  /** The response headers for the client: `WWW-Authenticate` for a 401, and `Retry-After`. */
  getHeaders(): Record<string, string> {
    if (this.getStatus() === 401) return { 'WWW-Authenticate': 'Bearer' };
    return this.retryAfter === undefined ? {} : { 'Retry-After': String(this.retryAfter) };
  }

  /** The fields for a log in JSON. */
  toJSON(): object {
    const {
      response: _body,
      options: _options,
      cause,
      ...fields
    } = Object.assign({}, this) as Record<string, unknown>;
    return cause instanceof Error
      ? { ...fields, cause: Object.assign({ message: cause.message }, cause) }
      : fields;
  }
}

/**
 * The caller passed a value of the wrong shape. Nothing was sent to WeChat or to the store, unless `errcode` is set: then WeChat
 * refused a parameter.
 *
 * @example
 * ```ts
 * if (error instanceof WechatBadRequestError) return reply.status(400).send(error.message);      // sessions.login(undefined)
 * ```
 */
export class WechatBadRequestError extends WechatError<'ERR_BAD_REQUEST'> {
  static override readonly code = 'ERR_BAD_REQUEST';
}

/**
 * The session is absent, unknown, expired or revoked. A client cannot tell which.
 *
 * It has no stack. Recording the stack takes a quarter of the time of a refused request, and a flood of invented tokens would
 * make the server pay that for each of them.
 *
 * @example
 * ```ts
 * if (error instanceof WechatSessionError) return redirectToLogin();      // sessions.find(expired)
 * ```
 */
export class WechatSessionError extends WechatError<'ERR_WECHAT_SESSION'> {
  static override readonly code = 'ERR_WECHAT_SESSION';
  /** @internal */
  static override readonly hasStack = false;

  constructor(message = 'Session is unknown or has expired. Call wx.login() again.') {
    super(message);
  }
}

/** Codes of WeChat look alike, and WeChat's response does not tell them apart. */
const CODE_SOURCES: Record<string, string | undefined> = {
  '/sns/jscode2session': 'wx.login, such as a code of the phone button',
  '/wxa/business/getuserphonenumber': 'the phone button, such as a code of wx.login',
};

/**
 * WeChat refused a code of `wx.login`, of the phone button or of OAuth. It is unknown, expired, already used, or belongs to
 * another app.
 *
 * @example
 * ```ts
 * if (error instanceof WechatCodeError) return askForFreshCode();      // sessions.login(usedCode)
 * ```
 */
export class WechatCodeError extends WechatError<'ERR_WECHAT_CODE'> {
  static override readonly code = 'ERR_WECHAT_CODE';

  constructor(details: WechatErrorDetails = {}) {
    const source = CODE_SOURCES[details.endpoint ?? ''];
    super(
      `WeChat refused the code: it is unknown, expired or already used${source ? `, or it is not a code of ${source}` : ''}. Ask the client for a fresh one.`,
      details,
    );
  }
}

/**
 * Open data could not be decrypted, or it is not for this session. The error never says why, because errors that differ would
 * let a client forge data without the session_key.
 *
 * @example
 * ```ts
 * if (error instanceof WechatDecryptError) return askForLogin();      // crypto.decryptOpenData(session, forged)
 * ```
 */
export class WechatDecryptError extends WechatError<'ERR_WECHAT_DECRYPT'> {
  static override readonly code = 'ERR_WECHAT_DECRYPT';

  constructor() {
    super(
      'Open data could not be decrypted. Call wx.login() again, then ask the user for the data once more.',
    );
  }
}

/**
 * The signature of rawData was not made with this user's session_key.
 *
 * @example
 * ```ts
 * if (error instanceof WechatSignatureError) return askForLogin();      // crypto.verifyRawData(session, forged)
 * ```
 */
export class WechatSignatureError extends WechatError<'ERR_WECHAT_SIGNATURE'> {
  static override readonly code = 'ERR_WECHAT_SIGNATURE';

  constructor() {
    super(
      'rawData does not match its signature. Send rawData exactly as WeChat returned it, or call wx.login() again.',
    );
  }
}

/**
 * The app is not one of `options.apps`, or the caller named a secret that is not the app's.
 *
 * @example
 * ```ts
 * if (error instanceof WechatAppError) return reply.status(400).send(error.parameter);      // sessions.login(code, { appId: unknown })
 * ```
 */
export class WechatAppError extends WechatError<'ERR_WECHAT_APP'> {
  static override readonly code = 'ERR_WECHAT_APP';

  /** @param parameter which parameter is wrong */
  constructor(readonly parameter: 'appId' | 'secret' = 'appId') {
    super(
      parameter === 'appId'
        ? 'This appId is not configured. Add it to the apps of WechatModule.'
        : 'The secret is not the secret of this app.',
    );
  }

  override getResponse(): WechatErrorBody {
    const body = super.getResponse();
    return this.parameter === 'secret'
      ? { ...body, code: 40125, msg: 'invalid parameter: secret' }
      : body;
  }
}

/**
 * The scene of a mini-program code is empty, too long, or has characters that WeChat does not accept.
 *
 * @example
 * ```ts
 * if (error instanceof WechatSceneError) return reply.status(400).send(error.message);      // qrCodes.getUnlimited({ scene: '' })
 * ```
 */
export class WechatSceneError extends WechatError<'ERR_WECHAT_SCENE'> {
  static override readonly code = 'ERR_WECHAT_SCENE';

  constructor(details: WechatErrorDetails = {}) {
    super("scene must be 1 to 32 of the characters 0-9 a-z A-Z !#$&'()*+,/:;=?@-._~", details);
  }
}

/**
 * WeChat does not know the page. It must be a page of the released version, without leading slash and without query.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPageError) return codeOfHomePage(scene);      // qrCodes.getUnlimited({ scene, page: 'pages/nowhere' })
 * ```
 */
export class WechatPageError extends WechatError<'ERR_WECHAT_PAGE'> {
  static override readonly code = 'ERR_WECHAT_PAGE';

  constructor(details: WechatErrorDetails = {}) {
    super(
      'WeChat does not know this page. Name a released page without leading slash and query, or pass checkPath: false.',
      details,
    );
  }

  override getResponse(): WechatErrorBody {
    return withErrcode(super.getResponse(), this);
  }
}

/**
 * WeChat blocked the login of a high-risk user. Do not retry. Tell the user.
 *
 * @example
 * ```ts
 * if (error instanceof WechatBlockedError) return showBlocked();      // sessions.login(codeOfBlockedUser)
 * ```
 */
export class WechatBlockedError extends WechatError<'ERR_WECHAT_BLOCKED'> {
  static override readonly code = 'ERR_WECHAT_BLOCKED';

  constructor(details: WechatErrorDetails = {}) {
    super('WeChat blocked this user as high-risk.', details);
  }
}

/**
 * `@RequireUnionId()` refused a session that has no unionid. WeChat returns one only if the app is bound to an open-platform
 * account.
 *
 * @example
 * ```ts
 * if (error instanceof WechatUnionIdRequiredError) return showHelp();      // @RequireUnionId()
 * ```
 */
export class WechatUnionIdRequiredError extends WechatError<'ERR_WECHAT_UNIONID_REQUIRED'> {
  static override readonly code = 'ERR_WECHAT_UNIONID_REQUIRED';

  constructor() {
    super(
      'This needs a unionid. Bind the app to an open-platform account (open.weixin.qq.com), then call wx.login() again.',
    );
  }
}

/**
 * `@RequirePhone()` refused a user who has no phone number. The client shows its phone button and tries again.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPhoneRequiredError) return showPhoneButton();      // @RequirePhone()
 * ```
 */
export class WechatPhoneRequiredError extends WechatError<'ERR_WECHAT_PHONE_REQUIRED'> {
  static override readonly code = 'ERR_WECHAT_PHONE_REQUIRED';

  constructor() {
    super('This needs a phone number. Ask the user for it first.');
  }
}

/**
 * A quota is used up: WeChat's (45009, 45011), or the library's limit of failed decryptions in one session.
 *
 * @example
 * ```ts
 * if (error instanceof WechatRateLimitError) return tryAgainIn(error.retryAfter);      // errcode 45011
 * ```
 */
export class WechatRateLimitError extends WechatError<'ERR_WECHAT_RATE_LIMIT'> {
  static override readonly code = 'ERR_WECHAT_RATE_LIMIT';

  /** @param retryAfter seconds after which a retry makes sense */
  constructor(
    override readonly retryAfter: number,
    details: WechatErrorDetails = {},
  ) {
    super(`Too many requests. Try again in ${retryAfter} s.`, details);
  }

  override getResponse(): WechatErrorBody {
    return withErrcode(super.getResponse(), this);
  }
}

/**
 * The configuration of the module is wrong. Thrown at the start, and when WeChat refuses the credentials or the IP address of
 * the server.
 *
 * @example
 * ```ts
 * if (error instanceof WechatConfigError) process.stderr.write(error.problems.join('\n'));      // WechatModule.forRoot({ apps: [] })
 * ```
 */
export class WechatConfigError extends WechatError<'ERR_WECHAT_CONFIG'> {
  static override readonly code = 'ERR_WECHAT_CONFIG';

  /** @param problems every problem found. Each names the option, the variable or the AppID, and never a secret */
  constructor(
    readonly problems: string[],
    details: WechatErrorDetails = {},
  ) {
    super(
      `nestjs-wechat is not configured correctly:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
      details,
    );
  }
}

/**
 * WeChat returned a response that its protocol does not describe, or an errcode that has no error class of its own. Also thrown
 * when WeChat refuses the access token (40001, 40014, 42001) a second time, after a fresh one was fetched.
 *
 * @example
 * ```ts
 * if (error instanceof WechatResponseError) logger.error({ errcode: error.errcode, rid: error.rid });
 * ```
 */
export class WechatResponseError extends WechatError<'ERR_WECHAT_RESPONSE'> {
  static override readonly code = 'ERR_WECHAT_RESPONSE';
}

/**
 * WeChat cannot be reached, does not respond in time, or reports that it is busy. `cause` names the error of the network, if
 * there was one.
 *
 * @example
 * ```ts
 * if (error instanceof WechatUnavailableError) return tryAgainIn(error.retryAfter);      // a timeout
 * ```
 */
export class WechatUnavailableError extends WechatError<'ERR_WECHAT_UNAVAILABLE'> {
  static override readonly code = 'ERR_WECHAT_UNAVAILABLE';
  override readonly retryAfter = 1;
}

/**
 * The session store is unavailable. It is not known whether the session exists, so the request is neither accepted nor treated
 * as logged out. `cause` names the error of Redis or of the connection, if there was one.
 *
 * @example
 * ```ts
 * if (error instanceof StoreUnavailableError) return tryAgainIn(error.retryAfter);      // Redis is down
 * ```
 */
export class StoreUnavailableError extends WechatError<'ERR_STORE_UNAVAILABLE'> {
  static override readonly code = 'ERR_STORE_UNAVAILABLE';
  override readonly retryAfter = 1;

  /**
   * @param options
   * @param options.cause the error of Redis or of the connection
   */
  constructor(
    message = 'The session store did not respond. Its log lines name the cause. The connection is retried automatically.',
    { cause }: { cause?: unknown } = {},
  ) {
    super(message, { cause });
  }
}

/**
 * A subscribe message that WeChat does not accept: the template is unknown or banned, the page is unknown, a key is missing, or a value
 * breaks the rule of its key. Without an `errcode` nothing was sent.
 *
 * @example
 * ```ts
 * if (error instanceof WechatTemplateError) logger.error({ key: error.key, errcode: error.errcode });      // thing1 of 21 characters
 * ```
 * @experimental
 */
export class WechatTemplateError extends WechatError<'ERR_WECHAT_TEMPLATE'> {
  static override readonly code = 'ERR_WECHAT_TEMPLATE';

  /** @param key the key of the template whose value is wrong, such as `thing1` */
  constructor(
    message: string,
    readonly key?: string,
    details: WechatErrorDetails = {},
  ) {
    super(message, details);
  }
}

/**
 * WeChat refused a text or a file because of its content.
 *
 * @example
 * ```ts
 * if (error instanceof WechatContentError) return reply.status(400).send('choose other words');      // errcode 45168
 * ```
 * @experimental
 */
export class WechatContentError extends WechatError<'ERR_WECHAT_CONTENT'> {
  static override readonly code = 'ERR_WECHAT_CONTENT';

  constructor(details: WechatErrorDetails = {}) {
    super('WeChat refuses this content. Ask the user for other words or another file.', details);
  }
}

/**
 * WeChat judges content only of users who opened the mini program within the last two hours.
 *
 * @example
 * ```ts
 * if (error instanceof WechatNotVisitedError) return askToOpenMiniProgram();      // checkText of a user who left three hours ago
 * ```
 * @experimental
 */
export class WechatNotVisitedError extends WechatError<'ERR_WECHAT_NOT_VISITED'> {
  static override readonly code = 'ERR_WECHAT_NOT_VISITED';

  constructor(details: WechatErrorDetails = {}) {
    super(
      'The user has not opened the mini program within the last two hours. Check the content when the user sends it, not later.',
      details,
    );
  }
}

/**
 * WeChat accepts no customer message to this user now: the time after the user's last message or visit is over, or all messages
 * of that time are sent. `errcode` says which.
 *
 * @example
 * ```ts
 * if (error instanceof WechatReplyWindowError) return replyWhenUserWritesAgain();      // errcode 45015
 * ```
 * @experimental
 */
export class WechatReplyWindowError extends WechatError<'ERR_WECHAT_REPLY_WINDOW'> {
  static override readonly code = 'ERR_WECHAT_REPLY_WINDOW';

  constructor(details: WechatErrorDetails = {}) {
    super(
      'WeChat accepts no customer message to this user now. Wait until the user sends a message or opens the customer-service session.',
      details,
    );
  }
}

const SHIPPING_CURES: Record<number, string> = {
  10060001:
    'WeChat does not know the payment. Shortly after a payment it may not know it yet: try again in a minute.',
  10060002: 'The order is shipped and received. It cannot be changed any more.',
  10060003: 'The shipping information was corrected once already. It cannot be corrected again.',
  10060004: 'The state of the order allows no shipping, for example because it is refunded.',
  10060031: 'Another user paid this order. Pass the openid of the payer.',
};

/**
 * WeChat refused shipping information because of the state of the order. `errcode` says why: 10060001 to 10060004, or 10060031.
 *
 * @example
 * ```ts
 * if (error instanceof WechatShippingError && error.errcode === 10060001) return tryAgainInOneMinute();
 * ```
 * @experimental
 */
export class WechatShippingError extends WechatError<'ERR_WECHAT_SHIPPING'> {
  static override readonly code = 'ERR_WECHAT_SHIPPING';

  constructor(details: WechatErrorDetails & { errcode: number }) {
    super(SHIPPING_CURES[details.errcode] ?? 'WeChat refuses the shipping information.', details);
  }
}

/**
 * A push or a notification that is not WeChat's: its signature is missing, wrong or too old, or it belongs to another app or merchant.
 * It has no stack, because any sender can cause it.
 *
 * @example
 * ```ts
 * if (error instanceof WechatCallbackError) return reply.status(error.getStatus()).send();      // verifyPaySignature(forged)
 * ```
 */
export class WechatCallbackError extends WechatError<'ERR_WECHAT_CALLBACK'> {
  static override readonly code = 'ERR_WECHAT_CALLBACK';
  /** @internal */
  static override readonly hasStack = false;

  /** @param status 403 if it belongs to another app or merchant, and for every push; else 401 */
  constructor(
    message: string,
    private readonly httpStatus: 401 | 403 = 401,
  ) {
    super(message);
  }

  override getStatus(): number {
    return this.httpStatus;
  }

  override getResponse(): WechatErrorBody {
    return { ...super.getResponse(), code: this.httpStatus };
  }
}

/**
 * The order is paid, so it can be neither prepared again nor closed. A signed query has confirmed it.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPayOrderPaidError) return orders.markPaid(number);      // payments.close(number)
 * ```
 */
export class WechatPayOrderPaidError extends WechatError<'ERR_PAY_ORDER_PAID'> {
  static override readonly code = 'ERR_PAY_ORDER_PAID';

  constructor(details: WechatErrorDetails = {}) {
    super('The order is paid. Refund it instead of closing it.', details);
  }
}

/**
 * The order is closed, so it can be paid only under a new number. A signed query has confirmed it.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPayOrderClosedError) return orders.createAgain(order);      // payments.prepay(closed)
 * ```
 */
export class WechatPayOrderClosedError extends WechatError<'ERR_PAY_ORDER_CLOSED'> {
  static override readonly code = 'ERR_PAY_ORDER_CLOSED';

  constructor(details: WechatErrorDetails = {}) {
    super('The order is closed. Use a new outTradeNo.', details);
  }
}

/**
 * The order number was used before with other fields. A repeated prepay must have every field as in the first one.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPayOrderConflictError) logger.error(order.number);      // payments.prepay with another amount
 * ```
 */
export class WechatPayOrderConflictError extends WechatError<'ERR_PAY_ORDER_CONFLICT'> {
  static override readonly code = 'ERR_PAY_ORDER_CONFLICT';

  constructor(details: WechatErrorDetails = {}) {
    super(
      'This outTradeNo was used with other fields. Store the fields of the first prepay and repeat exactly these, or use a new number.',
      details,
    );
  }
}

const REFUND_CURES: Record<string, string> = {
  NOT_ENOUGH:
    "The merchant's balance is too low. Top it up and repeat the request with the same outRefundNo.",
  USER_ACCOUNT_ABNORMAL:
    "The user's account is closed or frozen. Pay the user back in another way.",
  RULE_LIMIT:
    'A limit of WeChat Pay is reached. Read the limits of refunds in the merchant console.',
  TRADE_ERROR: "The state of the order or the user's account allows no refund. Query the order.",
  RESOURCE_NOT_EXISTS: 'WeChat Pay does not know the order. Compare outTradeNo or transactionId.',
  INVALID_REQUEST:
    'The amounts or the state do not allow it: more than is left of the payment, other fields under the same outRefundNo, or a payment that is older than a year.',
};

/**
 * WeChat Pay refused a refund. `payCode` says why, for example NOT_ENOUGH: the merchant's balance is too low.
 *
 * @example
 * ```ts
 * if (error instanceof WechatPayRefundError && error.payCode === 'NOT_ENOUGH') return tryAgainTomorrow();
 * ```
 */
export class WechatPayRefundError extends WechatError<'ERR_PAY_REFUND'> {
  static override readonly code = 'ERR_PAY_REFUND';

  constructor(
    override readonly payCode: string,
    details: WechatErrorDetails = {},
  ) {
    super(
      `WeChat Pay refused the refund: ${payCode}. ${REFUND_CURES[payCode] ?? ''}`.trim(),
      details,
    );
  }

  override getResponse(): WechatErrorBody {
    return { ...super.getResponse(), data: { payCode: this.payCode } };
  }
}

/**
 * All error classes of this library as one union. `switch (error.code)` narrows it to one class.
 *
 * @example
 * ```ts
 * function isTemporary(error: AnyWechatError): boolean {
 *   switch (error.code) {
 *     case 'ERR_WECHAT_RATE_LIMIT': return error.retryAfter < 10;      // a WechatRateLimitError
 *     default: return error.getStatus() === 503;
 *   }
 * }
 * ```
 */
export type AnyWechatError =
  | WechatBadRequestError
  | WechatSessionError
  | WechatCodeError
  | WechatDecryptError
  | WechatSignatureError
  | WechatAppError
  | WechatSceneError
  | WechatPageError
  | WechatBlockedError
  | WechatUnionIdRequiredError
  | WechatPhoneRequiredError
  | WechatRateLimitError
  | WechatConfigError
  | WechatResponseError
  | WechatUnavailableError
  | StoreUnavailableError
  | WechatTemplateError
  | WechatContentError
  | WechatNotVisitedError
  | WechatReplyWindowError
  | WechatShippingError
  | WechatCallbackError
  | WechatPayOrderPaidError
  | WechatPayOrderClosedError
  | WechatPayOrderConflictError
  | WechatPayRefundError;

/**
 * Like `error instanceof WechatError`, and narrows to `AnyWechatError`.
 *
 * @example
 * ```ts
 * catch (error) { if (isWechatError(error) && error.code === 'ERR_WECHAT_APP') logger.warn(error.parameter); }
 * ```
 */
export function isWechatError(error: unknown): error is AnyWechatError {
  return error instanceof WechatError;
}

function codeOf(error: object): unknown {
  return 'code' in error ? error.code : undefined;
}

/** The body with WeChat's errcode, if WeChat returned one, as its `code`. */
function withErrcode(body: WechatErrorBody, { errcode }: WechatCallInfo): WechatErrorBody {
  return errcode === undefined ? body : { ...body, code: errcode };
}
