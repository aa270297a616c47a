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
import { ApolloDriver } from '@nestjs/apollo';
import type { ApolloDriverConfig } from '@nestjs/apollo';
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
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
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

describe('A WebSocket', () => {
  /** Lets other messages in between the guard and the handler. */
  class Slow implements NestInterceptor {
    async intercept(_: ExecutionContext, next: CallHandler) {
      await new Promise(setImmediate);
      return next.handle();
    }
  }

  @WebSocketGateway()
  @UseGuards(SessionGuard)
  @UseInterceptors(Slow)
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
      throw new WechatUnavailableError('WeChat did not answer.');
    }
  }

  /** A gateway that leaves the handshake alone: only the subprotocol remains. */
  @WebSocketGateway({ path: '/quiet' })
  @UseGuards(OptionalSessionGuard)
  @UseFilters(WechatExceptionFilter)
  class Quiet {
    @SubscribeMessage('who')
    who(@CurrentUser() user?: User) {
      return { event: 'who', data: user?.openid ?? 'stranger' };
    }
  }

  const start = () =>
    startTeamApp(optionsFor(wechat), {
      providers: [Chat, Quiet],
      prepare: (app) => void app.useWebSocketAdapter(new WsAdapter(app)),
    });

  const sockets: WebSocket[] = [];
  afterEach(() => sockets.splice(0).forEach((socket) => socket.terminate()));

  /** What `wx.connectSocket({ url, header, protocols })` does. */
  async function connect(
    app: TeamApp,
    { path = '/', header = {}, protocols = [] as string[] } = {},
  ) {
    const socket = new WebSocket(app.url.replace('http', 'ws') + path, protocols, {
      headers: header,
    });
    sockets.push(socket);
    await once(socket, 'open');
    const answers: { event: string; data: unknown }[] = [];
    const waiting: (() => void)[] = [];
    socket.on('message', (data: Buffer) => {
      answers.push(JSON.parse(data.toString()));
      waiting.shift()?.();
    });
    const next = async () => {
      if (answers.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      return answers.shift()!;
    };
    const say = (event: string, data?: unknown) => socket.send(JSON.stringify({ event, data }));
    return {
      socket,
      say,
      next,
      ask: (event: string, data?: unknown) => (say(event, data), next()),
    };
  }

  it.each([
    ['Authorization', (rd: string) => ({ header: { authorization: `Bearer ${rd}` } })],
    ['X-Session-Rd', (rd: string) => ({ header: { 'x-session-rd': rd } })],
    ['a subprotocol', (rd: string) => ({ protocols: [`session-rd.${rd}`] })],
    [
      'a subprotocol beside the one that is spoken',
      (rd: string) => ({ protocols: ['chat.v1', `session-rd.${rd}`] }),
    ],
  ])('knows its user by %s', async (_, credentials) => {
    const app = await start();
    const { session_rd, session } = await login(app);
    const chat = await connect(app, credentials(session_rd));
    expect(await chat.ask('me')).toEqual({ event: 'me', data: session.openid });
    expect(await chat.ask('me')).toEqual({ event: 'me', data: session.openid });
  });

  it('refuses who has no session, message by message, and says which', async () => {
    const app = await start();
    const stranger = await connect(app);
    const refusal = {
      code: 1000,
      msg: 'unauthorized',
      data: null,
      success: false,
      error: 'ERR_WECHAT_SESSION',
      cause: { pattern: 'me' },
    };
    expect(await stranger.ask('me')).toEqual({ event: 'exception', data: refusal });
    expect(await stranger.ask('greeting')).toEqual({ event: 'greeting', data: 'stranger' });
  });

  it('ends with its session: a revoked login is refused from the next message on', async () => {
    const app = await start();
    const { session_rd, session } = await login(app);
    const [chat, quiet] = [
      await connect(app, { header: { authorization: `Bearer ${session_rd}` } }),
      await connect(app, { path: '/quiet', protocols: [`session-rd.${session_rd}`] }),
    ];
    expect([await chat.ask('me'), await quiet.ask('who')]).toEqual([
      { event: 'me', data: session.openid },
      { event: 'who', data: session.openid },
    ]);
    await app.get(SessionService).revokeAll(session);
    expect(await chat.ask('me')).toMatchObject({
      event: 'exception',
      data: { error: 'ERR_WECHAT_SESSION' },
    });
    expect(await quiet.ask('who')).toEqual({ event: 'who', data: 'stranger' });
  });

  it('keeps its messages apart, also when many are under way', async () => {
    const app = await start();
    const { session_rd, session } = await login(app);
    const chat = await connect(app, { header: { 'x-session-rd': session_rd } });
    const asked = Array.from({ length: 200 }, (_, i) => (i % 2 ? 'me' : 'greeting'));
    asked.forEach((event) => chat.say(event));
    const answers: { event: string; data: unknown }[] = [];
    for (const _ of asked) answers.push(await chat.next());
    const told = (event: string) =>
      answers.filter((answer) => answer.event === event).map(({ data }) => data);
    expect([new Set(told('me')), told('me').length]).toEqual([new Set([session.openid]), 100]);
    expect([new Set(told('greeting')), told('greeting').length]).toEqual([
      new Set(['stranger']),
      100,
    ]);
  });

  it('brings open data', async () => {
    const app = await start();
    const user = wechat.users.create();
    const { session_rd } = await login(app, user);
    const chat = await connect(app, { header: { 'x-session-rd': session_rd } });
    expect(await chat.ask('steps', await user.getWeRunData())).toEqual({
      event: 'steps',
      data: expect.any(Number),
    });
    expect(await chat.ask('steps')).toMatchObject({
      event: 'exception',
      data: { error: 'ERR_BAD_REQUEST' },
    });
  });

  it('is told of errors in the words of HTTP', async () => {
    const app = await start();
    const { session_rd } = await login(app);
    const chat = await connect(app, { header: { 'x-session-rd': session_rd } });
    expect(await chat.ask('weather', 'Shenzhen')).toMatchObject({
      event: 'exception',
      data: { code: 503, error: 'ERR_WECHAT_UNAVAILABLE', cause: { pattern: 'weather' } },
    });
  });
  it('of socket.io is told the same', () => {
    const client = { emit: jest.fn() };
    const host = {
      getType: () => 'ws',
      switchToWs: () => ({ getClient: () => client, getPattern: () => 'me' }),
    };
    new WechatExceptionFilter().catch(
      new WechatUnavailableError('WeChat did not answer.'),
      host as unknown as ArgumentsHost,
    );
    const told = expect.objectContaining({
      code: 503,
      error: 'ERR_WECHAT_UNAVAILABLE',
      cause: { pattern: 'me' },
    });
    expect(client.emit).toHaveBeenCalledWith('exception', told);
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
      return 'for everybody';
    }

    @Query(() => String)
    @UseGuards(SessionGuard)
    weather(): string {
      throw new WechatUnavailableError('WeChat did not answer.');
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

    /** Nest runs no guard on fields below; the decorators use what the query's guard found. */
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
    // Its cache is loaded by import(), which jest's CommonJS mode has not.
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

    async function ask(app: TeamApp, query: string, sessionRd?: string, variables = {}) {
      const headers = {
        'content-type': 'application/json',
        ...(sessionRd && { authorization: `Bearer ${sessionRd}` }),
      };
      const answer = await app.fetch('/graphql', {
        method: 'POST',
        headers,
        body: JSON.stringify({ query, variables }),
      });
      return (await answer.json()) as {
        data: Record<string, unknown> | null;
        errors?: { message: string; extensions: object }[];
      };
    }

    it('knows the user in queries, and in the fields below', async () => {
      const app = await start();
      const { session_rd, session } = await login(app);
      const query = '{ me { openid greeting } appId hello prices }';
      const mine = {
        me: { openid: session.openid, greeting: 'hello yourself' },
        appId: session.appId,
      };
      expect(await ask(app, query, session_rd)).toEqual({
        data: { ...mine, hello: `hello ${session.openid}`, prices: 'for everybody' },
      });
    });

    it('refuses a field with a code, and answers the others', async () => {
      const app = await start();
      const { data, errors } = await ask(app, '{ hello prices weather }');
      expect([data, errors]).toEqual([
        null,
        [
          expect.objectContaining({
            message: 'unauthorized',
            extensions: { code: 'ERR_WECHAT_SESSION', status: 401 },
          }),
        ],
      ]);
      expect(await ask(app, '{ hello prices }')).toEqual({
        data: { hello: 'hello stranger', prices: 'for everybody' },
      });
    });

    it('tells when to try again, and no detail', async () => {
      const app = await start();
      const { errors } = await ask(app, '{ weather }', (await login(app)).session_rd);
      expect(errors).toEqual([
        expect.objectContaining({
          message: 'WeChat is unavailable; try again shortly',
          extensions: { code: 'ERR_WECHAT_UNAVAILABLE', status: 503, retryAfter: 1 },
        }),
      ]);
    });

    it('takes open data from the arguments', async () => {
      const app = await start();
      const user = wechat.users.create();
      const { session_rd } = await login(app, user);
      const query =
        'query ($encryptedData: String!, $iv: String!) { steps(encryptedData: $encryptedData, iv: $iv) }';
      const { encryptedData, iv } = await user.getWeRunData();
      expect(await ask(app, query, session_rd, { encryptedData, iv })).toEqual({
        data: { steps: expect.any(Number) },
      });
      const { errors } = await ask(app, query, session_rd, { encryptedData, iv: 'no' });
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
        const [answer] = (await once(socket, 'message')) as [Buffer];
        socket.terminate();
        return JSON.parse(answer.toString()) as unknown;
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

describe.each(['express', 'fastify'] as const)('Server-sent events on %s', (adapter) => {
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

  it('flow to who has a session, and to nobody else', async () => {
    const app = await startTeamApp(optionsFor(wechat), { adapter, controllers: [Clock] });
    const { session_rd, session } = await login(app);
    const answer = await app.as(session_rd, '/ticks');
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
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

/** The guard of a team: its own token in Authorization, its own user on the request. */
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

/** Accepts the token of the team or a session. */
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

describe.each(['express', 'fastify'] as const)("Beside a team's own JWT guard on %s", (adapter) => {
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
      return 'in';
    }
  }

  it('both let a request through, or either does', async () => {
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
});

describe('A guard of the whole application', () => {
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

  it('guards queries and event streams as it guards routes, except what is public', async () => {
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
    const ask = async (query: string, headers = {}) =>
      (await app.fetch(`/graphql?query=${query}`, { headers })).json();
    expect(await ask('{open}')).toEqual({ data: { open: 'open' } });
    expect(JSON.stringify(await ask('{closed}'))).toContain('ERR_WECHAT_SESSION');
    expect(await ask('{open closed}', { 'x-session-rd': session_rd })).toEqual({
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
