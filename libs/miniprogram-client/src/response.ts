import { assign } from './assign.js';
import { RequestError, requestError } from './request-error.js';
import { WxReply } from './wx.js';

/** What `wx.request`, `wx.uploadFile` and `wx.downloadFile` pass to `success`: any response, whatever its status. */
export interface Reply extends WxReply {
  data?: unknown;
  tempFilePath?: string;
}

/** What an own {@link SessionOptions.unwrap} gets. `data` is parsed if it is JSON, uploads included. */
export interface ResponseToUnwrap {
  statusCode: number;
  data: unknown;
  header?: Record<string, string | undefined>;
}

/** Returns the payload of a response or throws a failure. */
export type Unwrap = (response: ResponseToUnwrap) => unknown;

interface Envelope {
  code: number;
  msg: string;
  data: unknown;
  success: boolean;
  error?: string;
}

/**
 * Returns what the caller wants from a response: the path of a downloaded file, or what `unwrap` makes of the body.
 * The caller names the type, and it is not checked.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function payloadOf<T>(reply: Reply | undefined, unwrap: Unwrap = unwrapEnvelope): T {
  if (!reply || !reply.statusCode)
    throw requestError('ERR_NETWORK', 'wx succeeded without a statusCode', 0, 0);
  const { statusCode, header, tempFilePath } = reply;
  const payload: unknown = tempFilePath
    ? filePath(reply, tempFilePath)
    : unwrap(assign({ statusCode, data: parsed(reply.data) }, { header }));
  return payload as T; // oxlint-disable-line typescript/no-unsafe-type-assertion
}

/**
 * The default of {@link SessionOptions.unwrap}: the `data` of a whole envelope `{ code, msg, data, success }`. Another body is
 * returned as it is, also if it has some of these fields.
 */
function unwrapEnvelope({ statusCode, data: body, header }: ResponseToUnwrap): unknown {
  const envelope = envelopeIn(body);
  if (statusCode < 300 && (!envelope || envelope.success)) return envelope ? envelope.data : body;
  const { error, msg, code, data } = envelope || withoutEnvelope(statusCode, body);
  return fail(error, msg, code, statusCode, { data, retryAfter: retryAfter(header) });
}

/** A failed download leaves its body in a file, so only its status is known. A session was sent, so 401 means the session. */
function filePath({ statusCode, header }: Reply, path: string): string {
  if (statusCode < 300) return path;
  const { error, msg } = withoutEnvelope(statusCode, undefined);
  const name = statusCode === 401 ? 'ERR_WECHAT_SESSION' : error;
  return fail(name, msg, statusCode, statusCode, { retryAfter: retryAfter(header) });
}

function fail(
  error: string | undefined,
  msg: string,
  code: number,
  statusCode: number,
  details: Partial<RequestError>,
): never {
  throw assign(requestError(error || 'ERR_ANSWER', msg, code, statusCode), details);
}

function withoutEnvelope(statusCode: number, data: unknown): Omit<Envelope, 'success'> {
  return {
    code: statusCode,
    msg: 'HTTP ' + statusCode + ' without an envelope. Is baseUrl right?',
    data,
    error: undefined,
  };
}

/** The envelope of a body, if it has all fields. A failed binary request has its envelope in bytes. */
function envelopeIn(data: unknown): Envelope | undefined {
  const body = isBytes(data) ? parsed(textOf(data)) : data;
  const isWhole =
    typeof body === 'object' &&
    body !== null &&
    typeof (body as Envelope).code === 'number' &&
    typeof (body as Envelope).msg === 'string' &&
    typeof (body as Envelope).success === 'boolean' &&
    'data' in body;
  return isWhole ? (body as Envelope) : undefined;
}

/** In milliseconds. Proxies change the case of header names. A date, which the server never sends, counts as absent. */
function retryAfter(header: WxReply['header']): number {
  for (const name in header) {
    if (name.toLowerCase() === 'retry-after') return Number(header[name]) * 1000 || 0;
  }
  return 0;
}

/** wx.request has parsed JSON already, wx.uploadFile never does. Text that is not JSON stays text. */
function parsed(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function isBytes(data: unknown): data is ArrayBuffer {
  return Object.prototype.toString.call(data) === '[object ArrayBuffer]';
}

/** The names and sentences of the server are ASCII, so no UTF-8 decoder is needed. */
function textOf(bytes: ArrayBuffer): string {
  const octets = new Uint8Array(bytes);
  let text = '';
  for (let i = 0; i < octets.length; i++) text += String.fromCharCode(octets[i] || 0);
  return text;
}
