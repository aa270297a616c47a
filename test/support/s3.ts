import { once } from 'node:events';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import S3rver from 's3rver';

const BUCKET = 'uploads';
/** The only user of s3rver. */
const KEY = 'S3RVER';
const PAGE = 10;

/** What the front does in place of the server: an error of S3, no response until the fault ends, or a response that breaks off in its body. */
export type S3Fault = { status: number; code: string } | 'dead' | 'cut off';

/** An S3 server in this process, with a front that can fail. It sends lists in pages of ten. */
export class TestS3 {
  /** The requests that have arrived: `PUT /uploads/recordings/…`. */
  readonly requests: string[] = [];
  /** How many responses have begun and are not read to their end. */
  unread = 0;
  private readonly faults: { fault: S3Fault; times: number; when: RegExp }[] = [];
  private readonly waiting = new Set<ServerResponse>();
  private readonly front: Server;

  private constructor(
    private readonly server: S3rver,
    private readonly port: number,
    private readonly folder: string,
  ) {
    this.front = createServer((incoming, response) => this.accept(incoming, response));
  }

  static async start(): Promise<TestS3> {
    const folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-s3-'));
    const options = { address: '127.0.0.1', port: 0, silent: true, directory: folder };
    const server = new S3rver({ ...options, configureBuckets: [{ name: BUCKET }] });
    const { port } = await server.run();
    const s3 = new TestS3(server, port, folder);
    s3.front.listen(0, '127.0.0.1');
    await once(s3.front, 'listening');
    return s3;
  }

  /** The variables of the app. */
  env(bucket = `${BUCKET}/app`): Record<string, string> {
    const { port } = this.front.address() as AddressInfo;
    return {
      STORAGE_URL: `s3://${bucket}?endpoint=http://127.0.0.1:${port}`,
      STORAGE_ACCESS_KEY_ID: KEY,
      STORAGE_SECRET_ACCESS_KEY: KEY,
    };
  }

  /** Applies a fault to requests such as `GET /uploads/app/avatars/…`. @param times how many of them */
  fail(fault: S3Fault, times = Infinity, when = /./): void {
    this.faults.push({ fault, times, when });
  }

  /** Ends all faults. Requests that wait are cut off. */
  pass(): void {
    this.faults.splice(0);
    for (const response of this.waiting) response.destroy();
  }

  /** Changes when an object was written. */
  async age(key: string, time: Date): Promise<void> {
    await utimes(join(this.folder, BUCKET, 'app', `${key}._S3rver_object`), time, time);
  }

  async close(): Promise<void> {
    this.pass();
    this.front.closeAllConnections();
    this.front.close();
    await this.server.close();
    await rm(this.folder, { recursive: true });
  }

  private accept(incoming: IncomingMessage, response: ServerResponse): void {
    const { method, url: path = '', headers } = incoming;
    const line = `${method} ${path}`;
    this.requests.push(line);
    const armed = this.faults.find(({ times, when }) => times > 0 && when.test(line));
    if (armed) {
      armed.times--;
      return this.apply(armed.fault, incoming, response);
    }
    const isList = path.includes('list-type=2');
    const outgoing = request({
      ...{ port: this.port, host: '127.0.0.1', method, headers },
      path: isList ? listOf(path) : path,
    });
    outgoing.on('response', (received) => {
      const { statusCode: status = 500, headers: sent } = received;
      this.unread++;
      response.once('close', () => {
        this.unread--;
        received.destroy();
      });
      response.writeHead(status, isList ? { 'content-type': 'application/xml' } : sent);
      if (isList) void text(received).then((xml) => response.end(firstPage(xml)));
      else received.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  }

  private apply(fault: S3Fault, incoming: IncomingMessage, response: ServerResponse): void {
    incoming.resume();
    if (fault === 'dead') return void this.waiting.add(response);
    if (fault === 'cut off') {
      response.writeHead(200, { 'content-length': 100 });
      return void response.write('x', () => response.destroy());
    }
    response.writeHead(fault.status, { 'content-type': 'application/xml' });
    response.end(`<Error><Code>${fault.code}</Code><Message>canary</Message></Error>`);
  }
}

/** s3rver neither sorts nor continues a list: it encrypts its tokens by DES, which OpenSSL 3 does not have. So a token of the front is the last key. */
function listOf(path: string): string {
  return path.replace(/&max-keys=\d+/, '').replace('continuation-token=', 'start-after=');
}

function firstPage(xml: string): string {
  const entries = (xml.match(/<Contents>.*?<\/Contents>/gs) ?? []).toSorted(); // each begins with its key
  const page = entries.slice(0, PAGE);
  const [, key = ''] = /<Key>(.*?)<\/Key>/.exec(page.at(-1) ?? '') ?? [];
  const truncated = `<IsTruncated>true</IsTruncated><NextContinuationToken>${key}</NextContinuationToken>`;
  const rest = xml.replaceAll(/<Contents>.*?<\/Contents>/gs, '');
  const list =
    entries.length > PAGE ? rest.replace('<IsTruncated>false</IsTruncated>', truncated) : rest;
  return list.replace('</ListBucketResult>', `${page.join('')}</ListBucketResult>`);
}
