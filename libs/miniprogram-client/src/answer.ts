import { assign } from './assign.js';
import { RequestError, requestError } from './request-error.js';
import { WxReply } from './wx.js';

/** What `wx.request`, `wx.uploadFile` and `wx.downloadFile` call their success: any answer, whatever its status. */
export interface Reply extends WxReply {
  data?: unknown;
  tempFilePath?: string;
}

interface Envelope {
  code: number;
  msg: string;
  data: unknown;
  error?: string;
}

/**
 * What the caller wants out of an answer: a file's path, the envelope's `data`, or the body itself if there is no envelope.
 * The caller names its type and is believed. Throws a failure.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function unwrap<T>(reply: Reply): T {
  if (reply.statusCode > 299) throw failureOf(reply);
  const body = reply.tempFilePath || parsed(reply.data);
  return (isEnvelope(body) ? body.data : body) as T; // oxlint-disable-line typescript/no-unsafe-type-assertion
}

function failureOf(reply: Reply): RequestError {
  const status = reply.statusCode;
  const body = parsed(isBytes(reply.data) ? textOf(reply.data) : reply.data);
  const said: Envelope = isEnvelope(body)
    ? body
    : {
        code: status,
        msg: 'HTTP ' + status + ' without an envelope. Is baseUrl right?',
        data: undefined,
        error: nameOf(reply),
      };
  return assign(requestError(said.error || 'ERR_ANSWER', said.msg, said.code, status), {
    data: said.data,
    retryAfter: retryAfter(reply.header),
  });
}

/** A failed download leaves its envelope in a file. Where a session was sent, 401 can only mean the session. */
function nameOf(reply: Reply): string | undefined {
  return reply.tempFilePath && reply.statusCode === 401 ? 'ERR_WECHAT_SESSION' : undefined;
}

function isEnvelope(body: unknown): body is Envelope {
  return typeof body === 'object' && body !== null && 'success' in body;
}

/** In milliseconds. Header names keep the spelling the server or a proxy chose. A date, which our server never sends, counts as absent. */
function retryAfter(header: WxReply['header']): number {
  for (const name in header) {
    if (name.toLowerCase() === 'retry-after') return Number(header[name]) * 1000 || 0;
  }
  return 0;
}

/** wx.request has parsed JSON already, wx.uploadFile never does. What is not JSON stays text. */
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

/** The envelope of a failed binary request. The server's names and sentences are ASCII, so no UTF-8 decoder is needed. */
function textOf(bytes: ArrayBuffer): string {
  const octets = new Uint8Array(bytes);
  let text = '';
  for (let i = 0; i < octets.length; i++) text += String.fromCharCode(octets[i] || 0);
  return text;
}
