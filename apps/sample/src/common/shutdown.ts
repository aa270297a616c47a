import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import { RESPONSE_HEADERS } from './response-headers.js';
import { UnavailableError } from './app-error.js';

/** Between SIGTERM and the end of the process. */
@Injectable()
export class Shutdown implements BeforeApplicationShutdown {
  private phase: 'running' | 'draining' | 'closing' = 'running';

  /** Whether the app gets no more traffic soon, so that the readiness check is 503 and connections are closed. */
  get hasBegun(): boolean {
    return this.phase !== 'running';
  }

  /** Whether new requests are refused. Those under way are finished. */
  get isClosing(): boolean {
    return this.phase === 'closing';
  }

  /** Requests are still served, while load balancers notice that the app is not ready. */
  async drain(ms: number): Promise<void> {
    this.phase = 'draining';
    await sleep(ms);
  }

  beforeApplicationShutdown(): void {
    this.phase = 'closing';
  }
}

/** Fastify's own response while it closes has no envelope and no Retry-After, so `return503OnClosing` is off. */
export function refuseDuringShutdown(app: NestFastifyApplication): void {
  const shutdown = app.get(Shutdown, { strict: false });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (_request, reply, done) => {
    if (shutdown.hasBegun) void reply.header('Connection', 'close');
    if (!shutdown.isClosing) return done();
    const { status, body, headers } = new UnavailableError('shutting down');
    void reply
      .headers({ ...RESPONSE_HEADERS, ...headers })
      .status(status)
      .send(body);
  });
  // Connections become idle one by one. Without this, the server waits for the keep-alive timeout.
  fastify.addHook('preClose', async () => {
    const closing = setInterval(() => fastify.server.closeIdleConnections(), 50);
    fastify.server.once('close', () => clearInterval(closing));
  });
}
