import { WechatBadRequestError } from '../wechat.errors.js';

/**
 * WeChat's verdict on content. Show content only for `pass`. `review` means that a person should look at it.
 *
 * @example
 * ```ts
 * const { suggest, label }: ContentVerdict = await content.checkText({ content: text, scene: 'comment', openid });
 * ```
 * @experimental
 */
export interface ContentVerdict {
  suggest: 'pass' | 'review' | 'risky';
  /**
   * 100 normal, 10001 advertising, 20001 politics, 20002 pornography, 20003 abuse, 20006 illegal, 20008 fraud, 20012 vulgar,
   * 20013 copyright, 21000 other.
   */
  label: number;
  /** WeChat's id of this check. */
  traceId: string;
  /** The results of WeChat's single strategies, as WeChat writes them. An entry whose `errcode` is not 0 is not valid. */
  details: object[];
}

/**
 * A push `wxa_media_check`, read by `readMediaVerdict`.
 *
 * @example
 * ```ts
 * const { traceId, ok, verdict, problem }: MediaVerdict = readMediaVerdict(message);
 * ```
 * @experimental
 */
export interface MediaVerdict {
  /** The id that `checkMedia` returned. Compare it: a verdict is valid for its own check only. */
  traceId: string;
  /** Whether the push contains a verdict: `pass`, `review` or `risky`. */
  ok: boolean;
  /** Present if `ok`. */
  verdict?: ContentVerdict;
  /** Present if not `ok`. `download`: WeChat could not download the file. Start another check later. */
  problem?: 'download' | 'failed';
}

const DOWNLOAD_FAILED = -1008;
const SUGGESTIONS = ['pass', 'review', 'risky'];

/**
 * Reads the verdict of `checkMedia` from the push `wxa_media_check`, in JSON or XML. Anything that is not a complete verdict is a
 * `problem`, so that it cannot be taken for a pass.
 *
 * @example
 * ```ts
 * @OnWechatMessage('event', 'wxa_media_check')
 * async checked(message: WechatMessage) {
 *   const { traceId, verdict } = readMediaVerdict(message);
 *   await this.files.judge(traceId, verdict?.suggest === 'pass');
 * }
 * ```
 * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/mediaCheckAsync.html
 * @throws WechatBadRequestError if the message is not a `wxa_media_check`, has no trace_id, or names another app than its own
 * @experimental
 */
export function readMediaVerdict(message: {
  appId: string;
  event?: string;
  data: Record<string, unknown>;
}): MediaVerdict {
  const { appId, event, data } = message;
  const traceId = traceIdOf(data);
  if (event !== 'wxa_media_check' || traceId === undefined)
    throw new WechatBadRequestError('the message is not a wxa_media_check with a trace_id');
  if (data['appid'] !== undefined && data['appid'] !== appId)
    throw new WechatBadRequestError('the verdict belongs to another app');
  const errcode = numberOf(data['errcode'] ?? 0);
  if (errcode === DOWNLOAD_FAILED) return { traceId, ok: false, problem: 'download' };
  const verdict = errcode === 0 ? verdictOf(data) : undefined;
  return verdict ? { traceId, ok: true, verdict } : { traceId, ok: false, problem: 'failed' };
}

/** Returns the verdict in a response or a push, or `undefined` if it is not complete. XML has texts where JSON has numbers. */
export function verdictOf(data: Record<string, unknown>): ContentVerdict | undefined {
  const { suggest, label } = (data['result'] ?? {}) as Record<string, unknown>;
  const traceId = traceIdOf(data);
  const labelNumber = numberOf(label);
  if (
    !SUGGESTIONS.includes(suggest as string) ||
    traceId === undefined ||
    Number.isNaN(labelNumber)
  )
    return undefined;
  return {
    suggest: suggest as ContentVerdict['suggest'],
    label: labelNumber,
    traceId,
    details: detailsOf(data['detail']),
  };
}

export function traceIdOf({ trace_id: id }: Record<string, unknown>): string | undefined {
  return typeof id === 'string' && /^[\w-]{1,128}$/.test(id) ? id : undefined;
}

/** One element of XML, or a JSON list of one, can arrive as a bare object. */
function detailsOf(detail: unknown): object[] {
  return [detail].flat().filter((one): one is object => typeof one === 'object' && one !== null);
}

/** Returns NaN for anything that is not a whole number. */
function numberOf(value: unknown): number {
  const isNumber =
    typeof value === 'number' || (typeof value === 'string' && /^-?\d{1,9}$/.test(value));
  return isNumber && Number.isInteger(Number(value)) ? Number(value) : NaN;
}
