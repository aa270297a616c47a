import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from 'node:http';
import { describeBytes, masked, maskedBody, maskedPath, shortened } from './masking.js';
import type { NumberedMessage, Traffic } from './traffic.js';

/** Of one connection, or of the browser and not of the mini program. `accept-encoding` goes too, so that answers can be shown. */
const NOT_FORWARDED =
  /^(connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|host|accept-encoding|cookie|origin|referer|sec-.*|simulator-.*)$/;
/** Longer JSON is passed on all the same, only not shown. */
const LONGEST_SHOWN = 64 * 1024;

/** Where a request goes. */
export interface Destination {
  app: URL;
  /** Path and query, from the first slash. */
  path: string;
}

/**
 * Forwards one request of the simulated mini program to the server under test, and adds both ways to the diagram. Bodies are streamed.
 * A redirect is returned to the page like any other response.
 */
export function forward(
  raw: IncomingMessage,
  response: ServerResponse,
  destination: Destination,
  traffic: Traffic,
): void {
  const startedAt = Date.now();
  const request = record(raw, destination.path, traffic);
  const sent = copyOfJson(raw);
  raw.once('end', () => traffic.update(request, { body: sent() }));
  const respond = (status: number, body?: unknown): void =>
    traffic.respond(request, { status, durationMs: Date.now() - startedAt, body });
  const upstream = httpRequest(optionsFor(raw, destination), (answer) => {
    const received = copyOfJson(answer);
    answer.once('close', () => respond(answer.complete ? (answer.statusCode ?? 0) : 0, received()));
    response.writeHead(...headOf(answer, raw.headers));
    answer.pipe(response);
  });
  upstream.once('error', (error) => {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    respond(0);
    refuse(response, `The server at ${destination.app.origin} did not answer: ${error.message}`);
  });
  response.once('close', () => upstream.destroy());
  raw.pipe(upstream);
}

function optionsFor(
  { method, headers }: IncomingMessage,
  { app, path }: Destination,
): RequestOptions {
  const hostname = app.hostname.replace(/[[\]]/g, ''); // Node wants IPv6 addresses bare
  return {
    hostname,
    port: app.port || 80,
    path: app.pathname.replace(/\/$/, '') + path,
    method,
    headers: forwardedHeaders(headers),
  };
}

/** Sends 502 with a text that the page shows. */
export function refuse(response: ServerResponse, error: string): void {
  response.writeHead(502, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

function record(
  { method, headers }: IncomingMessage,
  path: string,
  traffic: Traffic,
): NumberedMessage {
  const [pathname = '', search = ''] = path.split('?', 2);
  const { authorization } = headers;
  const user = headers['simulator-user']?.toString();
  return traffic.add({
    from: 'client',
    to: 'server',
    title: `${method} ${maskedPath(pathname)}`,
    ...(user && { user }),
    ...(search && { query: masked(Object.fromEntries(new URLSearchParams(search))) as object }),
    ...(authorization && { headers: { Authorization: shortened(authorization) } }),
  });
}

/** Browsers write every 4xx into their console. The page wants to see refusals as `wx.request` does, so for it the status travels in a header. */
function headOf(
  { statusCode = 502, headers }: IncomingMessage,
  { 'simulator-user': ofPage }: IncomingHttpHeaders,
): [number, object & IncomingHttpHeaders] {
  if (ofPage === undefined) return [statusCode, forwardedHeaders(headers)];
  return [200, { ...forwardedHeaders(headers), 'simulator-status': String(statusCode) }];
}

function forwardedHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !NOT_FORWARDED.test(name)));
}

/** Keeps a copy of JSON as it flows by, and counts the bytes of anything else. */
function copyOfJson(message: IncomingMessage): () => unknown {
  const type = message.headers['content-type'];
  const isJson = type?.includes('json') ?? false;
  const pieces: Buffer[] = [];
  let size = 0;
  message.on('data', (piece: Buffer) => {
    size += piece.length;
    if (isJson && size <= LONGEST_SHOWN) pieces.push(piece);
  });
  return () => {
    if (size === 0) return undefined;
    return isJson && size <= LONGEST_SHOWN
      ? maskedBody(Buffer.concat(pieces), type)
      : describeBytes(size, type);
  };
}
