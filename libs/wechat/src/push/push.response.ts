import { isObject } from '../is-object.js';
import type { PushFormat } from './push.message.js';
import { writeXml } from './push.xml.js';

/**
 * The response to WeChat, which `MessagePushService.handle` returns.
 *
 * @experimental
 * @example
 * ```ts
 * const { status, headers, body } = await pushes.handle(request);
 * response.status(status).set(headers).send(body);
 * ```
 */
export interface PushResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export const NO_STORE = { 'Cache-Control': 'no-store' };
const TYPES = { json: 'application/json', xml: 'text/xml' };

/** The console's echostr is repeated here, so no browser may take it for a page. */
export function text(body: string): PushResponse {
  const headers = { 'Content-Type': 'text/plain', 'X-Content-Type-Options': 'nosniff' };
  return { status: 200, headers: { ...NO_STORE, ...headers }, body };
}

export function refuse(status: number): PushResponse {
  return { status, headers: NO_STORE, body: '' };
}

/** A passive reply in the format of its push. */
export function reply(format: PushFormat, body: string): PushResponse {
  return { status: 200, headers: { ...NO_STORE, 'Content-Type': TYPES[format] }, body };
}

/**
 * Writes what a handler returned.
 *
 * @returns `undefined` for no reply
 * @throws TypeError if it is not a plain object of JSON values
 */
export function replyOf(result: unknown, format: PushFormat): string | undefined {
  if (result === undefined || result === null) return undefined;
  if (!isPlainObject(result)) throw new TypeError('not a plain object');
  const json = JSON.stringify(result);
  return format === 'json' ? json : writeXml(JSON.parse(json) as object);
}

function isPlainObject(value: unknown): value is object {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
