import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A Redis server without data: it accepts clients and returns the same reply to every other command. */
export class FakeResp {
  /** The raw reply, such as `-LOADING Redis is loading`. */
  reply = '+OK';
  /** The number of connections so far. */
  accepted = 0;
  private readonly sockets = new Set<Socket>();
  private server!: Server;

  static async start(): Promise<FakeResp> {
    const fake = new FakeResp();
    fake.server = createServer((socket) => fake.serve(socket)).listen(0, '127.0.0.1');
    await once(fake.server, 'listening');
    return fake;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private serve(socket: Socket): void {
    this.accepted++;
    this.sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk) =>
      socket.write(
        commandsIn(chunk)
          .map((name) => `${this.replyTo(name)}\r\n`)
          .join(''),
      ),
    );
  }

  private replyTo(name: string): string {
    if (name === 'CLIENT') return '+OK';
    if (name === 'PING') return '+PONG';
    if (name === 'TIME') return `*2\r\n$10\r\n${Math.floor(Date.now() / 1000)}\r\n$1\r\n0`;
    return this.reply;
  }
}

/** Requests are small enough to arrive whole. */
function commandsIn(chunk: Buffer): string[] {
  return [...chunk.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n/g)].map(
    ([, name]) => name!,
  );
}
