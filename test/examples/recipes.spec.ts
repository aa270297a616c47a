import { once } from 'node:events';
import { BullModule, getQueueToken } from '@nestjs/bullmq';
import type { Queue } from 'bullmq';
import { SessionService } from 'nestjs-wechat';
import type { WechatSession, WechatUserResolver } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { WebSocket } from 'ws';
import { ExportProcessor, ExportsController } from '../../examples/recipes/src/bullmq.js';
import { AbilityPipe, Orders, OrdersController } from '../../examples/recipes/src/casl.js';
import { Graphql, MeResolver, OrderEvents } from '../../examples/recipes/src/graphql.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

/* The code of docs/recipes.md. */

let wechat: WechatSandbox;
let app: TeamApp;

beforeAll(async () => {
  wechat = await startWechatSandbox();
});
afterEach(closeTeamApps);
afterAll(() => wechat.close());

async function loginOf(user = wechat.users.create()) {
  const { code } = await user.login();
  return app.get(SessionService).login(code);
}

describe('CASL on @CurrentUser()', () => {
  const staff = new Set<string>();
  const users: WechatUserResolver = {
    resolve: ({ openid }: WechatSession) => ({
      openid,
      role: staff.has(openid) ? 'staff' : 'customer',
    }),
  };

  it('lets a customer remove their own order, and staff remove any', async () => {
    app = await startTeamApp(optionsFor(wechat, { users }), {
      controllers: [OrdersController],
      providers: [Orders, AbilityPipe],
    });
    const [anna, bob, carol] = [await loginOf(), await loginOf(), await loginOf()];
    staff.add(carol.session.openid);
    const orders = app.get(Orders);
    for (const id of ['1', '2']) orders.set(id, { id, openid: anna.session.openid });
    const remove = async (id: string, { session_rd }: { session_rd: string }) => {
      const headers = { authorization: `Bearer ${session_rd}` };
      return (await app.fetch(`/orders/${id}`, { method: 'DELETE', headers })).status;
    };
    expect(await remove('1', bob)).toBe(403);
    expect(await remove('1', anna)).toBe(200);
    expect(await remove('1', anna)).toBe(403);
    expect(await remove('2', carol)).toBe(200);
  });
});

describe('GraphQL', () => {
  beforeEach(async () => {
    const more = { imports: [Graphql], providers: [MeResolver, OrderEvents] };
    app = await startTeamApp(optionsFor(wechat), { adapter: 'express', ...more });
  });

  /** Connects as graphql-ws does. */
  const connect = (session_rd: string) =>
    new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
      headers: { authorization: `Bearer ${session_rd}` },
    });
  const say = (socket: WebSocket, message: object) => socket.send(JSON.stringify(message));
  const heard = async (socket: WebSocket) =>
    JSON.parse(String((await once(socket, 'message'))[0])) as { type: string; payload?: object };

  it('finds the user, and closes subscriptions with 4401 when the session is revoked', async () => {
    const { session_rd, session } = await loginOf();
    const response = await app.fetch('/graphql', {
      method: 'POST',
      headers: { authorization: `Bearer ${session_rd}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ me { openid } }' }),
    });
    expect(await response.json()).toEqual({ data: { me: { openid: session.openid } } });

    const socket = connect(session_rd);
    await once(socket, 'open');
    say(socket, { type: 'connection_init' });
    expect(await heard(socket)).toEqual({ type: 'connection_ack' });
    say(socket, { id: '1', type: 'subscribe', payload: { query: 'subscription { paidOrder }' } });
    const events = app.get(OrderEvents);
    const topic = `paid by ${session.openid}`;
    await until(async () => events.listenerCount(topic) === 1);
    events.emit(topic, '4711');
    expect((await heard(socket)).payload).toEqual({ data: { paidOrder: '4711' } });

    const closed = once(socket, 'close');
    await app.get(SessionService).revoke(session_rd);
    expect((await closed)[0]).toBe(4401);
    await until(async () => events.listenerCount(topic) === 0);
  });

  it('closes connections without a session', async () => {
    const socket = connect('srd_unknown');
    await once(socket, 'open');
    say(socket, { type: 'connection_init' });
    expect((await once(socket, 'close'))[0]).toBe(4401);
  });
});

describeRedis('a BullMQ job that acts for a user', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.end());

  it('runs while the session is live, and fails without a retry after a logout', async () => {
    app = await startTeamApp(optionsFor(wechat), {
      imports: [
        BullModule.forRoot({ connection: { host: '127.0.0.1', port: redis.port } }),
        BullModule.registerQueue({ name: 'exports' }),
      ],
      controllers: [ExportsController],
      providers: [ExportProcessor],
    });
    const queue = app.get<Queue>(getQueueToken('exports') as never);
    const { session_rd, session } = await loginOf();
    const headers = { authorization: `Bearer ${session_rd}` };
    const start = async (): Promise<string> => {
      const response = await app.fetch('/exports', { method: 'POST', headers });
      return ((await response.json()) as { job: string }).job;
    };

    const first = await start();
    await until(async () => (await queue.getJobState(first)) === 'completed');
    expect((await queue.getJob(first))?.returnvalue).toEqual({ exported: session.openid });

    await queue.pause();
    const second = await start();
    await app.get(SessionService).revoke(session_rd);
    await queue.resume();
    await until(async () => (await queue.getJobState(second)) === 'failed');
    expect(await queue.getJob(second)).toMatchObject({
      failedReason: 'the user has logged out',
      attemptsMade: 1,
      data: { sessionId: session.id },
    });
  });
});
