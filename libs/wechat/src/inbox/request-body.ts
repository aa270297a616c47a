import type { IncomingMessage } from 'node:http';
import { WechatConfigError } from '../wechat.errors.js';

/** WeChat's messages are a few kilobytes. */
export const MAX_BODY_BYTES = 64 * 1024;
/** From the first byte of the request to the last byte of its body, in milliseconds. */
const BODY_TIMEOUT_MS = 5_000;

/** Destroys the connection of a body that is too slow. */
export function readBody(request: IncomingMessage): Promise<Buffer | 'too large' | 'aborted'> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES)
    return Promise.resolve('too large');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const tooSlow = setTimeout(() => request.destroy(), BODY_TIMEOUT_MS);
    const settle = (result: Buffer | 'too large' | 'aborted'): void => {
      clearTimeout(tooSlow);
      resolve(result);
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
      else settle('too large');
    });
    request.on('end', () => settle(Buffer.concat(chunks)));
    request.on('close', () => settle('aborted'));
    request.on('error', () => settle('aborted'));
  });
}

/** @throws WechatConfigError if the body was parsed: serialised again it does not verify */
export function requireBytes(body: unknown): void {
  if (Buffer.isBuffer(body)) return;
  throw new WechatConfigError([
    'handle() and open() need the exact bytes of the body as a Buffer. Start the application with { rawBody: true } and pass request.rawBody',
  ]);
}
