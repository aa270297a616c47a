import type { FastifyPluginAsync } from 'fastify';
import { assertFault, type NextFault } from '../faults.js';
import type { WechatSandbox } from '../sandbox.js';
import { narrate } from '../simulator/narrate.js';
import type { Traffic } from '../simulator/traffic.js';
import type { Journal } from '../transport/journal.js';
import { acceptAnyJson, explainMistakes, openToPages } from './conventions.js';
import { Fields } from './fields.js';
import { act, ACTION_NAMES, createUser, describeUser } from './people.js';

interface Post {
  Body: Record<string, unknown>;
}

interface Act extends Post {
  Params: { id: string; action: string };
}

const ROUTES = [
  'GET /sandbox/users',
  'POST /sandbox/users {id?, nickName?, avatarUrl?, phoneNumber?, countryCode?, openid?, highRisk?}',
  `POST /sandbox/users/:id/${ACTION_NAMES.join('|')} {appId?, scope?}`,
  'GET /sandbox/clock',
  'POST /sandbox/clock/advance {by}',
  'POST /sandbox/next {path, times?, ...fault}',
  'POST /sandbox/always {path, ...fault}',
  'POST /sandbox/clear {path?}',
  'GET /sandbox/requests',
  'POST /sandbox/access-tokens/invalidate {appId?}',
];
const DONE = { ok: true };

/** The sandbox's own HTTP API, for people with curl and for pages in a browser. It shows no secrets. */
export function controlPlane(
  wechat: WechatSandbox,
  journal: Journal,
  traffic: Traffic,
): FastifyPluginAsync {
  return async (server) => {
    acceptAnyJson(server);
    openToPages(server);
    explainMistakes(server);
    narrate(server, traffic);

    server.get('/', () => ({
      url: wechat.url,
      apps: wechat.apps.map(({ appId, kind, name }) => ({ appId, kind, name })),
      routes: ROUTES,
    }));
    server.get('/users', () => wechat.users.all.map((user) => describeUser(wechat, user)));
    server.post<Post>('/users', ({ body }) => createUser(wechat, new Fields(body)));
    server.post<Act>('/users/:id/:action', ({ params, body }, reply) =>
      act(wechat, params, new Fields(body), reply),
    );
    server.get('/clock', () => time(wechat));
    server.post<Post>('/clock/advance', ({ body }) => {
      wechat.clock.advance(new Fields(body).need('by'));
      return time(wechat);
    });
    server.post<Post>('/next', ({ body }) => {
      wechat.next(...faultOn(body));
      return DONE;
    });
    server.post<Post>('/always', ({ body }) => {
      wechat.always(...faultOn(body));
      return DONE;
    });
    server.post<Post>('/clear', ({ body }) => {
      wechat.clear(new Fields(body).text('path'));
      return DONE;
    });
    server.get('/requests', () => journal.masked());
    server.post<Post>('/access-tokens/invalidate', ({ body }) => {
      wechat.invalidateAccessToken(new Fields(body).text('appId'));
      return DONE;
    });
  };
}

function faultOn({ path, ...fault }: Record<string, unknown>): [path: string, fault: NextFault] {
  assertFault(fault);
  return [new Fields({ path }).need('path'), fault];
}

const time = ({ clock }: WechatSandbox): object => ({ now: new Date(clock.now()).toISOString() });
