import type { PlatformRequest } from './request.js';

/** A complete HTTP response. The headers of `security-headers.ts` are added when it is sent, unless it has its own. */
export class PlatformResponse {
  constructor(
    readonly body: Buffer,
    readonly headers: Readonly<Record<string, string>>,
    readonly status = 200,
  ) {}
}

/** Returns WeChat's content type: JSON is text/plain under /sns. Elsewhere it has `encoding`, where `charset` would be right. */
export const jsonType = (path: string): string =>
  path.startsWith('/sns/') ? 'text/plain' : 'application/json; encoding=utf-8';

/** JSON as WeChat writes it, slashes escaped. */
export function jsonResponse(path: string, json: unknown): PlatformResponse {
  return new PlatformResponse(Buffer.from(JSON.stringify(json).replaceAll('/', '\\/')), {
    'content-type': jsonType(path),
  });
}

/** A page for a browser. It runs no script and loads nothing unless it has its own content security policy. */
export const htmlResponse = (html: string, status = 200, policy?: string): PlatformResponse =>
  new PlatformResponse(
    Buffer.from(html),
    {
      'content-type': 'text/html; charset=utf-8',
      ...(policy && { 'content-security-policy': policy }),
    },
    status,
  );

/** Redirects the client. */
export const redirectResponse = (location: string): PlatformResponse =>
  new PlatformResponse(Buffer.alloc(0), { location }, 302);

/** An API or page of WeChat. A handler returns an object that is sent as JSON or a whole response, or it throws a WechatFailure. */
export interface PlatformRoute {
  path: string;
  /** The documented verb. `ANY` for the APIs under /sns, which read the query of every verb. */
  verb: 'GET' | 'POST' | 'ANY';
  handle(request: PlatformRequest): object | Promise<object>;
}
