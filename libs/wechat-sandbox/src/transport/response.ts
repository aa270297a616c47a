import type { PlatformRequest } from './request.js';

/** A complete HTTP answer. */
export class PlatformResponse {
  constructor(
    readonly body: Buffer,
    readonly headers: Readonly<Record<string, string>>,
    readonly status = 200,
  ) {}
}

/** WeChat's types: JSON as text/plain under /sns, elsewhere with an `encoding` that should have been a `charset`. */
export const jsonType = (path: string): string =>
  path.startsWith('/sns/') ? 'text/plain' : 'application/json; encoding=utf-8';

/** JSON as WeChat writes it, slashes escaped. */
export function jsonResponse(path: string, json: unknown): PlatformResponse {
  return new PlatformResponse(Buffer.from(JSON.stringify(json).replaceAll('/', '\\/')), {
    'content-type': jsonType(path),
  });
}

/** A page for a browser. */
export const htmlResponse = (html: string, status = 200): PlatformResponse => {
  return new PlatformResponse(
    Buffer.from(html),
    { 'content-type': 'text/html; charset=utf-8' },
    status,
  );
};

/** Sends the client elsewhere. */
export const redirectResponse = (location: string): PlatformResponse =>
  new PlatformResponse(Buffer.alloc(0), { location }, 302);

/** An API or page of WeChat. A handler returns an object to be sent as JSON, or a whole answer, or throws a WechatFailure. */
export interface PlatformRoute {
  path: string;
  /** The documented verb; `ANY` for the APIs under /sns, which look into the query whatever the verb. */
  verb: 'GET' | 'POST' | 'ANY';
  handle(request: PlatformRequest): object;
}
