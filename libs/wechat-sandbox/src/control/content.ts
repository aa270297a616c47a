import type { FastifyInstance } from 'fastify';
import type { ContentChecks } from '../content/content-checks.js';
import { Fields } from './fields.js';
import { DONE } from './json-api.js';
import type { Post } from './json-api.js';

/** The part of the sandbox that this route uses. */
export interface ContentControlParts {
  content: ContentChecks;
}

/** The routes of {@link contentControl}, as `GET /sandbox` lists them. */
export const CONTENT_CONTROL_ROUTES = [
  'POST /sandbox/content {traceId, suggest?, label?, errcode?, after?, before?}',
];

/** Registers the route of content security. */
export function contentControl(server: FastifyInstance, { content }: ContentControlParts): void {
  server.post<Post>('/content', ({ body }) => {
    const { traceId: _traceId, ...options } = body;
    content.decide(new Fields(body).need('traceId'), options);
    return DONE;
  });
}
