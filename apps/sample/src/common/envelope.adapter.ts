import { StreamableFile } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { sendNotFound } from './not-found.js';

/** The response of every route that succeeds, except files. */
export interface Envelope<T> {
  code: 200;
  msg: 'ok';
  data: T;
  success: true;
}

/** A body that already has its envelope. */
export class Enveloped {
  constructor(readonly body: object) {}
}

/**
 * Puts the result of a controller into the envelope. Nest passes every result to `reply`, so this needs no interceptor. An
 * interceptor for all routes would cost a third of the throughput. Errors and the API docs do not pass through `reply`.
 */
export class EnvelopeAdapter extends FastifyAdapter {
  override reply(
    ...[response, body, status]: Parameters<FastifyAdapter['reply']>
  ): ReturnType<FastifyAdapter['reply']> {
    return super.reply(response, inEnvelope(body), status);
  }

  /** Replaces Nest's handler of unknown paths. */
  override setNotFoundHandler(): ReturnType<FastifyAdapter['setNotFoundHandler']> {
    return super.setNotFoundHandler(sendNotFound);
  }
}

function inEnvelope(body: unknown): unknown {
  if (body instanceof StreamableFile) return body;
  return body instanceof Enveloped ? body.body : envelope(body);
}

function envelope<T>(data: T): Envelope<T | null> {
  return { code: 200, msg: 'ok', data: data ?? null, success: true };
}
