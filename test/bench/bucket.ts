import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { serveTasks } from './child.js';
import { nameOf } from './file-names.js';

/** A bucket with the S3 interface in its own process. It keeps the content of small objects only. */
const SMALL_BYTES = 1_000;
const WRITTEN = new Date(0).toISOString();
const small = new Map<string, Buffer>();
/** The names in `recordings/`, in ascending order. */
let names: string[] = [];

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1');
await once(server, 'listening');

serveTasks({
  url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  fill: (count: number) => {
    names = Array.from({ length: count }, (_, number) => nameOf(number)).toSorted();
  },
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url!, 'http://bucket');
  if (request.method === 'PUT') {
    const content = await buffer(request);
    if (content.length <= SMALL_BYTES) small.set(pathname, content);
    response.setHeader('etag', '"etag"').end();
  } else if (searchParams.has('list-type')) response.end(listOf(searchParams));
  else if (small.has(pathname))
    response.setHeader('last-modified', new Date().toUTCString()).end(small.get(pathname));
  else response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
}

function listOf(query: URLSearchParams): string {
  const prefix = query.get('prefix')!;
  const all = prefix === 'recordings/' ? names : [];
  const from = Number(query.get('continuation-token') ?? 0);
  const to = from + Number(query.get('max-keys'));
  const objects = all
    .slice(from, to)
    .map(
      (name) =>
        `<Contents><Key>${prefix}${name}</Key><LastModified>${WRITTEN}</LastModified><Size>300000</Size></Contents>`,
    );
  const isTruncated = to < all.length;
  const next = isTruncated ? `<NextContinuationToken>${to}</NextContinuationToken>` : '';
  return `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${next}${objects.join('')}</ListBucketResult>`;
}
