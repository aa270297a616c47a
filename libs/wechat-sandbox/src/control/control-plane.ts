import type { FastifyInstance } from 'fastify';
import { assertFault } from '../faults.js';
import type { FaultPlan, NextFault } from '../faults.js';
import type { RequestLog } from '../transport/request-log.js';
import type { World } from '../world/world.js';
import { CONTENT_CONTROL_ROUTES, contentControl, type ContentControlParts } from './content.js';
import { Fields } from './fields.js';
import { DONE, parseJsonBodies, reportErrors } from './json-api.js';
import type { Post } from './json-api.js';
import { PAY_CONTROL_ROUTES, payControl, type PayControlParts } from './pay.js';
import { PUSH_CONTROL_ROUTES, pushControl, pushOf, type PushControlParts } from './push.js';
import { createUser, describeUser, messagesOf, runUserAction, USER_ACTIONS } from './users.js';

/** The parts of the sandbox that the control plane shows and changes. */
export interface ControlPlaneParts extends PayControlParts, PushControlParts, ContentControlParts {
  world: World;
  faults: FaultPlan;
  requestLog: RequestLog;
  url: () => string;
}

interface GetUser {
  Params: { id: string };
}

interface PostUserAction extends Post {
  Params: { id: string; action: string };
}

const ROUTES = [
  'GET /sandbox/users',
  'POST /sandbox/users {id?, nickName?, avatarUrl?, phoneNumber?, countryCode?, openid?, highRisk?}',
  `POST /sandbox/users/:id/${USER_ACTIONS.join('|')} {appId?, …}`,
  'GET /sandbox/users/:id/messages',
  'GET /sandbox/clock',
  'POST /sandbox/clock/advance {by}',
  'POST /sandbox/next {path, times?, ...fault}',
  'POST /sandbox/always {path, ...fault}',
  'POST /sandbox/clear {path?}',
  'GET /sandbox/requests',
  'POST /sandbox/access-tokens/invalidate {appId?}',
  ...PAY_CONTROL_ROUTES,
  ...CONTENT_CONTROL_ROUTES,
  ...PUSH_CONTROL_ROUTES,
];

/** Registers the sandbox's own HTTP API, for curl and for the simulator. It shows no secrets. */
export function controlPlane(
  server: FastifyInstance,
  { world, faults, requestLog, url, pay, deliveries, pushes, content }: ControlPlaneParts,
): void {
  parseJsonBodies(server);
  reportErrors(server);
  payControl(server, { pay, deliveries });
  pushControl(server, { pushes });
  contentControl(server, { content });

  server.get('/', () => ({
    url: url(),
    apps: world.apps.all.map(({ appId, kind, name }) => ({
      appId,
      kind,
      name,
      ...pushOf(pushes, appId),
    })),
    routes: ROUTES,
  }));
  server.get('/users', () => world.users.all.map((user) => describeUser(world, user)));
  server.post<Post>('/users', ({ body }) => createUser(world, new Fields(body)));
  server.post<PostUserAction>('/users/:id/:action', ({ params, body }, reply) =>
    runUserAction(world, params, new Fields(body), reply),
  );
  server.get<GetUser>('/users/:id/messages', ({ params }, reply) =>
    messagesOf(world, params.id, reply),
  );
  server.get('/clock', () => time(world));
  server.post<Post>('/clock/advance', ({ body }) => {
    world.clock.advance(new Fields(body).need('by'));
    return time(world);
  });
  server.post<Post>('/next', ({ body }) => {
    faults.next(...faultOn(body));
    return DONE;
  });
  server.post<Post>('/always', ({ body }) => {
    faults.always(...faultOn(body));
    return DONE;
  });
  server.post<Post>('/clear', ({ body }) => {
    const path = new Fields(body).text('path');
    faults.clear(path);
    if (path === undefined) deliveries.clear();
    return DONE;
  });
  server.get('/requests', () => requestLog.masked());
  server.post<Post>('/access-tokens/invalidate', ({ body }) => {
    world.accessTokens.invalidate(new Fields(body).text('appId'));
    return DONE;
  });
}

function faultOn({ path, ...fault }: Record<string, unknown>): [path: string, fault: NextFault] {
  assertFault(fault);
  return [new Fields({ path }).need('path'), fault];
}

const time = ({ clock }: World): object => ({ now: new Date(clock.now()).toISOString() });
