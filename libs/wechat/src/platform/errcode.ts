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

/** The time in seconds after which a rate-limited client may try again. */
const RETRY_AFTER_S = 60;
/** For this endpoint 40013 and 40003 mean that the client's code is not valid. For others they concern the app's credentials. */
const PHONE_ENDPOINT = '/wxa/business/getuserphonenumber';
/** For these endpoints 40001 means that the AppSecret is wrong. For others it means that the access token is not valid. */
const TOKEN_ENDPOINTS = ['/cgi-bin/token', '/cgi-bin/stable_token'];

/**
 * Converts an errcode of WeChat to an error of this library. No other file knows the meaning of an errcode.
 * @param errmsg WeChat's text after `cleanErrmsg`
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html
 */
export function errorFor(errcode: number, errmsg: string, info: WechatCallInfo): WechatError {
  const call = { ...info, errcode };
  switch (errcode) {
    case -1:
      return new WechatUnavailableError('WeChat is busy. Try again later.', call);
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
      return new WechatRateLimitError(RETRY_AFTER_S, call);
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

function refusedConfig(subject: string, call: WechatCallInfo): WechatConfigError {
  return new WechatConfigError(
    [
      `WeChat refuses ${subject} (${call.endpoint} returned ${call.errcode}, rid ${call.rid ?? 'unknown'})`,
    ],
    call,
  );
}

function refusedToken(errmsg: string, call: WechatCallInfo): WechatResponseError {
  return new WechatResponseError(`WeChat refuses the access token: ${errmsg}`, call);
}

/** Returns whether WeChat refused the access token of a call. */
export function isAccessTokenRefused(error: unknown): boolean {
  return error instanceof WechatResponseError && [40001, 40014, 42001].includes(error.errcode ?? 0);
}

function unexpected(errmsg: string, call: WechatCallInfo): WechatResponseError {
  return new WechatResponseError(`${call.endpoint} returned ${call.errcode}: ${errmsg}`, call);
}

/**
 * Prepares WeChat's errmsg for errors and logs. Control characters, which could forge a log line, become spaces. Secrets become
 * `***`. The text is cut after 200 characters.
 * @param secrets texts of the request. They are also masked if they are percent-encoded or escaped as in JSON
 */
export function cleanErrmsg(
  errmsg: unknown,
  secrets: string[] = [],
): { text: string; rid?: string } {
  let text = typeof errmsg === 'string' ? errmsg : '';
  const longestFirst = secrets.flatMap(formsOf).toSorted((one, other) => other.length - one.length);
  for (const secret of longestFirst) text = text.replaceAll(secret, '***');
  text = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').slice(0, 200);
  const [, rid] = /rid: ([0-9a-f]+(?:-[0-9a-f]+){2})/.exec(text) ?? [];
  return { text, rid };
}

/** Returns a text as WeChat could repeat it: as it is, percent-encoded, and escaped as in JSON. */
function formsOf(text: string): string[] {
  const wellFormed = Buffer.from(text).toString(); // encodeURIComponent throws for a lone surrogate
  return [text, encodeURIComponent(wellFormed), JSON.stringify(text).slice(1, -1)];
}
