import { StreamableFile } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';

/** What a client gets of every route that succeeds, files apart. */
export interface Envelope<T> {
  code: 200;
  msg: 'ok';
  data: T;
  success: true;
}

/**
 * Puts what a controller returns into the envelope. Nest hands every controller's result to `reply`, so this costs nothing; an
 * interceptor for all routes costs a third of the throughput. Errors and the API docs don't pass here.
 */
export class EnvelopeAdapter extends FastifyAdapter {
  override reply(
    ...[response, body, status]: Parameters<FastifyAdapter['reply']>
  ): ReturnType<FastifyAdapter['reply']> {
    return super.reply(response, body instanceof StreamableFile ? body : envelope(body), status);
  }
}

function envelope<T>(data: T): Envelope<T | null> {
  return { code: 200, msg: 'ok', data: data ?? null, success: true };
}
