import { assign } from './assign.js';
import { Wx, wxOrGlobal } from './wx.js';
import { callWx } from './wx-call.js';

/** The options of `askToSubscribe`. */
export interface SubscribeOptions {
  /** `Taro`, or a test's own. @default the global `wx`, else the global `uni` */
  wx?: Wx;
}

/**
 * The user's decision for each template: `accept`, `reject`, `ban` (WeChat has banned the template) or `filter` (another template of
 * the call has the same title).
 */
export type SubscribeResults = Record<string, string>;

const QUESTION_TIMEOUT_MS = 5 * 60 * 1000;

/**
 * Asks the user to allow subscribe messages. One `accept` allows one message of a one-time template.
 *
 * Call it directly in a tap handler, before any `await` and outside of `then()`: WeChat shows the question only after a tap.
 *
 * @param templateIds at most 5; one-time and long-term templates cannot be mixed
 * @throws RequestError `ERR_WX`; `code` is WeChat's `errCode`: 20004 if the user has switched all messages off, 20001 for an unknown template
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/open-api/subscribe-message/wx.requestSubscribeMessage.html
 * @experimental no real merchant has used it yet
 * @example
 * askToSubscribe([ORDER_PAID]).then((results) => this.setData({ allowed: results[ORDER_PAID] === 'accept' }));
 */
export function askToSubscribe(
  templateIds: string[],
  options: SubscribeOptions = {},
): Promise<SubscribeResults> {
  const wx = wxOrGlobal(options.wx);
  return callWx<object | undefined>(
    (callbacks) => wx.requestSubscribeMessage(assign({ tmplIds: templateIds }, callbacks)),
    QUESTION_TIMEOUT_MS,
  ).then((decisions) => {
    const results = assign({}, decisions || {}) as SubscribeResults & { errMsg?: string };
    delete results.errMsg;
    return results;
  });
}
