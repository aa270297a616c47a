import { request as httpRequest } from 'node:http';
import type {
  IncomingHttpHeaders,
  IncomingMessage,
  RequestOptions,
  ServerResponse,
} from 'node:http';
import { INERT } from '../transport/security-headers.js';
import {
  describeBytes,
  LARGEST_SHOWN,
  masked,
  maskedBody,
  maskedPath,
  shortened,
} from './masking.js';
import type { NumberedMessage, Traffic } from './traffic.js';

/**
 * Headers that are not forwarded: those of one connection, those that the browser adds and a mini program does not send, and
 * `accept-encoding`, so that the diagram can show responses. `origin` is forwarded: the server may refuse other websites by it.
 */
const NOT_FORWARDED =
  /^(connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|host|accept-encoding|cookie|referer|sec-.*|simulator-.*)$/;
/** Headers that would change the browser's state for the origin of the sandbox. */
const NOT_RETURNED =
  /^(set-cookie|clear-site-data|service-worker-allowed|refresh|access-control-.*|content-security-policy.*)$/;

/** Where a request is forwarded to. */
export interface Destination {
  app: URL;
  /** Path and query, beginning with a slash. */
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
  const upstream = httpRequest(optionsFor(raw, destination), (reply) => {
    const received = copyOfJson(reply);
    reply.once('close', () => respond(reply.complete ? (reply.statusCode ?? 0) : 0, received()));
    response.writeHead(...headOf(reply, raw.headers));
    reply.pipe(response);
  });
  upstream.once('error', (error) => {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    respond(0);
    refuse(response, `The server at ${destination.app.origin} did not respond: ${error.message}`);
  });
  response.once('close', () => upstream.destroy());
  raw.pipe(upstream);
}

function optionsFor(
  { method, headers }: IncomingMessage,
  { app, path }: Destination,
): RequestOptions {
  const hostname = app.hostname.replace(/[[\]]/g, ''); // Node requires IPv6 addresses without brackets
  return {
    hostname,
    port: app.port || 80,
    path: app.pathname.replace(/\/$/, '') + path,
    method,
    headers: without(NOT_FORWARDED, headers),
  };
}

/** Sends an error with a text that the page shows. */
export function refuse(response: ServerResponse, error: string, status = 502): void {
  response
    .writeHead(status, { ...INERT, 'content-type': 'application/json' })
    .end(JSON.stringify({ error }));
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

/**
 * Returns status and headers for the page. Browsers write every 4xx to their console, and the page shows refusals itself, as `wx.request`
 * does. So a request of the page gets 200, with the status in a header.
 */
function headOf(
  { statusCode = 502, headers }: IncomingMessage,
  { 'simulator-user': user }: IncomingHttpHeaders,
): [number, object & IncomingHttpHeaders] {
  const returned = { ...without(NOT_RETURNED, without(NOT_FORWARDED, headers)), ...INERT };
  if (user === undefined) return [statusCode, returned];
  return [200, { ...returned, 'simulator-status': String(statusCode) }];
}

const without = (names: RegExp, headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !names.test(name)));

/** Copies a JSON body while it is streamed, and counts the bytes of any other body. */
function copyOfJson(message: IncomingMessage): () => unknown {
  const type = message.headers['content-type'];
  const isJson = type?.includes('json') ?? false;
  const pieces: Buffer[] = [];
  let size = 0;
  message.on('data', (piece: Buffer) => {
    size += piece.length;
    if (isJson && size <= LARGEST_SHOWN) pieces.push(piece);
  });
  return () => {
    if (size === 0) return undefined;
    return isJson && size <= LARGEST_SHOWN
      ? maskedBody(Buffer.concat(pieces), type)
      : describeBytes(size, type);
  };
}
