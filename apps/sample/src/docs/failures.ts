export interface Failure {
  status: number;
  code: number;
  msg: string;
  /** Where several rows share one `error`. @default the name of the row */
  error?: string;
  /** @default null */
  data?: object | null;
}

/** The refusals of this app as the docs show them. */
export const FAILURES = {
  ERR_BAD_REQUEST: { status: 400, code: 400, msg: 'code must be what wx.login gave' },
  WITHOUT_TOKEN: {
    status: 400,
    code: 1001,
    msg: 'without parameter: token',
    error: 'ERR_BAD_REQUEST',
  },
  WITHOUT_ENCRYPTED_DATA: {
    status: 400,
    code: 1002,
    msg: 'without parameter: encrypted data',
    error: 'ERR_BAD_REQUEST',
  },
  WITHOUT_IV: { status: 400, code: 1003, msg: 'without parameter: iv', error: 'ERR_BAD_REQUEST' },
  ERR_WECHAT_DECRYPT: { status: 400, code: 1004, msg: 'error: decode failed' },
  ERR_WECHAT_SIGNATURE: { status: 400, code: 1005, msg: 'error: signature mismatch' },
  ERR_WECHAT_APP: { status: 400, code: 40013, msg: 'invalid parameter: appId' },
  WRONG_SECRET: {
    status: 400,
    code: 40125,
    msg: 'invalid parameter: secret',
    error: 'ERR_WECHAT_APP',
  },
  ERR_WECHAT_SCENE: {
    status: 400,
    code: 40169,
    msg: 'invalid length for scene, or the data is not json string',
  },
  ERR_WECHAT_PAGE: { status: 400, code: 41030, msg: 'invalid parameter: page' },
  ERR_WECHAT_SESSION: { status: 401, code: 1000, msg: 'unauthorized' },
  ERR_WECHAT_CODE: { status: 401, code: 40029, msg: 'invalid parameter: code' },
  ERR_WECHAT_BLOCKED: { status: 403, code: 40226, msg: 'user blocked' },
  ERR_SCOPE: {
    status: 403,
    code: 403,
    msg: 'the token of an account that is not linked may only read it',
  },
  ERR_NOT_FOUND: { status: 404, code: 404, msg: 'not found' },
  ERR_NOT_REGISTERED: {
    status: 404,
    code: 404,
    msg: 'not registered',
    data: {
      phoneNumber: '13580006666',
      registrationTicket: 'eyJhbGciOiJIUzI1NiIsInR5cCI6InJlZ2lzdHJhdGlvbitqd3QifQ.…',
    },
  },
  ERR_PHONE_TAKEN: { status: 409, code: 409, msg: 'phone in use' },
  ERR_QUOTA: {
    status: 409,
    code: 409,
    msg: 'quota exceeded; delete recordings first',
    data: {
      used: { bytes: 209_000_000, files: 57 },
      allowed: { bytes: 209_715_200, files: 200 },
    },
  },
  ERR_FILE_MISSING: {
    status: 410,
    code: 410,
    msg: 'the file of this recording is missing; it may come back',
  },
  TOO_LARGE: {
    status: 413,
    code: 413,
    msg: 'the file is larger than 20 MB',
    error: 'ERR_BAD_REQUEST',
  },
  WRONG_TYPE: {
    status: 415,
    code: 415,
    msg: 'the file must be mp3, m4a, aac or wav',
    error: 'ERR_BAD_REQUEST',
  },
  RANGE_OUTSIDE: {
    status: 416,
    code: 416,
    msg: 'the range lies outside of the file',
    error: 'ERR_BAD_REQUEST',
  },
  ERR_WECHAT_RATE_LIMIT: { status: 429, code: 429, msg: 'too many requests' },
  ERR_WECHAT_CONFIG: { status: 500, code: 500, msg: 'internal error' },
  ERR_WECHAT_RESPONSE: { status: 502, code: 502, msg: 'WeChat returned an unusable response' },
  ERR_WECHAT_UNAVAILABLE: {
    status: 503,
    code: 503,
    msg: 'WeChat is unavailable; try again shortly',
  },
  NO_ROOM: {
    status: 503,
    code: 503,
    msg: 'files cannot be stored now; try again later',
    error: 'ERR_STORE_UNAVAILABLE',
  },
  ERR_STORE_UNAVAILABLE: {
    status: 503,
    code: 503,
    msg: 'the session store is unavailable; try again shortly',
  },
} as const;

export type FailureCode = keyof typeof FAILURES;
