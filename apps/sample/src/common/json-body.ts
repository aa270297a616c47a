import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { BadRequestError } from './app-error.js';

/** The bodies of this API have at most three levels. Validation is recursive, so much deeper bodies are refused. */
const MAX_DEPTH = 8;

/**
 * Accepts JSON objects as request bodies, and no other media type. Refuses the key `__proto__`. An empty body counts as absent,
 * because wx.request sends `Content-Type: application/json` also without data.
 */
export function acceptJsonBodies(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    return parseJson(request, String(body), (error, json?: unknown) => {
      if (error) done(error);
      else if (isObject(json) && !isDeeperThan(MAX_DEPTH, json)) done(null, json);
      else
        done(
          new BadRequestError(`the body must be a JSON object, at most ${MAX_DEPTH} levels deep`),
        );
    });
  });
}

function isObject(json: unknown): boolean {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function isDeeperThan(depth: number, json: unknown): boolean {
  return (
    typeof json === 'object' &&
    json !== null &&
    (depth === 0 || Object.values(json).some((value) => isDeeperThan(depth - 1, value)))
  );
}
