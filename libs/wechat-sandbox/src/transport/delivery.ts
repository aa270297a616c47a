import { STATUS_CODES, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../faults.js';
import { milliseconds } from '../world/clock.js';
import type { Answer } from './answer.js';

/** Sends an answer the way a fault wants it sent. Ends early, without a word, when the sandbox closes. */
export async function deliver(
  response: ServerResponse,
  answer: Answer,
  fault: Fault,
  closing: AbortSignal,
): Promise<void> {
  try {
    if (fault.delay !== undefined)
      await sleep(milliseconds(fault.delay), undefined, { signal: closing });
    if (fault.hang) return;
    if (fault.reset === 'after-work') response.socket?.resetAndDestroy();
    else if (fault.reset === 'mid-answer') breakInTheMiddle(response, answer);
    else if (fault.drip === undefined) writeHead(response, answer).end(answer.body);
    else await drip(response, answer, fault, closing);
  } catch (error) {
    if (!closing.aborted) throw error;
  }
}

function writeHead(response: ServerResponse, { status, headers, body }: Answer): ServerResponse {
  return response.writeHead(status, { ...headers, 'content-length': body.length });
}

function breakInTheMiddle(response: ServerResponse, answer: Answer): void {
  const half = answer.body.subarray(0, Math.floor(answer.body.length / 2));
  writeHead(response, answer).write(half, () => response.destroy());
}

async function drip(
  response: ServerResponse,
  answer: Answer,
  fault: Fault,
  closing: AbortSignal,
): Promise<void> {
  const pause = milliseconds(fault.drip ?? 0);
  const { socket } = response;
  const wholeSocket = fault.dripFrom === 'headers' && socket;
  const target = wholeSocket || writeHead(response, answer);
  for (const byte of wholeSocket ? Buffer.concat([head(answer), answer.body]) : answer.body) {
    if (target.destroyed || socket?.destroyed) return;
    target.write(Buffer.of(byte));
    await sleep(pause, undefined, { signal: closing });
  }
  target.end();
}

/** Node sends all headers in one piece, so a dripping head is written by hand. */
function head({ status, headers, body }: Answer): Buffer {
  const fields = Object.entries({ ...headers, 'content-length': body.length, connection: 'close' });
  return Buffer.from(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      ...fields.map(([name, value]) => `${name}: ${value}`),
      '',
      '',
    ].join('\r\n'),
  );
}
