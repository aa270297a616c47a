import { request as httpRequest, type IncomingMessage } from 'node:http';
import { isLoopback } from '../transport/request-guard.js';
import type { Letter } from './delivery.js';

/** WeChat waits this long for a response, in real time. */
export const RESPONSE_DEADLINE = 5000;

/** The outcome of one attempt; status 0: no response, and `note` says why. */
export interface PostResult {
  status: number;
  note?: string;
}

/**
 * Sends a message to a server on this machine. Never rejects.
 *
 * @param url http with a loopback host: the sandbox must not become a way to other machines
 * @param closing aborted when the sandbox closes
 */
export async function post(url: string, letter: Letter, closing: AbortSignal): Promise<PostResult> {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target?.protocol !== 'http:' || !isLoopback(target.hostname))
    return { status: 0, note: NOT_HERE };
  const signal = AbortSignal.any([closing, AbortSignal.timeout(RESPONSE_DEADLINE)]);
  try {
    return { status: await statusOf(target, letter, signal) };
  } catch (error) {
    const late = signal.aborted && !closing.aborted;
    return { status: 0, note: late ? 'no response within 5 s' : reason(error) };
  }
}

/** Note of an attempt that the sandbox does not send. */
export const NOT_HERE =
  'not sent: the sandbox delivers to http://127.0.0.1 and http://localhost only';

function statusOf(target: URL, { headers, body }: Letter, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const finish = (response: IncomingMessage): void => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', reject);
    };
    // a connection of its own, so that none stays open when the receiver closes
    const options = { method: 'POST', agent: false, signal };
    httpRequest(target, {
      ...options,
      headers: { ...headers, 'content-length': body.length },
    })
      .once('response', finish)
      .once('error', reject)
      .end(body);
  });
}

const reason = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error
    ? `no response: ${String(error.code)}`
    : 'no response';
