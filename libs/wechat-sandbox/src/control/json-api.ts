import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseObject } from '../transport/request.js';
import { SandboxError } from '../world/sandbox-error.js';

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

/** A simulator page may come from any origin; the sandbox holds nothing worth protecting. */
export function allowPagesOfAnyOrigin(server: FastifyInstance): void {
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'access-control-allow-origin': '*',
      'access-control-allow-headers': '*',
      'access-control-allow-methods': 'GET, POST',
    });
  });
  server.options('/*', (_request, reply) => reply.code(204).send());
}

/** A {@link SandboxError} is 400 with cause and cure in `error`. An unknown route is 404. */
export function reportErrors(server: FastifyInstance): void {
  server.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof SandboxError)) throw error;
    return reply.code(400).send({ error: error.message });
  });
  server.route({ method: ['GET', 'POST'], url: '/*', handler: noSuchRoute });
}

function noSuchRoute(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'There is no such route. GET /sandbox lists all.' });
}
