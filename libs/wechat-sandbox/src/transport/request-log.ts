import type { IncomingHttpHeaders } from 'node:http';
import type { SandboxClock } from '../world/clock.js';
import { isObject, parseObject, type PlatformRequest } from './request.js';

/** A call as the platform received it, secrets included. */
export interface RecordedRequest {
  method: string;
  /** Without the query. */
  path: string;
  query: Readonly<Record<string, string>>;
  /** A JSON object if the body is one, else its text; undefined for an empty body. */
  body: unknown;
  headers: IncomingHttpHeaders;
  /** By the sandbox's clock. */
  at: Date;
}

const KEPT = 10_000;
const SECRETS = new Set([
  'secret',
  'appsecret',
  'access_token',
  'refresh_token',
  'js_code',
  'code',
  'signature',
]);

/** The newest {@link KEPT} calls to WeChat. */
export class RequestLog {
  readonly requests: RecordedRequest[] = [];

  constructor(private readonly clock: SandboxClock) {}

  add({ method, path, query, headers, body }: PlatformRequest): void {
    this.requests.push({
      method,
      path,
      query,
      body: parseObject(body) ?? (body || undefined),
      headers,
      at: new Date(this.clock.now()),
    });
    if (this.requests.length > KEPT) this.requests.shift();
  }

  /** Returns all calls with the values of secrets replaced. */
  masked(): object[] {
    return this.requests.map(({ method, path, query, body, at }) => ({
      at,
      method,
      path,
      query: mask(query),
      body: mask(body),
    }));
  }
}

function mask(fields: unknown): unknown {
  if (typeof fields === 'string') return `(${fields.length} characters)`;
  return isObject(fields)
    ? Object.fromEntries(
        Object.entries(fields).map(([key, value]) => [key, SECRETS.has(key) ? '***' : value]),
      )
    : undefined;
}
