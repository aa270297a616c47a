import { assign } from './assign.js';
import { RequestError, requestError } from './request-error.js';
import { WxReply } from './wx.js';

/** The argument of `success` of `wx.request`, `wx.uploadFile` and `wx.downloadFile`: a response with any status. */
export interface Reply extends WxReply {
  data?: unknown;
  tempFilePath?: string;
}

/** The argument of {@link SessionOptions.unwrap}. `data` is parsed if it is JSON, also of an upload, and of a binary request that got a JSON object. */
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
 * Returns the payload of a response: the path of a downloaded file, or the result of `unwrap`.
 * The caller names the type, and it is not checked.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function payloadOf<T>(reply: Reply | undefined, unwrap: Unwrap): T {
  if (!reply || !reply.statusCode)
    throw requestError('ERR_NETWORK', 'wx succeeded without a statusCode');
  const { statusCode, header, tempFilePath } = reply;
  try {
    const payload: unknown = tempFilePath
      ? filePath(statusCode, tempFilePath)
      : unwrap(assign({ statusCode, data: parsed(reply.data) }, { header }));
    return payload as T; // oxlint-disable-line typescript/no-unsafe-type-assertion
  } catch (thrown) {
    throw completed(thrown as RequestError, statusCode, retryAfter(header)); // oxlint-disable-line typescript/no-unsafe-type-assertion
  }
}

/** Adds to the error of `unwrap` those fields of a RequestError that it has not set. */
function completed(error: RequestError, statusCode: number, pause: number): RequestError {
  const fields = requestError('ERR_ANSWER', error.message, statusCode, statusCode);
  return assign(error, assign(fields, { retryAfter: pause }, error));
}

/**
 * The default of {@link SessionOptions.unwrap}: the `data` of a whole envelope `{ code, msg, data, success }`. Another body is
 * returned as it is, also if it has some of these fields. A failure without an envelope has Nest's `message`, if there is one.
 */
export function unwrapByDefault({ statusCode, data: body }: ResponseToUnwrap): unknown {
  const envelope = envelopeIn(body);
  if (statusCode < 300 && (!envelope || envelope.success)) return envelope ? envelope.data : body;
  const { msg, code, data, error } = envelope || {
    msg: messageIn(body) || withoutEnvelope(statusCode),
    data: body,
  };
  throw assign(new Error(msg), { code, data, error });
}

/** A failed download leaves its body in a file, so only its status is known. A session was sent, so 401 means the session. */
function filePath(statusCode: number, path: string): string {
  if (statusCode < 300) return path;
  throw assign(new Error(withoutEnvelope(statusCode)), {
    error: statusCode === 401 ? 'ERR_WECHAT_SESSION' : undefined,
  });
}

function withoutEnvelope(statusCode: number): string {
  return 'HTTP ' + statusCode + '. Is baseUrl right?';
}

/** Nest's exceptions have a text, its ValidationPipe has a list of texts. */
function messageIn(body: unknown): string | undefined {
  const { message } = (body || {}) as { message?: string | string[] };
  return message ? String(message) : undefined;
}

/** The envelope of a body, if it has all fields. */
function envelopeIn(body: unknown): Envelope | undefined {
  const envelope = body as Envelope | null | undefined;
  const isWhole =
    envelope &&
    typeof envelope.code === 'number' &&
    typeof envelope.msg === 'string' &&
    typeof envelope.success === 'boolean' &&
    'data' in envelope;
  return isWhole ? envelope : undefined;
}

/** In milliseconds. Proxies change the case of header names. A date, which the server never sends, counts as absent. */
function retryAfter(header: WxReply['header']): number {
  for (const name in header) {
    if (name.toLowerCase() === 'retry-after') return Number(header[name]) * 1000 || 0;
  }
  return 0;
}

/**
 * wx.request has parsed JSON already, wx.uploadFile never does, and a failed binary request has its JSON in bytes. What is not JSON
 * stays as it is.
 */
function parsed(body: unknown): unknown {
  try {
    if (typeof body === 'string') return JSON.parse(body);
    if ((body as ArrayBuffer).byteLength) return JSON.parse(textOf(body as ArrayBuffer));
  } catch {
    // not JSON
  }
  return body;
}

/** Decodes UTF-8 if the bytes begin like a JSON object. Base libraries have no TextDecoder, and an image is not worth decoding. */
function textOf(bytes: ArrayBuffer): string {
  const octets = new Uint8Array(bytes);
  let text = '';
  if (octets[0] === 0x7b)
    for (let i = 0; i < octets.length; i++)
      text += '%' + (256 + (octets[i] || 0)).toString(16).slice(1);
  return decodeURIComponent(text);
}
