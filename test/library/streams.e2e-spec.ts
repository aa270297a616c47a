import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Controller, Sse, UseGuards } from '@nestjs/common';
import type { MessageEvent } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  SessionGuard,
  sessionRdFrom,
  SessionService,
  StoreUnavailableError,
  WechatStore,
} from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import type { Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { TicksController } from '../../examples/recipes/src/sse.js';
import { ticks } from '../../examples/recipes/src/ticks.js';
import { TicksGateway } from '../../examples/recipes/src/websocket.js';
import { describeRedis, TestRedis } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

/** The same without `untilRevoked`. */
@Controller('naive-ticks')
class NaiveTicksController {
  @Sse()
  @UseGuards(SessionGuard)
  ticks(): Observable<MessageEvent> {
    return ticks;
  }
}

/** The same without `untilRevoked`. */
@WebSocketGateway({ path: '/naive-ticks' })
class NaiveTicksGateway {
  constructor(private readonly sessions: SessionService) {}

  async handleConnection(client: WebSocket, request: IncomingMessage): Promise<void> {
    await this.sessions.find(sessionRdFrom(request) ?? '');
    client.on('message', (data) => client.send(data));
  }
}

describeRedis('connections to two instances that share one Redis', () => {
  let wechat: WechatSandbox;
  let redis: TestRedis;
  let one: TeamApp;
  let two: TeamApp;
  const sockets: WebSocket[] = [];

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    redis = await TestRedis.start();
    const start = () =>
      startTeamApp(optionsFor(wechat, { redis: { url: redis.url } }), {
        controllers: [TicksController, NaiveTicksController],
        providers: [TicksGateway, NaiveTicksGateway],
        prepare: (app) => void app.useWebSocketAdapter(new WsAdapter(app)),
      });
    [one, two] = await Promise.all([start(), start()]);
  });
  afterEach(() => sockets.splice(0).forEach((socket) => socket.terminate()));
  afterAll(async () => {
    await closeTeamApps();
    await wechat.close();
    await redis.end();
  });

  const login = async () =>
    one.get(SessionService).login((await wechat.users.create().login()).code);

  /** Opens a stream of server-sent events, and counts its events until it ends. */
  const openStream = async (session_rd: string, path = '/ticks') => {
    const response = await one.as(session_rd, path);
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    const state = { events: 0, ended: false };
    const next = async (): Promise<boolean> => {
      const { done } = await reader.read();
      if (done) state.ended = true;
      else state.events++;
      return !done;
    };
    await next();
    return {
      state,
      /** Reads further events. Fails if the stream ends before. */
      events: async (count: number) => {
        for (let i = 0; i < count; i++) expect(await next()).toBe(true);
      },
      end: async () => {
        while (await next()) continue;
      },
      cancel: () => reader.cancel(),
    };
  };
  const openSocket = async (session_rd: string, path = '/ticks') => {
    const socket = new WebSocket(one.url.replace('http', 'ws') + path, {
      headers: { authorization: `Bearer ${session_rd}` },
    });
    sockets.push(socket);
    const closed = once(socket, 'close').then(([code]) => code as number);
    await once(socket, 'open');
    return { socket, closed };
  };
  /** Waits until the instance has read the session again, so that the effect of a revocation is visible. */
  const nextCheck = async (): Promise<void> => {
    const get = jest.spyOn(one.get(WechatStore), 'get');
    wechat.clock.advance('15s');
    while (get.mock.results.length === 0) await new Promise(setImmediate);
    await Promise.allSettled(get.mock.results.map(({ value }) => value));
    get.mockRestore();
  };

  it('end at once when the session is revoked on the same instance', async () => {
    const { session_rd, session } = await login();
    const stream = await openStream(session_rd);
    const socket = await openSocket(session_rd);
    await one.get(SessionService).revokeAll(session);
    expect(await socket.closed).toBe(4401);
    await stream.end();
  });

  it('end at the next check when the session is revoked on another instance', async () => {
    const { session_rd, session } = await login();
    const stream = await openStream(session_rd);
    const socket = await openSocket(session_rd);
    await two.get(SessionService).revokeAll(session);
    wechat.clock.advance('14s');
    await stream.events(20);
    expect(socket.socket.readyState).toBe(WebSocket.OPEN);
    wechat.clock.advance('1s');
    await stream.end();
    expect(await socket.closed).toBe(4401);
  });

  it('are not watched if the client has left before its session was found', async () => {
    const { session_rd } = await login();
    const { socket, closed } = await openSocket(session_rd);
    socket.close();
    await closed;
    const watch = jest.spyOn(one.get(SessionService), 'untilRevoked');
    const request = { headers: { authorization: `Bearer ${session_rd}` } } as IncomingMessage;
    await one.get(TicksGateway).handleConnection(socket, request);
    expect(watch).not.toHaveBeenCalled();
    watch.mockRestore();
  });

  it('control: stay open after revokeAll without untilRevoked', async () => {
    const { session_rd, session } = await login();
    const stream = await openStream(session_rd, '/naive-ticks');
    const { socket } = await openSocket(session_rd, '/naive-ticks');
    await one.get(SessionService).revokeAll(session);
    wechat.clock.advance('1h');
    await stream.events(20);
    socket.send('still here');
    expect(String((await once(socket, 'message'))[0])).toBe('still here');
    expect((await one.as(session_rd, '/session')).status).not.toBe(200);
    await stream.cancel();
  });

  it('stay open while the session is refreshed, and end when it expires', async () => {
    const { session_rd } = await login();
    const stream = await openStream(session_rd);
    wechat.clock.advance('29m');
    const next = await two.get(SessionService).refresh(session_rd);
    await stream.events(5);
    wechat.clock.advance('29m');
    await stream.events(20);
    expect(next.expiresIn).toBe(1800);
    wechat.clock.advance('61s');
    await stream.end();
  });

  it('end when the session was revoked between the guard and the subscription', async () => {
    const { session } = await login();
    await two.get(SessionService).revokeAll(session);
    await new Promise<void>((complete, error) => {
      one.get(SessionService).untilRevoked(session).subscribe({ complete, error });
    });
  });

  it('stay open while the store is unavailable, and are checked again afterwards', async () => {
    const { session_rd, session } = await login();
    const stream = await openStream(session_rd);
    const get = jest
      .spyOn(one.get(WechatStore), 'get')
      .mockRejectedValue(new StoreUnavailableError());
    for (const checks of [1, 2]) {
      wechat.clock.advance('15s');
      while (get.mock.calls.length < checks) await new Promise(setImmediate);
    }
    await stream.events(20);
    get.mockRestore();
    await nextCheck();
    await stream.events(20);
    await two.get(SessionService).revokeAll(session);
    wechat.clock.advance('15s');
    await stream.end();
  });

  it('are closed with 4401 without a session, and with 1013 while the store is unavailable', async () => {
    expect(await (await openSocket('srd_nonsense')).closed).toBe(4401);
    const { session_rd } = await login();
    const get = jest
      .spyOn(one.get(WechatStore), 'get')
      .mockRejectedValue(new StoreUnavailableError());
    expect(await (await openSocket(session_rd)).closed).toBe(1013);
    get.mockRestore();
  });

  it('read the store once per check, and never after they are closed', async () => {
    const { session } = await login();
    const get = jest.spyOn(one.get(WechatStore), 'get');
    const watch = one.get(SessionService).untilRevoked(session).subscribe();
    await waitForReads(get, 1);
    wechat.clock.advance('15s');
    await waitForReads(get, 2);
    wechat.clock.advance('15s');
    await waitForReads(get, 3);
    watch.unsubscribe();
    wechat.clock.advance('10m');
    await new Promise((resolve) => setTimeout(resolve, 50)); // the timer reads the clock every 10 ms
    expect(get).toHaveBeenCalledTimes(3);
    get.mockRestore();
  });

  const waitForReads = async (get: jest.SpyInstance, calls: number): Promise<void> => {
    while (get.mock.calls.length < calls) await new Promise(setImmediate);
    await Promise.allSettled(get.mock.results.map(({ value }) => value));
    await new Promise(setImmediate);
    expect(get).toHaveBeenCalledTimes(calls);
  };

  it.each([0, '', 'soon', -1, NaN])('are refused with every: %p', async (every) => {
    const { session } = await login();
    expect(() => one.get(SessionService).untilRevoked(session, { every })).toThrow(
      expect.objectContaining({ code: 'ERR_BAD_REQUEST' }),
    );
  });
});
