import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Journal } from '../transport/journal.js';
import { readHead } from '../transport/request.js';
import { masked, maskedBody } from './masking.js';
import type { QrContents } from './qr-contents.js';
import { answerTo, type Message, type Traffic } from './traffic.js';

/** What a tap needs. */
export interface TapParts {
  traffic: Traffic;
  journal: Journal;
  qrContents: QrContents;
}

/** Shows one call to the platform: the question when its head is there, the answer when its last byte has left, or when the line breaks. */
export function tap(
  raw: IncomingMessage,
  response: ServerResponse,
  { traffic, journal, qrContents }: TapParts,
): void {
  const { method, path, query } = readHead(raw);
  const started = Date.now();
  const asked = traffic.say({
    ...callerOf(path),
    to: 'wechat',
    title: `${method} ${path}`,
    query: masked(query) as object,
  });
  const sent = copyOf(response);
  response.once('close', () => {
    // the journal keeps the very headers object of the request, which tells this call's entry from others to the same path
    const body = journal.requests.findLast(({ headers }) => headers === raw.headers)?.body;
    if (body !== undefined) traffic.amend(asked, { body: maskedFields(body) });
    const answer = Buffer.concat(sent.pieces);
    const status = response.writableFinished ? response.statusCode : 0;
    qrContents.remember(answer, sent.type, body);
    traffic.say({
      ...answerTo(asked),
      answers: asked.id,
      status,
      took: Date.now() - started,
      body: maskedBody(answer, sent.type),
    });
  });
}

/** The consent pages are opened by people, everything else is called by a server. */
const callerOf = (path: string): Pick<Message, 'from'> => ({
  from: path.startsWith('/connect/') ? 'client' : 'server',
});

const maskedFields = (body: unknown): unknown =>
  typeof body === 'string' ? `(${body.length} characters)` : masked(body);

/** What left in an answer. */
interface Sent {
  type: string;
  pieces: Buffer[];
}

/** Listens in on what is written; the delivery writes in pieces or at once, or breaks off. */
function copyOf(response: ServerResponse): Sent {
  const sent: Sent = { type: '', pieces: [] };
  const keep = (piece: unknown): void => {
    if (typeof piece === 'string' || piece instanceof Uint8Array)
      sent.pieces.push(Buffer.from(piece as Uint8Array));
  };
  listenIn(response, 'writeHead', (_status, headers) => {
    sent.type = String((headers as OutgoingHttpHeaders | undefined)?.['content-type'] ?? '');
  });
  listenIn(response, 'write', keep);
  listenIn(response, 'end', keep);
  return sent;
}

function listenIn(
  response: ServerResponse,
  method: 'writeHead' | 'write' | 'end',
  listener: (...given: unknown[]) => void,
): void {
  const original = response[method].bind(response) as (...given: unknown[]) => unknown;
  Object.assign(response, {
    [method](...given: unknown[]) {
      listener(...given);
      return original(...given);
    },
  });
}
