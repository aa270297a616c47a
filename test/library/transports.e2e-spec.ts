import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { ApolloDriver } from '@nestjs/apollo';
import type { ApolloDriverConfig } from '@nestjs/apollo';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Req,
  Sse,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type {
  ArgumentsHost,
  CallHandler,
  CanActivate,
  ExecutionContext,
  MessageEvent,
  NestInterceptor,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  Args,
  Field,
  GraphQLModule,
  ID,
  Int,
  ObjectType,
  Parent,
  Query,
  ResolveField,
  Resolver,
  Subscription,
} from '@nestjs/graphql';
import { MercuriusDriver } from '@nestjs/mercurius';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  CurrentSession,
  CurrentUser,
  OpenData,
  OptionalSessionGuard,
  Public,
  rememberHandshake,
  SessionGuard,
  SessionService,
  WechatExceptionFilter,
  WechatUnavailableError,
} from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { interval, map, of, take } from 'rxjs';
import { WebSocket } from 'ws';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

interface User {
  appId: string;
  openid: string;
}

let wechat: WechatSandbox;
beforeAll(async () => {
  wechat = await startWechatSandbox();
});
afterEach(closeTeamApps);
afterAll(() => wechat.close());

const login = async (app: TeamApp, user = wechat.users.create()) =>
  app.get(SessionService).login((await user.login()).code);

describe('a WebSocket', () => {
  /** Delays the handler, so that the guards of other messages run before it. */
  class DelayInterceptor implements NestInterceptor {
    async intercept(_: ExecutionContext, next: CallHandler) {
      await new Promise(setImmediate);
      return next.handle();
    }
  }

  @WebSocketGateway()
  @UseGuards(SessionGuard)
  @UseInterceptors(DelayInterceptor)
  @UseFilters(WechatExceptionFilter)
  class Chat {
    handleConnection(client: WebSocket, request: IncomingMessage) {
      rememberHandshake(client, request);
    }

    @SubscribeMessage('me')
    me(@CurrentUser() user: User) {
      return { event: 'me', data: user.openid };
    }

    @SubscribeMessage('greeting')
    @Public()
    greeting(@CurrentUser() user?: User) {
      return { event: 'greeting', data: user?.openid ?? 'stranger' };
    }

    @SubscribeMessage('steps')
    steps(@OpenData() steps: { stepInfoList: unknown[] }) {
      return { event: 'steps', data: steps.stepInfoList.length };
    }

    @SubscribeMessage('weather')
    weather(@MessageBody() _city: string) {
      throw new WechatUnavailableError('WeChat did not respond.');
    }
  }

  /** A gateway that does not call rememberHandshake. It can only read the subprotocol. */
  @WebSocketGateway({ path: '/protocol-only' })
  @UseGuards(OptionalSessionGuard)
  @UseFilters(WechatExceptionFilter)
  class ProtocolOnly {
    @SubscribeMessage('who')
    who(@CurrentUser() user?: User) {
      return { event: 'who', data: user?.openid ?? 'stranger' };
    }
  }

  const start = () =>
    startTeamApp(optionsFor(wechat), {
      providers: [Chat, ProtocolOnly],
      prepare: (app) => void app.useWebSocketAdapter(new WsAdapter(app)),
    });

  const sockets: WebSocket[] = [];
  afterEach(() => sockets.splice(0).forEach((socket) => socket.terminate()));

  /** Connects as `wx.connectSocket({ url, header, protocols })` does. */
  async function connect(
    app: TeamApp,
    { path = '/', header = {}, protocols = [] as string[] } = {},
  ) {
    const socket = new WebSocket(app.url.replace('http', 'ws') + path, protocols, {
      headers: header,
    });
    sockets.push(socket);
    await once(socket, 'open');
    const replies: { event: string; data: unknown }[] = [];
    const waiting: (() => void)[] = [];
    socket.on('message', (data: Buffer) => {
      replies.push(JSON.parse(data.toString()));
      waiting.shift()?.();
    });
    const next = async () => {
      if (replies.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      return replies.shift()!;
    };
    const send = (event: string, data?: unknown) => socket.send(JSON.stringify({ event, data }));
    return {
      socket,
      send,
      next,
      request: (event: string, data?: unknown) => (send(event, data), next()),
    };
  }

  it.each([
    ['Authorization', (rd: string) => ({ header: { authorization: `Bearer ${rd}` } })],
    ['X-Session-Rd', (rd: string) => ({ header: { 'x-session-rd': rd } })],
    ['a subprotocol', (rd: string) => ({ protocols: [`session-rd.${rd}`] })],
    [
      'a subprotocol in addition to another one',
      (rd: string) => ({ protocols: ['chat.v1', `session-rd.${rd}`] }),
    ],
  ])('is authenticated by %s', async (_, credentials) => {
    const app = await start();
    const { session_rd, session } = await login(app);
    const chat = await connect(app, credentials(session_rd));
    expect(await chat.request('me')).toEqual({ event: 'me', data: session.openid });
    expect(await chat.request('me')).toEqual({ event: 'me', data: session.openid });
  });

  it('gets an error that names the message for each message without a session', async () => {
    const app = await start();
    const anonymous = await connect(app);
    const refused = {
      code: 1000,
      msg: 'unauthorized',
      data: null,
      success: false,
      error: 'ERR_WECHAT_SESSION',
      cause: { pattern: 'me' },
    };
    expect(await anonymous.request('me')).toEqual({ event: 'exception', data: refused });
    expect(await anonymous.request('greeting')).toEqual({ event: 'greeting', data: 'stranger' });
  });

  it('is refused from the next message on after its session is revoked', async () => {
    const app = await start();
    const { session_rd, session } = await login(app);
    const [chat, protocolOnly] = [
      await connect(app, { header: { authorization: `Bearer ${session_rd}` } }),
      await connect(app, { path: '/protocol-only', protocols: [`session-rd.${session_rd}`] }),
    ];
    expect([await chat.request('me'), await protocolOnly.request('who')]).toEqual([
      { event: 'me', data: session.openid },
      { event: 'who', data: session.openid },
    ]);
    await app.get(SessionService).revokeAll(session);
    expect(await chat.request('me')).toMatchObject({
      event: 'exception',
      data: { error: 'ERR_WECHAT_SESSION' },
    });
    expect(await protocolOnly.request('who')).toEqual({ event: 'who', data: 'stranger' });
  });

  it('gets the right user for each of 200 parallel messages', async () => {
    const app = await start();
    const { session_rd, session } = await login(app);
    const chat = await connect(app, { header: { 'x-session-rd': session_rd } });
    const events = Array.from({ length: 200 }, (_, i) => (i % 2 ? 'me' : 'greeting'));
    events.forEach((event) => chat.send(event));
    const replies: { event: string; data: unknown }[] = [];
    for (const _ of events) replies.push(await chat.next());
    const dataOf = (event: string) =>
      replies.filter((reply) => reply.event === event).map(({ data }) => data);
    expect([new Set(dataOf('me')), dataOf('me').length]).toEqual([new Set([session.openid]), 100]);
    expect([new Set(dataOf('greeting')), dataOf('greeting').length]).toEqual([
      new Set(['stranger']),
      100,
    ]);
  });

  it('can send open data', async () => {
    const app = await start();
    const user = wechat.users.create();
    const { session_rd } = await login(app, user);
    const chat = await connect(app, { header: { 'x-session-rd': session_rd } });
    expect(await chat.request('steps', await user.getWeRunData())).toEqual({
      event: 'steps',
      data: expect.any(Number),
    });
    expect(await chat.request('steps')).toMatchObject({
      event: 'exception',
      data: { error: 'ERR_BAD_REQUEST' },
    });
  });

  it('gets errors with the body of HTTP responses', async () => {
    const app = await start();
    const { session_rd } = await login(app);
    const chat = await connect(app, { header: { 'x-session-rd': session_rd } });
    expect(await chat.request('weather', 'Shenzhen')).toMatchObject({
      event: 'exception',
      data: { code: 503, error: 'ERR_WECHAT_UNAVAILABLE', cause: { pattern: 'weather' } },
    });
  });

  it('of socket.io gets the same errors', () => {
    const client = { emit: jest.fn() };
    const host = {
      getType: () => 'ws',
      switchToWs: () => ({ getClient: () => client, getPattern: () => 'me' }),
    };
    new WechatExceptionFilter().catch(
      new WechatUnavailableError('WeChat did not respond.'),
      host as unknown as ArgumentsHost,
    );
    const expected = expect.objectContaining({
      code: 503,
      error: 'ERR_WECHAT_UNAVAILABLE',
      cause: { pattern: 'me' },
    });
    expect(client.emit).toHaveBeenCalledWith('exception', expected);
  });
});

describe('GraphQL', () => {
  @ObjectType()
  class Me {
    @Field(() => ID) openid: string;
    @Field() greeting: string;
  }

  @Resolver(() => Me)
  class MeResolver {
    @Query(() => Me)
    @UseGuards(SessionGuard)
    me(@CurrentUser() { openid }: User): { openid: string } {
      return { openid };
    }

    @Query(() => String)
    @UseGuards(SessionGuard)
    appId(@CurrentSession() session: WechatSession): string {
      return session.appId;
    }

    @Query(() => String)
    @UseGuards(OptionalSessionGuard)
    hello(@CurrentUser() user?: User): string {
      return `hello ${user?.openid ?? 'stranger'}`;
    }

    @Query(() => String)
    @Public()
    @UseGuards(SessionGuard)
    prices(): string {
      return 'public';
    }

    @Query(() => String)
    @UseGuards(SessionGuard)
    weather(): string {
      throw new WechatUnavailableError('WeChat did not respond.');
    }

    @Query(() => Int)
    @UseGuards(SessionGuard)
    steps(
      @Args('encryptedData') _data: string,
      @Args('iv') _iv: string,
      @OpenData() steps: { stepInfoList: unknown[] },
    ): number {
      return steps.stepInfoList.length;
    }

    /** Nest runs no guard for nested fields. Their decorators use the session that the guard of the query has found. */
    @ResolveField()
    greeting(@Parent() { openid }: Me, @CurrentUser() user: User): string {
      return openid === user.openid ? 'hello yourself' : 'hello';
    }

    @Subscription(() => Int)
    @UseGuards(SessionGuard)
    async *ticks(@CurrentUser() user: User) {
      yield { ticks: user.openid.length };
    }
  }

  const mercurius = () =>
    // The cache of Mercurius needs import(), which jest does not support in CommonJS mode.
    GraphQLModule.forRoot<MercuriusDriverConfig>({
      driver: MercuriusDriver,
      autoSchemaFile: true,
      subscription: true,
      cache: false,
    });
  const apollo = () =>
    GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      autoSchemaFile: true,
      subscriptions: { 'graphql-ws': true },
    });

  describe.each([
    ['Mercurius on fastify', 'fastify', mercurius],
    ['Apollo on fastify', 'fastify', apollo],
    ['Apollo on express', 'express', apollo],
  ] as const)('by %s', (_, adapter, graphql) => {
    const start = () =>
      startTeamApp(optionsFor(wechat), { adapter, imports: [graphql()], providers: [MeResolver] });

    async function query(app: TeamApp, document: string, sessionRd?: string, variables = {}) {
      const headers = {
        'content-type': 'application/json',
        ...(sessionRd && { authorization: `Bearer ${sessionRd}` }),
      };
      const response = await app.fetch('/graphql', {
        method: 'POST',
        headers,
        body: JSON.stringify({ query: document, variables }),
      });
      return (await response.json()) as {
        data: Record<string, unknown> | null;
        errors?: { message: string; extensions: object }[];
      };
    }

    it('provides the user in queries and in nested fields', async () => {
      const app = await start();
      const { session_rd, session } = await login(app);
      const document = '{ me { openid greeting } appId hello prices }';
      const own = {
        me: { openid: session.openid, greeting: 'hello yourself' },
        appId: session.appId,
      };
      expect(await query(app, document, session_rd)).toEqual({
        data: { ...own, hello: `hello ${session.openid}`, prices: 'public' },
      });
    });

    it('returns an error with a code for a guarded field, and data for a query without one', async () => {
      const app = await start();
      const { data, errors } = await query(app, '{ hello prices weather }');
      expect([data, errors]).toEqual([
        null,
        [
          expect.objectContaining({
            message: 'unauthorized',
            extensions: { code: 'ERR_WECHAT_SESSION', status: 401 },
          }),
        ],
      ]);
      expect(await query(app, '{ hello prices }')).toEqual({
        data: { hello: 'hello stranger', prices: 'public' },
      });
    });

    it('returns retryAfter and no detail if WeChat is unavailable', async () => {
      const app = await start();
      const { errors } = await query(app, '{ weather }', (await login(app)).session_rd);
      expect(errors).toEqual([
        expect.objectContaining({
          message: 'WeChat is unavailable; try again shortly',
          extensions: { code: 'ERR_WECHAT_UNAVAILABLE', status: 503, retryAfter: 1 },
        }),
      ]);
    });

    it('reads open data from the arguments', async () => {
      const app = await start();
      const user = wechat.users.create();
      const { session_rd } = await login(app, user);
      const document =
        'query ($encryptedData: String!, $iv: String!) { steps(encryptedData: $encryptedData, iv: $iv) }';
      const { encryptedData, iv } = await user.getWeRunData();
      expect(await query(app, document, session_rd, { encryptedData, iv })).toEqual({
        data: { steps: expect.any(Number) },
      });
      const { errors } = await query(app, document, session_rd, { encryptedData, iv: 'no' });
      expect(errors).toEqual([
        expect.objectContaining({ extensions: { code: 'ERR_WECHAT_DECRYPT', status: 400 } }),
      ]);
    });

    it('guards a subscription by the headers of its WebSocket', async () => {
      const app = await start();
      const { session_rd, session } = await login(app);
      const subscribe = async (
        headers: Record<string, string>,
        protocols = ['graphql-transport-ws'],
      ) => {
        const socket = new WebSocket(app.url.replace('http', 'ws') + '/graphql', protocols, {
          headers,
        });
        await once(socket, 'open');
        socket.send(JSON.stringify({ type: 'connection_init' }));
        await once(socket, 'message');
        socket.send(
          JSON.stringify({
            id: '1',
            type: 'subscribe',
            payload: { query: 'subscription { ticks }' },
          }),
        );
        const [message] = (await once(socket, 'message')) as [Buffer];
        socket.terminate();
        return JSON.parse(message.toString()) as unknown;
      };
      const tick = expect.objectContaining({ payload: { data: { ticks: session.openid.length } } });
      expect(await subscribe({ authorization: `Bearer ${session_rd}` })).toEqual(tick);
      expect(await subscribe({}, ['graphql-transport-ws', `session-rd.${session_rd}`])).toEqual(
        tick,
      );
      expect(JSON.stringify(await subscribe({}))).toContain('ERR_WECHAT_SESSION');
    });
  });
});

describe.each(['express', 'fastify'] as const)('server-sent events on %s', (adapter) => {
  @Controller()
  class Clock {
    @Sse('ticks')
    @UseGuards(SessionGuard)
    ticks(@CurrentUser() { openid }: User) {
      return interval(1).pipe(
        take(3),
        map((n): MessageEvent => ({ data: `${n} for ${openid}` })),
      );
    }
  }

  it('need a session', async () => {
    const app = await startTeamApp(optionsFor(wechat), { adapter, controllers: [Clock] });
    const { session_rd, session } = await login(app);
    const response = await app.as(session_rd, '/ticks');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(text.match(/data: .*/g)).toEqual(
      [0, 1, 2].map((n) => `data: ${n} for ${session.openid}`),
    );
    const refused = await app.as('srd_unknown', '/ticks');
    expect([refused.status, await refused.json()]).toEqual([
      401,
      expect.objectContaining({ error: 'ERR_WECHAT_SESSION' }),
    ]);
  });
});

/** A guard of the application. It accepts another token in Authorization and sets request.user. */
@Injectable()
class JwtGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context
      .switchToHttp()
      .getRequest<{ headers: Record<string, string>; user?: unknown }>();
    if (request.headers['authorization'] !== 'Bearer jwt-of-anna') return false;
    request.user = { name: 'anna' };
    return true;
  }
}

/** Accepts a token of the application or a session. */
@Injectable()
class EitherGuard implements CanActivate {
  constructor(
    @Inject(JwtGuard) private readonly jwt: JwtGuard,
    @Inject(SessionGuard) private readonly session: SessionGuard,
  ) {}
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    return this.jwt.canActivate(context) || this.session.canActivate(context);
  }
}

describe.each(['express', 'fastify'] as const)(
  'SessionGuard with a JWT guard of the application on %s',
  (adapter) => {
    @Controller()
    class Pages {
      @Get('both')
      @UseGuards(SessionGuard, JwtGuard)
      both(@Req() { user }: { user: { name: string } }, @CurrentUser() { openid }: User) {
        return [user.name, openid];
      }

      @Get('either')
      @UseGuards(EitherGuard)
      either() {
        return 'allowed';
      }
    }

    it('can be combined so that both are required, or either', async () => {
      const app = await startTeamApp(optionsFor(wechat), {
        adapter,
        controllers: [Pages],
        providers: [JwtGuard],
      });
      const { session_rd, session } = await login(app);
      const status = async (path: string, headers: Record<string, string>) =>
        (await app.fetch(path, { headers })).status;
      const [jwt, rd] = [{ authorization: 'Bearer jwt-of-anna' }, { 'x-session-rd': session_rd }];
      expect([
        await status('/both', jwt),
        await status('/both', rd),
        await status('/both', { ...jwt, ...rd }),
      ]).toEqual([401, 403, 200]);
      expect([
        await status('/either', {}),
        await status('/either', jwt),
        await status('/either', rd),
      ]).toEqual([401, 200, 200]);
      expect(await (await app.fetch('/both', { headers: { ...jwt, ...rd } })).json()).toEqual([
        'anna',
        session.openid,
      ]);
    });
  },
);

describe('a global SessionGuard', () => {
  @Resolver()
  class Queries {
    @Query(() => String)
    closed(@CurrentUser() { openid }: User): string {
      return openid;
    }
    @Query(() => String)
    @Public()
    open(): string {
      return 'open';
    }
  }
  @Controller()
  class Pages {
    @Sse('closed')
    closed() {
      return of({ data: 'closed' });
    }
    @Sse('open')
    @Public()
    open() {
      return of({ data: 'open' });
    }
  }

  it('guards queries and event streams like routes, except public ones', async () => {
    const app = await startTeamApp(optionsFor(wechat), {
      imports: [
        GraphQLModule.forRoot<MercuriusDriverConfig>({
          driver: MercuriusDriver,
          autoSchemaFile: true,
          cache: false,
        }),
      ],
      providers: [Queries, { provide: APP_GUARD, useExisting: SessionGuard }],
      controllers: [Pages],
    });
    const { session_rd, session } = await login(app);
    const get = async (query: string, headers = {}) =>
      (await app.fetch(`/graphql?query=${query}`, { headers })).json();
    expect(await get('{open}')).toEqual({ data: { open: 'open' } });
    expect(JSON.stringify(await get('{closed}'))).toContain('ERR_WECHAT_SESSION');
    expect(await get('{open closed}', { 'x-session-rd': session_rd })).toEqual({
      data: { open: 'open', closed: session.openid },
    });
    const status = async (path: string, headers = {}) =>
      (await app.fetch(path, { headers })).status;
    expect([
      await status('/open'),
      await status('/closed'),
      await status('/closed', { 'x-session-rd': session_rd }),
    ]).toEqual([200, 401, 200]);
  });
});
