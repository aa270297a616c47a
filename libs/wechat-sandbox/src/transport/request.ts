import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** A request to the platform with its whole body. */
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

/** Reads the request without its body. */
export function readHead(raw: IncomingMessage): PlatformRequest {
  const { method = 'GET', url = '/', headers } = raw;
  const { pathname, searchParams } = new URL(`http://sandbox${url.startsWith('/') ? url : '/'}`);
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

/** The largest body that the platform reads, in bytes. */
const LARGEST_BODY = 2 * 1024 * 1024;

/** The body of a request is larger than {@link LARGEST_BODY}. */
export class BodyTooLargeError extends Error {
  constructor() {
    super(`The sandbox reads request bodies of at most ${LARGEST_BODY} bytes.`);
  }
}

/** Reads the request with its body, as text for every content type. Throws a {@link BodyTooLargeError}. */
export async function readAll(raw: IncomingMessage): Promise<PlatformRequest> {
  const bytes = await readBody(raw, LARGEST_BODY);
  return { ...readHead(raw), body: new TextDecoder().decode(bytes), bytes };
}

/** Reads at most `limit` bytes, or throws a {@link BodyTooLargeError} and leaves the connection open for a response. */
export async function readBody(raw: IncomingMessage, limit: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  const stream: AsyncIterable<Buffer> = raw.iterator({ destroyOnReturn: false });
  for await (const piece of stream) {
    size += piece.length;
    if (size > limit) throw new BodyTooLargeError();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Parses the JSON object in a body. Returns undefined for anything else. WeChat ignores the content type. */
export function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Returns whether a value is a JSON object, not an array and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
