import type { FastifyInstance } from 'fastify';
import type { Pushes } from '../push/pushes.js';
import { isObject } from '../transport/request.js';
import { SandboxError } from '../world/sandbox-error.js';
import { Fields } from './fields.js';
import type { Post } from './json-api.js';

/** The part of the sandbox that these routes use. */
export interface PushControlParts {
  pushes: Pushes;
}

/** The routes of {@link pushControl}, as `GET /sandbox` lists them. */
export const PUSH_CONTROL_ROUTES = [
  'POST /sandbox/push {appId, message}',
  'POST /sandbox/push/verify {appId}',
];

/** Registers the routes of message push. */
export function pushControl(server: FastifyInstance, { pushes }: PushControlParts): void {
  server.post<Post>('/push', ({ body }) => {
    const { message } = body;
    if (!isObject(message))
      throw new SandboxError(
        'message must be an object: {"MsgType": "event", "Event": "debug_demo"}.',
      );
    return pushes.send(new Fields(body).need('appId'), message);
  });
  server.post<Post>('/push/verify', ({ body }) => pushes.verify(new Fields(body).need('appId')));
}

/** The push of an app as `GET /sandbox` shows it: without token and key. */
export function pushOf(pushes: Pushes, appId: string): object {
  const config = pushes.configOf(appId);
  return config ? { push: { url: config.url, mode: config.mode, format: config.format } } : {};
}
