import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseObject } from '../transport/request.js';
import { SandboxError } from '../world/sandbox-error.js';

/** A POST to the control plane: its body is a JSON object. */
export interface Post {
  Body: Record<string, unknown>;
}

/** The response of a route that has nothing to return. */
export const DONE = { ok: true };

/** Parses every body as a JSON object, because `curl -d` sends JSON with the content type of a form. No body is an empty object. */
export function parseJsonBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    const json = parseObject(String(body) || '{}');
    if (json) done(null, json);
    else
      done(new SandboxError('The body is not a JSON object. Send one, for example {"by": "5m"}.'));
  });
  server.addHook('preHandler', async (request) => {
    request.body ??= {};
  });
}

/** Responds with cause and cure in `error`: 400 for a {@link SandboxError}, 413 for a large body, 404 for an unknown route. */
export function reportErrors(server: FastifyInstance): void {
  server.setErrorHandler((error, _request, reply) => {
    if (isTooLarge(error)) return reply.code(413).send({ error: 'A body may have at most 1 MiB.' });
    if (!(error instanceof SandboxError)) throw error;
    return reply.code(400).send({ error: error.message });
  });
  server.route({ method: ['GET', 'POST'], url: '/*', handler: noSuchRoute });
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'FST_ERR_CTP_BODY_TOO_LARGE';

function noSuchRoute(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'There is no such route. GET /sandbox lists all.' });
}
