import { Child } from './child.js';
import { LoadGenerator } from './load.js';
import type { Ground } from './library.js';
import type { HttpRequest, Load } from './order.js';
import type { StackName } from './stacks/index.js';
import type { Credentials, Http } from './stacks/stack.js';

export interface Served {
  stack: StackName;
  /** @default fastify */
  http?: Http;
  ground: Ground;
  execArgv?: string[];
}

/** What a server did under load. */
export interface Measured extends Load {
  /** Microseconds of the server's process. */
  cpuPerRequest: number;
}

/** A server in a process of its own, and the load that it is put under. */
export class RunningServer {
  private constructor(
    private readonly child: Child,
    private readonly generator: LoadGenerator,
  ) {}

  static async with<T>(
    { stack, http = 'fastify', ground, execArgv }: Served,
    work: (server: RunningServer) => Promise<T>,
  ): Promise<T> {
    const child = Child.start('server', { args: [stack, ground, http], execArgv, place: 'server' });
    const generator = new LoadGenerator();
    try {
      return await work(new RunningServer(child, generator));
    } finally {
      await Promise.all([child.stop(), generator.stop()]);
    }
  }

  url(): Promise<string> {
    return this.child.ask('url');
  }

  /** What so many clients send after they have logged in. */
  credentials(clients: number): Promise<Credentials> {
    return this.child.ask('credentials', clients);
  }

  /** Without `seconds` each request is sent once. */
  async measure(requests: HttpRequest[], seconds?: number): Promise<Measured> {
    const url = await this.url();
    const before = await this.child.ask<number>('cpu');
    const load = await this.generator.run({ url, requests, seconds });
    return {
      ...load,
      cpuPerRequest: ((await this.child.ask<number>('cpu')) - before) / load.answers,
    };
  }

  /** The same, after a time that does not count. */
  async measureWarm(
    requests: HttpRequest[],
    { warmUp, seconds }: { warmUp: number; seconds: number },
  ): Promise<Measured> {
    if (warmUp > 0) await this.measure(requests, warmUp);
    return this.measure(requests, seconds);
  }

  /** Bytes; needs `--expose-gc`. */
  heldMemory(): Promise<number> {
    return this.child.ask('heldMemory');
  }
}

/** Requests for the route that every stack serves, one for each client. */
export function requestsWith({ header, values }: Credentials): HttpRequest[] {
  return values.map((value) => ({ path: '/hello', headers: { [header]: value } }));
}

export function allGood(measured: Measured): Measured {
  if (measured.bad > 0) throw new Error('A good request was refused');
  return measured;
}
