import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotFoundError } from './app-error.js';
import { RESPONSE_HEADERS } from './response-headers.js';

const { status, body } = new NotFoundError();

/**
 * Responds to a path that no route has, or that cannot be parsed. Nest throws an exception for an unknown path, and a filter makes a second one
 * of it: their stacks cost more than a known route. Fastify's response to a path that it cannot parse would repeat the path, and no
 * hook sets the headers for it.
 */
export function sendNotFound(_request: FastifyRequest, reply: FastifyReply): void {
  void reply.headers(RESPONSE_HEADERS).status(status).send(body);
}
