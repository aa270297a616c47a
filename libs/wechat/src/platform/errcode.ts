import {
  WechatBadRequestError,
  WechatBlockedError,
  WechatCodeError,
  WechatConfigError,
  WechatContentError,
  WechatError,
  WechatNotVisitedError,
  WechatPageError,
  WechatRateLimitError,
  WechatReplyWindowError,
  WechatResponseError,
  WechatSceneError,
  WechatSessionError,
  WechatShippingError,
  WechatTemplateError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import type { WechatCallInfo } from '../wechat.errors.js';

/** The time in seconds after which a rate-limited client may try again. */
const RETRY_AFTER_S = 60;

/** Errcodes that a service returns as an outcome. `errorFor` has an error for them too, for calls of WechatApiClient. */
export const OUTCOME = {
  notSubscribed: 43101,
  alreadyTyping: 45081,
  unknownOrder: 10060001,
  shippingUnchanged: 10060023,
} as const;

/** Returns whether an error is WeChat's refusal with this errcode. */
export function hasErrcode(error: unknown, errcode: number): boolean {
  return error instanceof WechatError && error.errcode === errcode;
}

/** Returns whether WeChat refused a code of `wx.login`: it is unknown or expired, or belongs to another mini program. */
export function isLoginCodeRefused(error: WechatError): boolean {
  return error.endpoint === '/sns/jscode2session' && hasErrcode(error, 40029);
}

/** Returns whether WeChat refused the signature of a call, because the session_key is missing or outdated. */
export function isSessionKeyStale(error: unknown): boolean {
  return hasErrcode(error, 87007) || hasErrcode(error, 87009);
}

/** A call that WeChat refused. */
export interface Refusal {
  call: WechatCallInfo & { errcode: number };
  /** WeChat's text after `cleanErrmsg`. */
  errmsg: string;
  /** The AppID that the request names, if it names one. */
  appId?: string;
}

/**
 * Converts WeChat's refusal to an error of this library. The meanings of errcodes are in this file only.
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html
 */
export function errorFor(refusal: Refusal): WechatError {
  const meaning = MEANINGS[refusal.call.endpoint ?? ''];
  return meaning?.(refusal) ?? commonError(refusal);
}

/** Returns the error of an errcode that has another meaning on one endpoint, or `undefined` if it has not. */
type Meaning = (refusal: Refusal) => WechatError | undefined;

const MEANINGS: Record<string, Meaning> = {
  '/cgi-bin/token': tokenError,
  '/cgi-bin/stable_token': tokenError,
  '/wxa/business/getuserphonenumber': phoneError,
  '/cgi-bin/message/subscribe/send': templateError,
  '/wxa/msg_sec_check': contentError,
  '/wxa/media_check_async': contentError,
  '/wxa/getuserriskrank': contentError,
  '/wxa/generate_urllink': linkError,
  '/wxa/generatescheme': linkError,
  '/cgi-bin/message/custom/send': customerMessageError,
  '/wxa/sec/order/upload_shipping_info': shippingError,
  '/wxa/sec/order/get_order': shippingError,
};

/** Elsewhere 40001 means that the access token is not valid. */
function tokenError(refusal: Refusal): WechatError | undefined {
  return refusal.call.errcode === 40001 ? refusedSecret(refusal) : undefined;
}

/** Elsewhere 40003 is unexpected, and 40013 concerns the app's credentials. */
function phoneError({ call }: Refusal): WechatError | undefined {
  return [40003, 40013].includes(call.errcode) ? new WechatCodeError(call) : undefined;
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html */
function templateError({ call, errmsg }: Refusal): WechatError | undefined {
  switch (call.errcode) {
    case 40037:
      return new WechatTemplateError(
        'WeChat does not know the template. Use the id of a template in 我的模板, of the same mini program.',
        undefined,
        call,
      );
    case 41030:
      return new WechatTemplateError('WeChat does not know the page of the message.', 'page', call);
    case 43107:
      return new WechatTemplateError(
        'WeChat has banned the template or subscribe messages of the app. See the messages in the console.',
        undefined,
        call,
      );
    case 47003: {
      const [, key] = /\bdata\.([a-z_]{1,32}\d{1,3})\b/.exec(errmsg) ?? [];
      return new WechatTemplateError(
        `WeChat refuses ${key === undefined ? 'a value' : `the value of ${key}`}: it is empty or breaks the rule of its kind.`,
        key,
        call,
      );
    }
    default:
      return undefined;
  }
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/msgSecCheck.html */
function contentError({ call }: Refusal): WechatError | undefined {
  switch (call.errcode) {
    case 61010:
      return new WechatNotVisitedError(call);
    case 43104:
      return new WechatBadRequestError('openid belongs to another app', call);
    case 40004:
    case 40129:
      return new WechatBadRequestError('WeChat refuses the scene or the type of the media', call);
    default:
      return undefined;
  }
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/url-link/generateUrlLink.html */
function linkError({ call }: Refusal): WechatError | undefined {
  switch (call.errcode) {
    case 40002:
    case 40013:
    case 85407:
    case 85408:
      return refusedConfig('links of this app; individual owners may not create links', call);
    case 85079:
      return refusedConfig('links of this app because it has no released version', call);
    case 40165:
      return new WechatBadRequestError('path is not a released page', call);
    case 40212:
      return new WechatBadRequestError('WeChat refuses the query of the link', call);
    case 85401:
      return new WechatBadRequestError(
        'the link must expire in one minute at the earliest and in 30 days at the latest',
        call,
      );
    case 85402:
      return new WechatBadRequestError('WeChat refuses envVersion', call);
    case 85406:
      return new WechatRateLimitError(RETRY_AFTER_S, call);
    default:
      return undefined;
  }
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/kf-mgnt/kf-message/sendCustomMessage.html */
function customerMessageError({ call }: Refusal): WechatError | undefined {
  switch (call.errcode) {
    case 70000:
      return new WechatContentError(call);
    case 45002:
      return new WechatBadRequestError('the message is too long', call);
    default:
      return undefined;
  }
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/business-capabilities/order-shipping/order-shipping.html */
function shippingError({ call }: Refusal): WechatError | undefined {
  if (call.errcode >= 268485100 && call.errcode <= 268485299) return refusedParcels(call);
  switch (call.errcode) {
    case 10060001:
    case 10060002:
    case 10060003:
    case 10060004:
    case 10060031:
      return new WechatShippingError(call);
    case 10060012:
    case 10060019:
      return busy(call);
    case 10060005:
    case 10060006:
    case 10060007:
    case 10060008:
    case 10060009:
    case 10060014:
    case 10060020:
    case 10060024:
    case 10060025:
    case 10060026:
      return refusedParcels(call);
    default:
      return undefined;
  }
}

function refusedParcels(call: WechatCallInfo): WechatBadRequestError {
  return new WechatBadRequestError(
    `WeChat refuses a field of the shipping information (errcode ${call.errcode})`,
    call,
  );
}

function busy(call: WechatCallInfo): WechatUnavailableError {
  return new WechatUnavailableError('WeChat is busy. Try again later.', call);
}

/** Errcodes with one meaning on every endpoint that `MEANINGS` does not name. */
function commonError(refusal: Refusal): WechatError {
  const { call } = refusal;
  switch (call.errcode) {
    case -1:
      return busy(call);
    case 40029:
    case 40163:
    case 42003:
      return new WechatCodeError(call);
    case 40030:
    case 42002:
    case 42007:
      return new WechatSessionError(
        'WeChat ended this authorisation. Ask the user to log in again.',
      );
    case 40226:
      return new WechatBlockedError(call);
    case 43108:
    case 44990:
    case 44991:
    case 44993:
    case 45009:
    case 45011:
    case 87020:
      return new WechatRateLimitError(RETRY_AFTER_S, call);
    case 40129:
    case 40169:
      return new WechatSceneError(call);
    case 41030:
    case 40159:
      return new WechatPageError(call);
    case 45168:
    case 87014:
      return new WechatContentError(call);
    case 45015:
    case 45047:
    case 45080:
      return new WechatReplyWindowError(call);
    case 40001:
    case 40014:
    case 42001:
      return refusedToken(refusal);
    case 40013:
      return refusedAppId(refusal);
    case 40125:
      return refusedSecret(refusal);
    case 41002:
    case 41004:
    case 40243:
      return refusedConfig('the AppID or AppSecret', call);
    case 40164:
    case 89501:
    case 89503:
    case 89506:
    case 89507:
      return refusedConfig(
        "this server's IP address; add it to the IP whitelist in WeChat's console",
        call,
      );
    case 48001:
    case 48004:
    case 50004:
    case 50007:
      return refusedConfig('this API for the app', call);
    default:
      return unexpected(refusal);
  }
}

function refusedAppId({ call, appId }: Refusal): WechatConfigError {
  if (appId === undefined) return refusedConfig('the AppID', call);
  const place = call.endpoint?.startsWith('/sns/oauth2/')
    ? 'open.weixin.qq.com'
    : '开发管理 on mp.weixin.qq.com';
  return refusedConfig(`the AppID ${appId}`, call, `. Compare it with ${place}.`);
}

function refusedSecret({ call, appId }: Refusal): WechatConfigError {
  if (appId === undefined) return refusedConfig('the AppSecret', call);
  const cure = '. It was reset, or it is that of another app.';
  return refusedConfig(`the AppSecret of ${appId}`, call, cure);
}

function refusedConfig(subject: string, call: WechatCallInfo, cure = ''): WechatConfigError {
  return new WechatConfigError(
    [
      `WeChat refuses ${subject} (${call.endpoint} returned ${call.errcode}, rid ${call.rid ?? 'unknown'})${cure}`,
    ],
    call,
  );
}

function refusedToken({ call, errmsg }: Refusal): WechatResponseError {
  return new WechatResponseError(`WeChat refuses the access token: ${errmsg}`, call);
}

/** Returns whether WeChat refused the access token of a call. */
export function isAccessTokenRefused(error: unknown): boolean {
  return error instanceof WechatResponseError && [40001, 40014, 42001].includes(error.errcode ?? 0);
}

function unexpected({ call, errmsg }: Refusal): WechatResponseError {
  return new WechatResponseError(`${call.endpoint} returned ${call.errcode}: ${errmsg}`, call);
}
