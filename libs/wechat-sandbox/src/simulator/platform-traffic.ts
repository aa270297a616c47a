import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { RequestLog } from '../transport/request-log.js';
import { readHead } from '../transport/request.js';
import { describeBytes, LARGEST_SHOWN, masked, maskedBody } from './masking.js';
import type { QrContents } from './qr-contents.js';
import type { Lifeline, Traffic } from './traffic.js';

/** The parts that {@link recordPlatformCall} needs. */
export interface RecorderParts {
  traffic: Traffic;
  requestLog: RequestLog;
  qrContents: QrContents;
}

/** A larger response is not copied. The largest QR image is smaller. */
const LARGEST_COPY = 2_000_000;

/** Adds one call to the platform to the diagram: the request when its headers have arrived, the response when its connection closes. */
export function recordPlatformCall(
  raw: IncomingMessage,
  response: ServerResponse,
  { traffic, requestLog, qrContents }: RecorderParts,
): void {
  const { method, path, query } = readHead(raw);
  const startedAt = Date.now();
  const request = traffic.add({
    from: callerOf(path),
    to: 'wechat',
    title: `${method} ${path}`,
    query: masked(query) as object,
  });
  const copy = new ResponseCopy(response);
  response.once('close', () => {
    // The log keeps the headers object of the request itself, which identifies its entry among calls to the same path.
    const body = requestLog.requests.findLast(({ headers }) => headers === raw.headers)?.body;
    if (body !== undefined) traffic.update(request, { body: maskedFields(body) });
    qrContents.remember(copy.bytes(), copy.contentType, body);
    traffic.respond(request, {
      status: response.writableFinished ? response.statusCode : 0,
      durationMs: Date.now() - startedAt,
      body: copy.masked(),
    });
  });
}

/** A user opens the consent pages in a browser. A server calls everything else. */
const callerOf = (path: string): Lifeline => (path.startsWith('/connect/') ? 'client' : 'server');

function maskedFields(body: unknown): unknown {
  const { length } = typeof body === 'string' ? body : (JSON.stringify(body) ?? '');
  return typeof body === 'string' || length > LARGEST_SHOWN
    ? `(${length} characters)`
    : masked(body);
}

/** Copies the body of a response, also if it is sent in pieces. */
class ResponseCopy {
  contentType = '';
  private size = 0;
  private readonly pieces: Buffer[] = [];

  constructor(response: ServerResponse) {
    const copy = (piece: unknown): void => this.add(piece);
    onCall(response, 'writeHead', (_status, headers) => {
      const type = (headers as OutgoingHttpHeaders | undefined)?.['content-type'];
      this.contentType = String(type ?? '');
    });
    onCall(response, 'write', copy);
    onCall(response, 'end', copy);
  }

  bytes(): Buffer {
    return this.size > LARGEST_COPY ? Buffer.alloc(0) : Buffer.concat(this.pieces);
  }

  masked(): unknown {
    return this.size > LARGEST_SHOWN
      ? describeBytes(this.size, this.contentType)
      : maskedBody(this.bytes(), this.contentType);
  }

  private add(piece: unknown): void {
    if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) return;
    const bytes = Buffer.from(piece as Uint8Array);
    this.size += bytes.length;
    if (this.size <= LARGEST_COPY) this.pieces.push(bytes);
  }
}

/** Calls the listener before each call of a method of the response. */
function onCall(
  response: ServerResponse,
  method: 'writeHead' | 'write' | 'end',
  listener: (...given: unknown[]) => void,
): void {
  const original = response[method].bind(response) as (...given: unknown[]) => unknown;
  Object.assign(response, {
    [method](...given: unknown[]) {
      listener(...given);
      return original(...given);
    },
  });
}
