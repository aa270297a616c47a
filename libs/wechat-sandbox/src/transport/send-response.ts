import { STATUS_CODES } from 'node:http';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../faults.js';
import { milliseconds } from '../world/clock.js';
import type { PlatformResponse } from './response.js';
import { INERT } from './security-headers.js';

/** Sends a response, delayed, slowed down or cut off as the fault says. Stops when the sandbox closes. */
export async function sendResponse(
  response: ServerResponse,
  content: PlatformResponse,
  fault: Fault,
  closing: AbortSignal,
): Promise<void> {
  try {
    if (fault.delay !== undefined)
      await sleep(milliseconds(fault.delay), undefined, { signal: closing });
    if (fault.hang) return;
    if (fault.reset === 'after-work') response.socket?.resetAndDestroy();
    else if (fault.reset === 'mid-answer') sendHalf(response, content);
    else if (fault.drip === undefined) writeHead(response, content).end(content.body);
    else await drip(response, content, fault, closing);
  } catch (error) {
    if (!closing.aborted) throw error;
  }
}

function writeHead(
  response: ServerResponse,
  { status, headers, body }: PlatformResponse,
): ServerResponse {
  return response.writeHead(status, { ...INERT, ...headers, 'content-length': body.length });
}

function sendHalf(response: ServerResponse, content: PlatformResponse): void {
  const half = content.body.subarray(0, Math.floor(content.body.length / 2));
  writeHead(response, content).write(half, () => response.destroy());
}

async function drip(
  response: ServerResponse,
  content: PlatformResponse,
  fault: Fault,
  closing: AbortSignal,
): Promise<void> {
  const pause = milliseconds(fault.drip ?? 0);
  const { socket } = response;
  const wholeSocket = fault.dripFrom === 'headers' && socket;
  const target = wholeSocket || writeHead(response, content);
  for (const byte of wholeSocket ? Buffer.concat([head(content), content.body]) : content.body) {
    if (target.destroyed || socket?.destroyed) return;
    target.write(Buffer.of(byte));
    await sleep(pause, undefined, { signal: closing });
  }
  target.end();
}

/** Node sends all headers in one piece, so slow headers are written to the socket directly. */
function head({ status, headers, body }: PlatformResponse): Buffer {
  const fields = Object.entries({
    ...INERT,
    ...headers,
    'content-length': body.length,
    connection: 'close',
  });
  return Buffer.from(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      ...fields.map(([name, value]) => `${name}: ${value}`),
      '',
      '',
    ].join('\r\n'),
  );
}
