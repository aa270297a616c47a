import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { payOptions, signedMessage } from '../support/pay-messages.js';
import { serveTasks } from './child.js';

/** WeChat Pay in a process of its own: one prepay id, signed once, so that the machine has its time for the merchant's signatures. */
const { headers, body } = signedMessage(
  Buffer.from('{"prepay_id":"wx29100000000000000000000000000000"}'),
);
const server = createServer((request, response) => {
  request.resume().once('end', () => response.writeHead(200, headers).end(body));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
serveTasks({ options: () => payOptions({ api: { baseUrl } }) });
