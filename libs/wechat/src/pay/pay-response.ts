import { isObject } from '../is-object.js';
import type { HttpResponse } from '../transport/http.transport.js';
import { WechatResponseError } from '../wechat.errors.js';
import type { PayRefusal } from './pay-error.js';

/**
 * Returns the path with `*` in place of order numbers and ids. The circuit breaker, logs, errors and spans use it.
 * `/v3/pay/transactions/out-trade-no/ORDER-1/close` is `/v3/pay/transactions/out-trade-no/*\/close`.
 */
export function endpointOf(path: string): string {
  const [bare = ''] = path.split('?');
  const segments = bare.split('/');
  const isNumber = (segment: string, i: number): boolean =>
    /(^|-)(id|no)$|^refunds$/.test(segments[i - 1] ?? '') || !/^([a-z-]*|v\d|h5)$/.test(segment);
  return segments.map((segment, i) => (isNumber(segment, i) ? '*' : segment)).join('/');
}

/** Reads a response that is not a success. It is not signed, so its texts are checked before they reach an error or a log. */
export function refusalOf({ status, headers, body }: HttpResponse): PayRefusal {
  const json = parseJson(body);
  const { code, message, detail } = isObject(json) ? json : {};
  const field = isObject(detail) ? detail['field'] : undefined;
  const rid = requestIdOf(headers);
  return {
    status,
    code: typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : '',
    message: typeof message === 'string' ? message : '',
    field: typeof field === 'string' && /^[\w./[\]-]{1,64}$/.test(field) ? field : undefined,
    suffix: /-(\d+)$/.exec(rid ?? '')?.[1] ?? '',
    rid,
  };
}

/** `undefined` if the body is not JSON. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/** The error of a success that WeChat Pay's protocol does not allow. */
export function invalid(
  what: string,
  path: string,
  { headers }: Pick<HttpResponse, 'headers'>,
): WechatResponseError {
  return new WechatResponseError(`WeChat Pay returned ${what}.`, {
    endpoint: endpointOf(path),
    rid: requestIdOf(headers),
  });
}

function requestIdOf(headers: HttpResponse['headers']): string | undefined {
  const rid = headers['request-id'];
  return rid !== undefined && /^[\w.-]{1,128}$/.test(rid) ? rid : undefined;
}
