import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/**
 * A fault that the proxy applies to a reply.
 * - `delay`: arrives `ms` later, in order
 * - `blackhole`: nothing passes in either direction until the fault ends; then all bytes pass in order, as in TCP
 * - `reset`: RST, after the first half of it
 * - `close`: FIN, after the first half of it
 * - `limitData`: FIN after `bytes` bytes
 * - `slicer`: one byte at a time
 * - `dropReply`: FIN instead of it, after Redis has executed the command
 * - `garbage`: random bytes instead of it, which no client can parse
 * - `hold`: arrives when the server ends the connection, in one packet with all other replies
 */
export type TcpFault =
  | {
      kind: 'pass' | 'blackhole' | 'reset' | 'close' | 'slicer' | 'dropReply' | 'garbage' | 'hold';
    }
  | { kind: 'delay'; ms: number }
  | { kind: 'limitData'; bytes: number };

/** No reply of Redis starts with this byte. */
const NO_REPLY = Buffer.from('?');

const PASS: TcpFault = { kind: 'pass' };

/** A local TCP proxy that applies network faults to its connections. */
export class TcpProxy {
  private readonly links = new Set<Link>();
  private readonly lifted: (() => void)[] = [];
  private lasting: TcpFault = PASS;
  private armed?: { fault: TcpFault; when: string };
  private server!: Server;

  private constructor(private target: number) {}

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.server = createServer((client) => proxy.accept(client)).listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The number of connected clients. */
  get connections(): number {
    return this.links.size;
  }

  /** Applies a fault to every reply from now on, also on open connections. */
  always(fault: TcpFault): void {
    this.lasting = fault;
    for (const lift of this.lifted.splice(0)) lift();
  }

  /** Applies a fault to the reply to the next request that contains `when`. */
  next(fault: TcpFault, when: string): void {
    this.armed = { fault, when };
  }

  pass(): void {
    this.armed = undefined;
    this.always(PASS);
  }

  /** Ends all connections. New connections go to another port. */
  leadTo(target: number): void {
    this.target = target;
    for (const link of this.links) link.destroy();
  }

  async close(): Promise<void> {
    this.pass();
    for (const link of this.links) link.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Returns the lasting fault. Waits until a `blackhole` has ended. */
  async fault(): Promise<TcpFault> {
    while (this.lasting.kind === 'blackhole')
      await new Promise<void>((lift) => this.lifted.push(lift));
    return this.lasting;
  }

  /** Returns the fault of `next` if it is for this request. */
  faultFor(request: Buffer): TcpFault | undefined {
    const { armed } = this;
    if (!armed || !request.includes(armed.when)) return undefined;
    this.armed = undefined;
    return armed.fault;
  }

  private accept(client: Socket): void {
    const link = new Link(client, connect(this.target, '127.0.0.1'), this);
    this.links.add(link);
    client.once('close', () => this.links.delete(link));
  }
}

/** One connection through the proxy. The chunks of one direction stay in order, also if some are delayed. */
class Link {
  private requests: Promise<void> = Promise.resolve();
  private replies: Promise<void> = Promise.resolve();
  private armed?: TcpFault;
  private passed = 0;
  private readonly held: Buffer[] = [];

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly proxy: TcpProxy,
  ) {
    for (const socket of [client, server]) socket.setNoDelay().on('error', () => {});
    client.on('data', (chunk) => {
      this.requests = this.requests.then(() => this.request(chunk));
    });
    server.on('data', (chunk) => {
      const arrived = performance.now();
      this.replies = this.replies.then(() => this.reply(chunk, arrived));
    });
    client.once('close', () => server.destroy());
    server.once('close', () => void this.replies.then(() => client.end(Buffer.concat(this.held))));
  }

  destroy(): void {
    this.client.destroy();
    this.server.destroy();
  }

  private async request(chunk: Buffer): Promise<void> {
    await this.proxy.fault();
    this.armed ??= this.proxy.faultFor(chunk);
    this.server.write(chunk);
  }

  private async reply(chunk: Buffer, arrived: number): Promise<void> {
    const lasting = await this.proxy.fault();
    const fault = this.armed ?? lasting;
    this.armed = undefined;
    if (!this.client.destroyed) await this.applyFault(fault, chunk, arrived);
  }

  private async applyFault(fault: TcpFault, chunk: Buffer, arrived: number): Promise<void> {
    const half = chunk.subarray(0, chunk.length >> 1);
    switch (fault.kind) {
      case 'delay':
        await sleep(Math.max(0, arrived + fault.ms - performance.now()));
        return this.write(chunk);
      case 'reset':
        this.client.write(half, () => this.client.resetAndDestroy());
        return;
      case 'close':
        return void this.client.end(half);
      case 'limitData':
        return this.limit(chunk, fault.bytes);
      case 'slicer':
        return this.slice(chunk);
      case 'dropReply':
        return void this.client.end();
      case 'garbage':
        return this.write(Buffer.concat([NO_REPLY, randomBytes(chunk.length)]));
      case 'hold':
        return void this.held.push(chunk);
      default:
        return this.write(chunk);
    }
  }

  private write(chunk: Buffer): void {
    if (this.client.writable) this.client.write(chunk);
    this.passed += chunk.length;
  }

  private limit(chunk: Buffer, bytes: number): void {
    const rest = bytes - this.passed;
    if (rest > chunk.length) return this.write(chunk);
    this.write(chunk.subarray(0, Math.max(0, rest)));
    this.client.end();
  }

  private async slice(chunk: Buffer): Promise<void> {
    for (const byte of chunk) {
      this.write(Buffer.from([byte]));
      await nextTurn();
    }
  }
}
