import { Logger } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { logFailure } from './log-failure.js';
import { readBody } from './request-body.js';

/** A request as WeChat sent it. */
export interface IncomingRequest {
  method: string;
  /** The path without the query, as sent. */
  path: string;
  query: URLSearchParams;
  /** Lower-case names. A header that was sent twice is a list. */
  headers: Record<string, string | string[] | undefined>;
  /** The exact bytes of the body. */
  body: Buffer;
}

export interface OutgoingResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** An endpoint that WeChat calls. */
export interface HttpEndpoint {
  /** For the warning if the application has a route with the same path. */
  readonly path: string;
  readonly methods: readonly string[];
  /** Whether a request of this path belongs to the endpoint. */
  matches(path: string): boolean;
  /** Handles the request. A rejection is a 500. */
  handle(request: IncomingRequest): Promise<OutgoingResponse>;
  /** The response to a request that is refused before it is handled: 413, 415, 503, or 500. */
  refuse(status: number): OutgoingResponse;
}

/**
 * Serves an endpoint on the HTTP server itself, on Express and on Fastify: before body parsers, so that its bytes are exact, and
 * outside the application's global prefix, guards, pipes and filters. Other requests pass untouched.
 *
 * Without an HTTP adapter, as in a worker, nothing is mounted.
 */
export function mountEndpoint(host: HttpAdapterHost, endpoint: HttpEndpoint): void {
  host.init$.subscribe(() => {
    const adapter: HttpAdapterHost['httpAdapter'] | null = host.httpAdapter; // null with createApplicationContext
    if (!adapter) return;
    if (adapter.getType() === 'fastify') mountOnFastify(adapter.getInstance(), endpoint);
    else mountOnExpress(adapter.getInstance(), endpoint);
  });
}

/** Logs a warning if the application has a route with the endpoint's path. The endpoint gets the requests. */
export function warnOfHiddenRoute(host: HttpAdapterHost, endpoint: HttpEndpoint): void {
  const adapter: HttpAdapterHost['httpAdapter'] | null = host.httpAdapter;
  if (!adapter) return;
  const app: FastifyApp & ExpressApp = adapter.getInstance();
  const { path, methods } = endpoint;
  const isHidden =
    adapter.getType() === 'fastify'
      ? methods.some((method) => app.hasRoute({ method, url: path }))
      : app.router.stack.some(({ route }) => route?.path === path);
  if (!isHidden) return;
  new Logger('WechatInbox').warn(
    `The application has a route ${path}, but nestjs-wechat serves this path. Change the path of one of them.`,
  );
}

interface FastifyApp {
  addHook(
    name: 'onRequest',
    hook: (
      request: { raw: IncomingMessage },
      reply: { raw: ServerResponse; hijack(): void },
      done: () => void,
    ) => void,
  ): void;
  hasRoute(route: { method: string; url: string }): boolean;
}

interface ExpressApp {
  use(
    middleware: (
      request: IncomingMessage & { originalUrl: string },
      response: ServerResponse,
      next: () => void,
    ) => void,
  ): void;
  router: { stack: { route?: { path: unknown } }[] };
}

/** A root hook sees a request before its body is parsed. */
function mountOnFastify(app: FastifyApp, endpoint: HttpEndpoint): void {
  app.addHook('onRequest', ({ raw }, reply, done) => {
    const url = raw.url ?? '/';
    if (endpoint.matches(pathOf(url))) {
      reply.hijack();
      void serve(endpoint, url, raw, reply.raw);
      return;
    }
    done();
  });
}

/** The first middleware of the application: Nest adds its body parsers later. */
function mountOnExpress(app: ExpressApp, endpoint: HttpEndpoint): void {
  app.use((request, response, next) => {
    const url = request.originalUrl;
    if (endpoint.matches(pathOf(url))) void serve(endpoint, url, request, response);
    else next();
  });
}

function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

async function serve(
  endpoint: HttpEndpoint,
  url: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const outgoing = await responseTo(endpoint, url, request).catch((error: unknown) => {
    logFailure(new Logger('WechatInbox'), `${endpoint.path} failed`, error);
    return endpoint.refuse(500);
  });
  if (!outgoing || response.destroyed) return;
  const { status, headers, body } = outgoing;
  // A body that was not read to its end makes the connection useless for another request. HTTP/2 has no such header.
  const close = request.complete || request.httpVersionMajor > 1 ? {} : { Connection: 'close' };
  const length = { 'Content-Length': String(Buffer.byteLength(body)) };
  response.writeHead(status, {
    ...headers,
    ...(status === 204 ? {} : length),
    ...close,
    'Cache-Control': 'no-store',
  });
  response.end(body);
}

/** Returns `undefined` if the client has closed the connection. */
async function responseTo(
  endpoint: HttpEndpoint,
  url: string,
  request: IncomingMessage,
): Promise<OutgoingResponse | undefined> {
  const { method = '' } = request;
  if (!endpoint.methods.includes(method))
    return { status: 405, headers: { Allow: endpoint.methods.join(', ') }, body: '' };
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return endpoint.refuse(415);
  const body = await readBody(request);
  if (body === 'aborted') return undefined;
  if (body === 'too large') return endpoint.refuse(413);
  const path = pathOf(url);
  const query = new URLSearchParams(url.slice(path.length));
  return endpoint.handle({ method, path, query, headers: headersOf(request), body });
}

/** From the raw headers, because Node joins or drops a header that was sent twice. */
function headersOf({ rawHeaders }: IncomingMessage): IncomingRequest['headers'] {
  const values = new Map<string, string[]>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    values.set(name, [...(values.get(name) ?? []), rawHeaders[i + 1]!]);
  }
  return Object.fromEntries(
    [...values].map(([name, list]) => [name, list.length === 1 ? list[0] : list]),
  );
}
