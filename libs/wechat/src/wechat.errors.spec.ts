import { HttpException } from '@nestjs/common';
import { safeCause } from './error-cause.js';
import * as errors from './wechat.errors.js';
import type { AnyWechatError, WechatErrorCode } from './wechat.errors.js';

const {
  isWechatError,
  StoreUnavailableError,
  WechatAppError,
  WechatBadRequestError,
  WechatConfigError,
  WechatError,
  WechatPageError,
  WechatRateLimitError,
  WechatResponseError,
  WechatSessionError,
  WechatUnavailableError,
} = errors;

const classes = Object.values(errors).filter(
  (value): value is typeof WechatSessionError =>
    typeof value === 'function' && value !== WechatError && value.prototype instanceof WechatError,
);

/** One error of each class. */
const examples: AnyWechatError[] = [
  new WechatBadRequestError('code is required'),
  new WechatSessionError(),
  new errors.WechatCodeError(),
  new errors.WechatDecryptError(),
  new errors.WechatSignatureError(),
  new WechatAppError(),
  new errors.WechatSceneError(),
  new WechatPageError(),
  new errors.WechatBlockedError(),
  new errors.WechatUnionIdRequiredError(),
  new errors.WechatPhoneRequiredError(),
  new WechatRateLimitError(60),
  new WechatConfigError(['apps must name at least one app']),
  new WechatResponseError('unusable'),
  new WechatUnavailableError('timeout'),
  new StoreUnavailableError(),
  new errors.WechatCallbackError('wrong signature'),
  new errors.WechatTemplateError('thing1 is too long', 'thing1'),
  new errors.WechatContentError(),
  new errors.WechatNotVisitedError(),
  new errors.WechatReplyWindowError(),
  new errors.WechatShippingError({ errcode: 10060002 }),
  new errors.WechatPayOrderPaidError(),
  new errors.WechatPayOrderClosedError(),
  new errors.WechatPayOrderConflictError(),
  new errors.WechatPayRefundError('NOT_ENOUGH'),
];

describe('the errors', () => {
  it('are one class for each code and one code for each class', () => {
    expect(new Set(examples.map(({ constructor }) => constructor))).toEqual(new Set(classes));
    expect(new Set(examples.map(({ code }) => code)).size).toBe(classes.length);
    for (const error of examples)
      expect(error.code).toBe((error.constructor as typeof WechatError).code);
  });

  it('narrow to one class in a switch over the code', () => {
    const detailOf = (error: AnyWechatError): unknown => {
      switch (error.code) {
        case 'ERR_WECHAT_APP':
          return error.parameter;
        case 'ERR_WECHAT_CONFIG':
          return error.problems;
        case 'ERR_WECHAT_RATE_LIMIT':
          return error.retryAfter;
        default:
          return error.code satisfies Exclude<
            WechatErrorCode,
            'ERR_WECHAT_APP' | 'ERR_WECHAT_CONFIG' | 'ERR_WECHAT_RATE_LIMIT'
          >;
      }
    };
    const every: Record<WechatErrorCode, true> = {} as Record<AnyWechatError['code'], true>;
    expect(every).toEqual({});
    expect([
      detailOf(new WechatAppError('secret')),
      detailOf(new WechatConfigError(['x'])),
      detailOf(new WechatRateLimitError(7)),
    ]).toEqual(['secret', ['x'], 7]);
  });

  it('are HttpExceptions with the status and the body of the contract', () => {
    const rows = examples.map((error) => {
      expect(error).toBeInstanceOf(HttpException);
      const { code, msg, ...rest } = error.getResponse();
      const data = error.code === 'ERR_PAY_REFUND' ? { payCode: 'NOT_ENOUGH' } : null;
      expect(rest).toEqual({ data, success: false, error: error.code });
      return [error.getStatus(), code, error.code, msg];
    });
    expect(rows).toEqual([
      [400, 400, 'ERR_BAD_REQUEST', 'code is required'],
      [401, 1000, 'ERR_WECHAT_SESSION', 'unauthorized'],
      [401, 40029, 'ERR_WECHAT_CODE', 'invalid parameter: code'],
      [400, 1004, 'ERR_WECHAT_DECRYPT', 'error: decode failed'],
      [400, 1005, 'ERR_WECHAT_SIGNATURE', 'error: signature mismatch'],
      [400, 40013, 'ERR_WECHAT_APP', 'invalid parameter: appId'],
      [400, 40169, 'ERR_WECHAT_SCENE', 'invalid length for scene, or the data is not json string'],
      [400, 41030, 'ERR_WECHAT_PAGE', 'invalid parameter: page'],
      [403, 40226, 'ERR_WECHAT_BLOCKED', 'user blocked'],
      [403, 403, 'ERR_WECHAT_UNIONID_REQUIRED', 'unionid required'],
      [403, 403, 'ERR_WECHAT_PHONE_REQUIRED', 'phone number required'],
      [429, 429, 'ERR_WECHAT_RATE_LIMIT', 'too many requests'],
      [500, 500, 'ERR_WECHAT_CONFIG', 'internal error'],
      [502, 502, 'ERR_WECHAT_RESPONSE', 'WeChat returned an unusable response'],
      [503, 503, 'ERR_WECHAT_UNAVAILABLE', 'WeChat is unavailable; try again shortly'],
      [503, 503, 'ERR_STORE_UNAVAILABLE', 'the session store is unavailable; try again shortly'],
      [401, 401, 'ERR_WECHAT_CALLBACK', 'not from WeChat'],
      [400, 400, 'ERR_WECHAT_TEMPLATE', 'invalid template message'],
      [400, 400, 'ERR_WECHAT_CONTENT', 'WeChat refuses this content'],
      [409, 409, 'ERR_WECHAT_NOT_VISITED', 'open the mini program and try again'],
      [409, 409, 'ERR_WECHAT_REPLY_WINDOW', 'WeChat accepts no reply to this user now'],
      [409, 409, 'ERR_WECHAT_SHIPPING', 'WeChat refuses the shipping information'],
      [409, 409, 'ERR_PAY_ORDER_PAID', 'the order is paid'],
      [409, 409, 'ERR_PAY_ORDER_CLOSED', 'the order is closed'],
      [409, 409, 'ERR_PAY_ORDER_CONFLICT', 'the order number was used with other fields'],
      [409, 409, 'ERR_PAY_REFUND', 'the refund was refused'],
    ]);
  });

  it('put the errcode or the wrong parameter into the body', () => {
    expect(new WechatAppError('secret').getResponse()).toMatchObject({
      code: 40125,
      msg: 'invalid parameter: secret',
    });
    expect(new WechatPageError({ errcode: 40159 }).getResponse().code).toBe(40159);
    expect(new WechatRateLimitError(60, { errcode: 45009 }).getResponse().code).toBe(45009);
  });

  it('carry the headers that a client needs', () => {
    expect(new WechatSessionError().getHeaders()).toEqual({ 'WWW-Authenticate': 'Bearer' });
    expect(new WechatRateLimitError(60).getHeaders()).toEqual({ 'Retry-After': '60' });
    expect(new StoreUnavailableError().getHeaders()).toEqual({ 'Retry-After': '1' });
    expect(new WechatBadRequestError('').getHeaders()).toEqual({});
  });

  it('are written to a log in JSON with their message, call and cause', () => {
    const cause = safeCause({ code: 'ENOTFOUND', hostname: 'api.weixin.qq.com' });
    const error = new WechatUnavailableError('unreachable', {
      endpoint: '/sns/jscode2session',
      rid: undefined,
      cause,
    });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'WechatUnavailableError',
      message: 'unreachable',
      status: 503,
      code: 'ERR_WECHAT_UNAVAILABLE',
      retryAfter: 1,
      endpoint: '/sns/jscode2session',
      cause: {
        message: 'ENOTFOUND api.weixin.qq.com',
        code: 'ENOTFOUND',
        hostname: 'api.weixin.qq.com',
      },
    });
  });

  it('have a stack, except WechatSessionError', () => {
    expect(new WechatSessionError().stack).not.toContain('\n');
    expect(new WechatResponseError('unusable').stack).toContain('wechat.errors.spec');
  });
});

describe('two copies of the package', () => {
  let other: typeof errors;
  beforeAll(() => {
    jest.isolateModules(() => {
      // eslint-disable-next-line typescript/no-require-imports -- a second copy, as npm installs it
      other = require('./wechat.errors.js') as typeof errors;
    });
  });

  it("recognise each other's errors with instanceof and isWechatError", () => {
    expect(other.WechatSessionError).not.toBe(WechatSessionError);
    const foreign: unknown = new other.WechatSessionError();
    expect(foreign).toBeInstanceOf(WechatError);
    expect(foreign).toBeInstanceOf(WechatSessionError);
    expect(foreign).not.toBeInstanceOf(WechatAppError);
    expect(new WechatSessionError()).toBeInstanceOf(other.WechatSessionError);
    expect(isWechatError(foreign)).toBe(true);
  });

  it('control: do not recognise them by the prototype chain', () => {
    const ordinary = Function.prototype[Symbol.hasInstance];
    expect(ordinary.call(WechatError, new other.WechatSessionError())).toBe(false);
  });

  it('do not take an error for an instance of a subclass', () => {
    class SubclassError extends WechatSessionError {}
    expect(new SubclassError()).toBeInstanceOf(WechatSessionError);
    expect(new SubclassError()).toBeInstanceOf(SubclassError);
    expect(new WechatSessionError()).not.toBeInstanceOf(SubclassError);
    expect(new other.WechatSessionError()).not.toBeInstanceOf(SubclassError);
  });

  it.each([undefined, null, 'ERR_WECHAT_SESSION', { code: 'ERR_WECHAT_SESSION' }, new Error('x')])(
    'do not take %p for an error of the library',
    (value: unknown) => {
      expect(value instanceof WechatError).toBe(false);
      expect(isWechatError(value)).toBe(false);
    },
  );
});

describe('safeCause', () => {
  it('keeps the fields that name the failure and drops all others', () => {
    const parseError = Object.assign(new Error('Parse Error: srd_secret'), {
      code: 'HPE_INVALID_CONSTANT',
      rawPacket: Buffer.from('access_token'),
      config: { url: '/sns/jscode2session?secret=abc' },
    });
    expect({ ...safeCause(parseError) }).toEqual({ code: 'HPE_INVALID_CONSTANT' });
    expect(safeCause(parseError)?.message).toBe('HPE_INVALID_CONSTANT');
    const refused = { code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port: 1 };
    expect(safeCause(refused)?.message).toBe('ECONNREFUSED connect 127.0.0.1 1');
    expect(safeCause(new Error('READONLY you cannot write'), 'READONLY')?.message).toBe('READONLY');
  });

  it.each([undefined, null, new Error('no code'), { code: 7 }])(
    'is undefined for %p, which has no code',
    (error: unknown) => {
      expect(safeCause(error)).toBeUndefined();
    },
  );
});
