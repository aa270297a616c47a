import {
  WechatBlockedError,
  WechatCodeError,
  WechatConfigError,
  WechatPageError,
  WechatRateLimitError,
  WechatResponseError,
  WechatSceneError,
  WechatSessionError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import type { WechatCallInfo, WechatError } from '../wechat.errors.js';

const MINUTE = 60;
/** Here 40013 and 40003 speak of the code that the client sent, not of our own credentials. */
const PHONE_ENDPOINT = '/wxa/business/getuserphonenumber';
/** Here 40001 says that the AppSecret is wrong; everywhere else, that the access token is. */
const TOKEN_ENDPOINTS = ['/cgi-bin/token', '/cgi-bin/stable_token'];

/**
 * The one place that knows what WeChat's numbers mean.
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html
 */
export function errorFor(errcode: number, errmsg: string, info: WechatCallInfo): WechatError {
  const call = { ...info, errcode };
  switch (errcode) {
    case -1:
      return new WechatUnavailableError('WeChat is busy. Try again shortly.', call);
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
    case 45009:
    case 45011:
    case 44991:
      return new WechatRateLimitError(MINUTE, call);
    case 40129:
    case 40169:
      return new WechatSceneError(call);
    case 41030:
    case 40159:
      return new WechatPageError(call);
    case 40001:
      return TOKEN_ENDPOINTS.includes(call.endpoint ?? '')
        ? refusedConfig('the AppSecret', call)
        : refusedToken(errmsg, call);
    case 40014:
    case 42001:
      return refusedToken(errmsg, call);
    case 40003:
      return call.endpoint === PHONE_ENDPOINT
        ? new WechatCodeError(call)
        : unexpected(errmsg, call);
    case 40013:
      return call.endpoint === PHONE_ENDPOINT
        ? new WechatCodeError(call)
        : refusedConfig('the AppID', call);
    case 40125:
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
      return unexpected(errmsg, call);
  }
}

function refusedConfig(what: string, call: WechatCallInfo): WechatConfigError {
  return new WechatConfigError(
    [
      `WeChat refuses ${what} (${call.endpoint} answered ${call.errcode}, rid ${call.rid ?? 'unknown'})`,
    ],
    call,
  );
}

function refusedToken(errmsg: string, call: WechatCallInfo): WechatResponseError {
  return new WechatResponseError(`WeChat refuses the access token: ${errmsg}`, call);
}

/** Whether WeChat refused the access token of a call. */
export function isAccessTokenRefused(error: unknown): boolean {
  return error instanceof WechatResponseError && [40001, 40014, 42001].includes(error.errcode ?? 0);
}

function unexpected(errmsg: string, call: WechatCallInfo): WechatResponseError {
  return new WechatResponseError(`${call.endpoint} answered ${call.errcode}: ${errmsg}`, call);
}

/**
 * Prepares WeChat's text for errors and logs: without control characters, which could forge a log line, without the secrets
 * of the request, and 200 characters at most.
 */
export function cleanErrmsg(
  errmsg: unknown,
  secrets: string[] = [],
): { text: string; rid?: string } {
  let text = typeof errmsg === 'string' ? errmsg : '';
  for (const secret of secrets)
    text = text.replaceAll(secret, '***').replaceAll(encodeURIComponent(secret), '***');
  text = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').slice(0, 200);
  const [, rid] = /rid: ([0-9a-f]+(?:-[0-9a-f]+){2})/.exec(text) ?? [];
  return { text, rid };
}
