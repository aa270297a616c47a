import type { IncomingMessage, ServerResponse } from 'node:http';
import { INERT } from '../transport/security-headers.js';
import type { Traffic } from './traffic.js';

/** A page that does not read this many bytes is disconnected. It reconnects and gets the missed messages. */
const LARGEST_BACKLOG = 16 * 1024 * 1024;

/**
 * Sends the traffic as server-sent events: `run` with the id of this run, the messages so far, `live`, then each new message.
 * A page that reconnects gets the messages that it missed. If the run is another one, it gets all.
 */
export function streamTraffic(
  { headers }: IncomingMessage,
  response: ServerResponse,
  traffic: Traffic,
): void {
  const { run } = traffic;
  response.writeHead(200, {
    ...INERT,
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  });
  response.write(`retry: 1000\nevent: run\ndata: ${run}\n\n`);
  const [seenRun, seenId] = (headers['last-event-id']?.toString() ?? '').split('/');
  const stop = traffic.follow(seenRun === run ? Number(seenId) : 0, (message) => {
    response.write(`id: ${run}/${message.id}\ndata: ${JSON.stringify(message)}\n\n`);
    if (response.writableLength > LARGEST_BACKLOG) response.destroy();
  });
  response.write('event: live\ndata:\n\n');
  response.once('close', stop);
}
