import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A push as it was received. */
export interface ArrivedPush {
  method: string;
  query: Record<string, string>;
  contentType?: string;
  body: string;
}

/** The reaction of the server: the body of a 200, another status, or no response. */
type Reaction = string | number | typeof HANG | ((push: ArrivedPush) => string);

export const HANG = Symbol('no response');

/** A server that receives pushes, without the library. */
export class PushServer {
  readonly arrived: ArrivedPush[] = [];
  /** The next responses; then `success`. */
  readonly responses: Reaction[] = [];
  private server: Server;

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      void this.respond(request, response);
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { searchParams } = new URL(request.url ?? '/', this.url);
    const push: ArrivedPush = {
      method: request.method ?? '',
      query: Object.fromEntries(searchParams),
      contentType: request.headers['content-type'],
      body: (await buffer(request)).toString(),
    };
    this.arrived.push(push);
    const next = this.responses.shift() ?? 'success';
    if (next === HANG) return;
    if (typeof next === 'number') response.writeHead(next).end();
    else response.end(typeof next === 'string' ? next : next(push));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/wechat/push`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
