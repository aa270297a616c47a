import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseObject } from '../transport/request.js';
import { SandboxError } from '../world/sandbox-error.js';

/** `curl -d` calls its JSON a form, and a POST without a body means no fields. */
export function acceptAnyJson(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    const json = parseObject(String(body) || '{}');
    if (json) done(null, json);
    else done(new SandboxError('The body is not a JSON object. Send one such as {"by": "5m"}.'));
  });
  server.addHook('preHandler', async (request) => {
    request.body ??= {};
  });
}

/** A simulator page may come from any origin; the sandbox holds nothing worth protecting. */
export function openToPages(server: FastifyInstance): void {
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'access-control-allow-origin': '*',
      'access-control-allow-headers': '*',
      'access-control-allow-methods': 'GET, POST',
    });
  });
  server.options('/*', (_request, reply) => reply.code(204).send());
}

/** Mistakes of the caller are 400 with the cure in `error`. */
export function explainMistakes(server: FastifyInstance): void {
  server.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof SandboxError)) throw error;
    return reply.code(400).send({ error: error.message });
  });
  server.route({ method: ['GET', 'POST'], url: '/*', handler: noSuchRoute });
}

function noSuchRoute(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'There is no such route. GET /sandbox lists all.' });
}
