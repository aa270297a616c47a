import {
  StoreUnavailableError,
  WechatAppError,
  WechatBlockedError,
  WechatCodeError,
  WechatConfigError,
  WechatDecryptError,
  WechatError,
  WechatNotVisitedError,
  WechatPageError,
  WechatPayRefundError,
  WechatRateLimitError,
  WechatResponseError,
  WechatSceneError,
  WechatSignatureError,
  WechatUnavailableError,
} from 'nestjs-wechat';
import {
  AppError,
  BadRequestError,
  NotFoundError,
  NotRegisteredError,
  PhoneTakenError,
  ScopeError,
  UnauthorizedError,
} from '../common/app-error.js';
import {
  ContentBlockedError,
  ContentCheckingError,
  ContentRefusedError,
  ContentUnsupportedError,
} from '../content/content.errors.js';
import { RangeNotSatisfiableError } from '../files/send-file.js';
import { FileMissingError, StorageUnavailableError } from '../files/storage-errors.js';
import { TooLargeError, UnsupportedMediaTypeError } from '../files/upload-errors.js';
import { QuotaExceededError } from '../recordings/recording-quota.js';
import {
  IdempotencyConflictError,
  OrderLimitError,
  OrderStateError,
} from '../shop/order-errors.js';

const MB = 1024 * 1024;
const TICKET = 'eyJhbGciOiJIUzI1NiIsInR5cCI6InJlZ2lzdHJhdGlvbitqd3QifQ.…';

/** The errors that the API docs show. Their statuses and bodies come from the errors themselves. */
export const DOCUMENTED_ERRORS = {
  ERR_BAD_REQUEST: new BadRequestError('code must be a code of wx.login'),
  ERR_WECHAT_DECRYPT: new WechatDecryptError(),
  ERR_WECHAT_SIGNATURE: new WechatSignatureError(),
  ERR_WECHAT_APP: new WechatAppError(),
  ERR_WECHAT_SCENE: new WechatSceneError(),
  ERR_WECHAT_PAGE: new WechatPageError({ errcode: 41030 }),
  ERR_WECHAT_SESSION: new UnauthorizedError(),
  ERR_WECHAT_CODE: new WechatCodeError(),
  ERR_WECHAT_BLOCKED: new WechatBlockedError(),
  ERR_SCOPE: new ScopeError(),
  ERR_NOT_FOUND: new NotFoundError(),
  ERR_NOT_REGISTERED: new NotRegisteredError('13580006666', TICKET),
  ERR_PHONE_TAKEN: new PhoneTakenError(),
  ERR_QUOTA: new QuotaExceededError(
    { bytes: 209_000_000, files: 57 },
    { bytes: 200 * MB, files: 200 },
  ),
  ERR_CONTENT_REFUSED: new ContentRefusedError(),
  ERR_CONTENT_CHECKING: new ContentCheckingError(),
  ERR_CONTENT_UNSUPPORTED: new ContentUnsupportedError(),
  ERR_CONTENT_BLOCKED: new ContentBlockedError(),
  ERR_WECHAT_NOT_VISITED: new WechatNotVisitedError(),
  ERR_ORDER_STATE: new OrderStateError('closed'),
  ERR_ORDER_LIMIT: new OrderLimitError(2000),
  ERR_IDEMPOTENCY_CONFLICT: new IdempotencyConflictError(),
  ERR_PAY_REFUND: new WechatPayRefundError('NOT_ENOUGH'),
  ERR_FILE_MISSING: new FileMissingError(),
  TOO_LARGE: new TooLargeError(20 * MB),
  WRONG_TYPE: new UnsupportedMediaTypeError('the file must be mp3, m4a, aac or wav'),
  RANGE_OUTSIDE: new RangeNotSatisfiableError(48_128),
  ERR_WECHAT_RATE_LIMIT: new WechatRateLimitError(60),
  ERR_WECHAT_CONFIG: new WechatConfigError([]),
  ERR_WECHAT_RESPONSE: new WechatResponseError(''),
  ERR_WECHAT_UNAVAILABLE: new WechatUnavailableError(''),
  NO_ROOM: new StorageUnavailableError(),
  UNREADABLE: new StorageUnavailableError({ cannotBe: 'read' }),
  ERR_STORE_UNAVAILABLE: new StoreUnavailableError(),
} satisfies Record<string, AppError | WechatError>;

export type DocumentedError = keyof typeof DOCUMENTED_ERRORS;
