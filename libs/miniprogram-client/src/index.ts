export { createSession } from './session.js';
export type { Session, SessionOptions, SessionState } from './session.types.js';
export { ensureScope } from './scope.js';
export type { ScopeOptions } from './scope.js';
export { askToSubscribe } from './subscribe.js';
export type { SubscribeOptions, SubscribeResults } from './subscribe.js';
export type { AbortablePromise } from './abortable.js';
export type { PayOptions } from './pay.js';
export type { RequestError } from './request-error.js';
export type { IssuedSession, LoginResponse } from './login.js';
export type { CallOptions, DownloadOptions, RequestOptions, UploadOptions } from './http-client.js';
export type { ResponseToUnwrap } from './response.js';
export type {
  RequestPayment,
  Wx,
  WxCallbacks,
  WxFailure,
  WxMethod,
  WxReply,
  WxSettings,
} from './wx.js';
