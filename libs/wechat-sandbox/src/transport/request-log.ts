import type { IncomingHttpHeaders } from 'node:http';
import type { SandboxClock } from '../world/clock.js';
import { isObject, parseObject } from './request.js';
import type { PlatformRequest } from './request.js';

/** A call as the platform received it, secrets included. */
export interface RecordedRequest {
  method: string;
  /** Without the query. */
  path: string;
  query: Readonly<Record<string, string>>;
  /** The JSON object if the body is one, else the text. Undefined for an empty body. */
  body: unknown;
  headers: IncomingHttpHeaders;
  /** By the sandbox's clock. */
  at: Date;
}

const KEPT = 10_000;
/** Of all kept bodies and queries together, in characters. */
const LARGEST_LOG = 64 * 1024 * 1024;
const SECRETS = new Set([
  'secret',
  'appsecret',
  'access_token',
  'refresh_token',
  'js_code',
  'code',
  'signature',
  'payer',
  'touser',
  'openid',
  'bank_account',
  'real_name',
]);

/** The newest {@link KEPT} calls to WeChat. */
export class RequestLog {
  readonly requests: RecordedRequest[] = [];
  private readonly sizes: number[] = [];
  private size = 0;

  constructor(private readonly clock: SandboxClock) {}

  /** Adds a call and drops the oldest calls beyond the limits. */
  add({ method, path, url, query, headers, body }: PlatformRequest): void {
    this.sizes.push(url.length + body.length);
    this.size += url.length + body.length;
    this.requests.push({
      method,
      path,
      query,
      body: parseObject(body) ?? (body || undefined),
      headers,
      at: new Date(this.clock.now()),
    });
    while (this.requests.length > KEPT || (this.size > LARGEST_LOG && this.requests.length > 1)) {
      this.requests.shift();
      this.size -= this.sizes.shift() ?? 0;
    }
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
