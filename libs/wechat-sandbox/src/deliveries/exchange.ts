import { request as httpRequest, type IncomingMessage } from 'node:http';
import { BodyTooLargeError, readBody } from '../transport/request.js';
import { isLoopback } from '../transport/request-guard.js';
import type { Letter } from './delivery.js';

/** WeChat waits this long for a response, in real time. */
const RESPONSE_DEADLINE_MS = 5000;
const LARGEST_RESPONSE = 64 * 1024;

/** The outcome of one request; status 0: no response, and `note` says why. */
export interface Exchanged {
  status: number;
  body: string;
  note?: string;
}

/**
 * Sends a request to a server on this machine. Never rejects.
 *
 * @param url http with a loopback host, so that the sandbox cannot send requests to other machines
 * @param closing aborted when the sandbox closes
 * @param largest how many bytes the response may have
 */
export async function exchange(
  method: 'GET' | 'POST',
  url: string,
  letter: Partial<Letter>,
  closing: AbortSignal,
  largest = LARGEST_RESPONSE,
): Promise<Exchanged> {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target?.protocol !== 'http:' || !isLoopback(target.hostname))
    return { status: 0, body: '', note: NOT_HERE };
  for (const [name, value] of letter.query ?? []) target.searchParams.append(name, value);
  const deadline = AbortSignal.timeout(RESPONSE_DEADLINE_MS);
  try {
    const signal = AbortSignal.any([closing, deadline]);
    const response = await responseTo(method, target, letter, signal);
    const body = await readBody(response, largest);
    return { status: response.statusCode ?? 0, body: body.toString() };
  } catch (error) {
    // This use of `deadline` also keeps it in memory: `any` does not, and a collected signal never aborts.
    const late = deadline.aborted && !closing.aborted;
    return { status: 0, body: '', note: late ? 'no response within 5 s' : reason(error) };
  }
}

/** Note of an attempt that the sandbox does not send. */
export const NOT_HERE =
  'not sent: the sandbox delivers to http://127.0.0.1 and http://localhost only';

function responseTo(
  method: string,
  target: URL,
  { headers, body }: Partial<Letter>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // a separate connection, so that none stays open when the receiver closes
    const options = { method, agent: false, signal };
    httpRequest(target, {
      ...options,
      headers: { ...headers, ...(body && { 'content-length': body.length }) },
    })
      .once('response', resolve)
      .once('error', reject)
      .end(body);
  });
}

function reason(error: unknown): string {
  if (error instanceof BodyTooLargeError) return 'no response: it is too large';
  return typeof error === 'object' && error !== null && 'code' in error
    ? `no response: ${String(error.code)}`
    : 'no response';
}
