import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';

/** A request to the platform, read to its end. */
export interface PlatformRequest {
  method: string;
  /** Without the query. */
  path: string;
  /** Path and query as sent. */
  url: string;
  /** The first value of every parameter. */
  query: Readonly<Record<string, string>>;
  headers: IncomingHttpHeaders;
  ip: string;
  body: string;
  /** The body as it was sent. */
  bytes: Buffer;
}

/** The request without its body. */
export function readHead(raw: IncomingMessage): PlatformRequest {
  const { method = 'GET', url = '/', headers } = raw;
  const { pathname, searchParams } = new URL(`http://sandbox${url}`);
  return {
    method,
    path: pathname,
    url,
    query: firstValues(searchParams),
    headers,
    ip: (raw.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    body: '',
    bytes: Buffer.alloc(0),
  };
}

function firstValues(parameters: URLSearchParams): Record<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of parameters) if (!values.has(name)) values.set(name, value);
  return Object.fromEntries(values);
}

/** The request with its body, as text whatever its content type says. */
export async function readAll(raw: IncomingMessage): Promise<PlatformRequest> {
  const bytes = await buffer(raw);
  return { ...readHead(raw), body: new TextDecoder().decode(bytes), bytes };
}

/** The JSON object in a body, or undefined if it is anything else. WeChat never looks at the content type. */
export function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** A JSON object, no array and no null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
