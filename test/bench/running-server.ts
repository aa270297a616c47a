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

/** The result of a server under load. */
export interface Measured extends Load {
  /** CPU time of the server's process per request, in microseconds. */
  cpuPerRequest: number;
}

/** A server in its own process, with the load for it. */
export class RunningServer {
  private constructor(
    private readonly child: Child,
    private readonly generator: LoadGenerator,
  ) {}

  static with<T>(
    { stack, http = 'fastify', ground, execArgv }: Served,
    work: (server: RunningServer) => Promise<T>,
  ): Promise<T> {
    const args = [stack, ground, http];
    return RunningServer.in(Child.start('server', { args, execArgv, place: 'server' }), work);
  }

  /** @param child runs a server, and has the tasks `url` and `cpu` */
  static async in<T>(child: Child, work: (server: RunningServer) => Promise<T>): Promise<T> {
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

  /** Returns the credentials of `count` clients that have logged in. */
  credentials(clients: number): Promise<Credentials> {
    return this.child.ask('credentials', clients);
  }

  /** What is sent to a stack without credentials. */
  requests(): Promise<HttpRequest[]> {
    return this.child.ask('requests');
  }

  /** Sends each request once, or repeats them for `seconds`. */
  async measure(requests: HttpRequest[], seconds?: number): Promise<Measured> {
    const url = await this.url();
    const before = await this.child.ask<number>('cpu');
    const load = await this.generator.run({ url, requests, seconds });
    return {
      ...load,
      cpuPerRequest: ((await this.child.ask<number>('cpu')) - before) / load.responses,
    };
  }

  /** Measures after a warm-up. */
  async measureWarm(
    requests: HttpRequest[],
    { warmUp, seconds }: { warmUp: number; seconds: number },
  ): Promise<Measured> {
    if (warmUp > 0) await this.measure(requests, warmUp);
    return this.measure(requests, seconds);
  }

  /** Returns the size of the heap in bytes. Needs `--expose-gc`. */
  heldMemory(): Promise<number> {
    return this.child.ask('heldMemory');
  }
}

/** Returns one request for each client. @param path the route that every stack serves by default */
export function requestsWith({ header, values }: Credentials, path = '/hello'): HttpRequest[] {
  return values.map((value) => ({ path, headers: { [header]: value } }));
}

export function allGood(measured: Measured): Measured {
  if (measured.bad > 0) throw new Error('A good request was refused');
  return measured;
}
