import { HttpService } from '@nestjs/axios';
import { Controller, Get, Injectable, Logger, Module, UseGuards } from '@nestjs/common';
import type { ExecutionContext, Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import axios from 'axios';
import {
  CurrentUser,
  Public,
  SessionGuard,
  SessionService,
  StoreUnavailableError,
  WechatModule,
  WechatStore,
} from 'nestjs-wechat';
import type { WechatModuleOptions, WechatSession, WechatUserResolver } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { WechatHealthIndicator } from 'nestjs-wechat/health';
import { WechatAuthGuard, WechatSessionStrategy } from 'nestjs-wechat/passport';
import { CountingStore } from '../support/counting-store.js';
import { closeTeamApps, optionsFor, startTeamApp, TeamController } from '../support/team-app.js';

interface User {
  name: string;
  openid: string;
}

/** The database of the application. */
@Injectable()
class Database {
  readonly deleted = new Set<string>();
  reads = 0;
  find(openid: string): User | undefined {
    this.reads++;
    return this.deleted.has(openid) ? undefined : { name: 'Ming', openid };
  }
}

@Injectable()
class Users implements WechatUserResolver<User> {
  constructor(private readonly database: Database) {}
  resolve({ openid }: WechatSession): User | undefined {
    return this.database.find(openid);
  }
}

let wechat: WechatSandbox;
beforeAll(async () => {
  wechat = await startWechatSandbox();
});
afterEach(closeTeamApps);
afterAll(() => wechat.close());

const login = async (sessions: SessionService) =>
  sessions.login((await wechat.users.create().login()).code);

describe('WechatModule', () => {
  @Injectable()
  class Options {
    createWechatOptions(): WechatModuleOptions {
      return optionsFor(wechat);
    }
  }
  @Module({ providers: [Options], exports: [Options] })
  class OptionsModule {}

  it.each<[string, () => object]>([
    ['useFactory', () => WechatModule.forRootAsync({ useFactory: () => optionsFor(wechat) })],
    [
      'useFactory with a promise',
      () => WechatModule.forRootAsync({ useFactory: () => Promise.resolve(optionsFor(wechat)) }),
    ],
    [
      'an injected factory',
      () =>
        WechatModule.forRootAsync({
          imports: [OptionsModule],
          inject: [Options],
          useFactory: (options: Options) => options.createWechatOptions(),
        }),
    ],
    ['useClass', () => WechatModule.forRootAsync({ useClass: Options })],
    [
      'useExisting',
      () => WechatModule.forRootAsync({ imports: [OptionsModule], useExisting: Options }),
    ],
    ['forRoot', () => WechatModule.forRoot(optionsFor(wechat))],
  ])('takes its options from %s', async (_, module) => {
    const app = await Test.createTestingModule({ imports: [module() as Type] }).compile();
    expect(await login(app.get(SessionService, { strict: false }))).toHaveProperty('session_rd');
    await app.close();
  });

  it('is global by default', async () => {
    @Module({ controllers: [TeamController] })
    class Feature {}
    const compile = (isGlobal?: boolean) =>
      Test.createTestingModule({
        imports: [
          WechatModule.forRootAsync({
            useFactory: () => optionsFor(wechat),
            ...(isGlobal === undefined ? {} : { isGlobal }),
          }),
          Feature,
        ],
      }).compile();
    await (await compile()).close();
    await expect(compile(false)).rejects.toThrow(/SessionService/);
  });

  it('stops the start if it is global twice, with an error that says how to fix it', async () => {
    const twice = (isGlobal: boolean) =>
      Test.createTestingModule({
        imports: [
          WechatModule.forRoot({ ...optionsFor(wechat), isGlobal: true }),
          WechatModule.forRoot({ ...optionsFor(wechat), isGlobal }),
        ],
      }).compile();
    await expect(twice(true)).rejects.toThrow(
      /WechatModule is imported 2 times as a global module: .*isGlobal: false/,
    );
    await (await twice(false)).close();
  });

  it('sends requests with the HttpService of the application, and with its own limits', async () => {
    const http = new HttpService(axios.create()); // without it, the defaults of all axios clients of this process
    const sent: (string | undefined)[] = [];
    http.axiosRef.interceptors.request.use((request) => {
      sent.push(request.url);
      return request;
    });
    http.axiosRef.defaults.timeout = 1; // the deadline of the library counts
    http.axiosRef.defaults.maxRedirects = 5;
    const api = { baseUrl: wechat.url, timeout: '2s', http };
    const app = await startTeamApp(optionsFor(wechat, { api }));
    await login(app.get(SessionService));
    expect(sent).toEqual(['/sns/jscode2session']);
    wechat.next('/sns/jscode2session', { status: 302 });
    await expect(login(app.get(SessionService))).rejects.toMatchObject({
      code: 'ERR_WECHAT_RESPONSE',
    });
  });

  it('stops the start with an error that lists every problem of the options', async () => {
    const app = Test.createTestingModule({
      imports: [WechatModule.forRoot({ apps: [], session: { ttl: '30x' } })],
    }).compile();
    await expect(app).rejects.toMatchObject({
      code: 'ERR_WECHAT_CONFIG',
      problems: [expect.stringMatching(/^apps /), expect.stringMatching(/^session.ttl /)],
    });
  });

  it('warns in production if sessions are in memory, and not if the options name a store', async () => {
    const environment = process.env['NODE_ENV'];
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const warningsWith = async (more: Partial<WechatModuleOptions>): Promise<unknown[]> => {
      warn.mockClear();
      const imports = [WechatModule.forRoot(optionsFor(wechat, more))];
      await (await Test.createTestingModule({ imports }).compile()).close();
      return warn.mock.calls.flat();
    };
    process.env['NODE_ENV'] = 'production';
    expect(await warningsWith({})).toEqual([expect.stringContaining('Set REDIS_URL')]);
    expect(await warningsWith({ store: new CountingStore() })).toEqual([]);
    process.env['NODE_ENV'] = environment;
    expect(await warningsWith({})).toEqual([]);
    warn.mockRestore();
  });

  it('calls the user resolver once per request, and only if the user is read', async () => {
    @Controller()
    class Pages {
      @Get('twice')
      @UseGuards(SessionGuard)
      twice(@CurrentUser() one: User, @CurrentUser() two: User) {
        return { same: one === two };
      }
    }
    const app = await startTeamApp(optionsFor(wechat, { users: Users }), {
      controllers: [TeamController, Pages],
      providers: [Database, Users],
    });
    const database = app.get(Database);
    const { session_rd, session } = await login(app.get(SessionService));
    expect(await (await app.as(session_rd, '/me')).json()).toEqual({
      name: 'Ming',
      openid: session.openid,
    });
    expect(await (await app.as(session_rd, '/twice')).json()).toEqual({ same: true });
    expect(database.reads).toBe(2);
    await app.as(session_rd, '/session');
    expect(database.reads).toBe(2);
    database.deleted.add(session.openid);
    expect((await app.as(session_rd, '/me')).status).toBe(401);
  });

  it('instantiates a resolver that the application does not provide', async () => {
    class Plain implements WechatUserResolver {
      resolve = ({ openid }: WechatSession) => ({ own: openid });
    }
    const app = await startTeamApp(optionsFor(wechat, { users: Plain }));
    const { session_rd, session } = await login(app.get(SessionService));
    expect(await (await app.as(session_rd, '/me')).json()).toEqual({ own: session.openid });
  });

  it('guards the whole application, except public routes', async () => {
    @Controller()
    class Pages {
      @Get('open')
      @Public()
      open(@CurrentUser() user?: User) {
        return { user: user ?? null };
      }
      @Get('closed')
      closed() {
        return {};
      }
    }
    @Module({
      imports: [WechatModule.forRoot(optionsFor(wechat))],
      controllers: [Pages],
      providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
    })
    class Guarded {}
    const app = (
      await Test.createTestingModule({ imports: [Guarded] }).compile()
    ).createNestApplication(new FastifyAdapter());
    await app.listen(0, '127.0.0.1');
    const get = async (path: string, headers = {}) =>
      (await fetch((await app.getUrl()) + path, { headers })).status;
    const { session_rd } = await login(app.get(SessionService, { strict: false }));
    const statuses = [
      await get('/open'),
      await get('/closed'),
      await get('/closed', { 'x-session-rd': session_rd }),
    ];
    await app.close();
    expect(statuses).toEqual([200, 401, 200]);
  });
});

describe('WechatAuthGuard', () => {
  @Controller()
  class PassportController {
    @Get('me')
    @UseGuards(WechatAuthGuard)
    me(@CurrentUser() user: unknown) {
      return user;
    }
  }
  /** A guard for a strategy that calls `pass()`, after which Passport continues without a user. */
  class PassingGuard extends WechatAuthGuard {
    override getRequest(context: ExecutionContext) {
      return context.switchToHttp().getRequest();
    }
  }
  @Controller('passing')
  class PassingController {
    @Get()
    @UseGuards(PassingGuard)
    never() {
      return 'reached';
    }
  }
  const start = () =>
    startTeamApp(optionsFor(wechat), {
      controllers: [PassportController, PassingController],
      providers: [WechatSessionStrategy, PassportModule as never],
    });

  it('provides the user of a session_rd, and returns 401 without a valid one', async () => {
    const app = await start();
    const { session_rd, session } = await login(app.get(SessionService));
    const response = await app.as(session_rd, '/me');
    expect([response.status, await response.json()]).toEqual([
      200,
      expect.objectContaining({ openid: session.openid }),
    ]);
    for (const headers of [
      {},
      { authorization: 'Bearer x' },
      { 'x-session-rd': `${session_rd}x` },
    ]) {
      const refused = await app.fetch('/me', { headers: headers as Record<string, string> });
      expect([refused.status, ((await refused.json()) as { error: string }).error]).toEqual([
        401,
        'ERR_WECHAT_SESSION',
      ]);
    }
  });

  it('refuses the request if the strategy passes, fails or throws', async () => {
    const app = await start();
    const { session_rd } = await login(app.get(SessionService));
    const strategy = app.get(WechatSessionStrategy) as unknown as {
      authenticate: (this: Record<string, () => void>) => void;
    };
    const outcomes: Record<string, (this: Record<string, (...args: unknown[]) => void>) => void> = {
      pass() {
        this['pass']!();
      },
      fail() {
        this['fail']!('no', 503);
      },
      success() {
        this['success']!(undefined);
      },
      error() {
        this['error']!(new Error('thrown by the strategy'));
      },
    };
    const statuses: number[] = [];
    for (const authenticate of Object.values(outcomes)) {
      strategy.authenticate = authenticate as never;
      statuses.push((await app.as(session_rd, '/me')).status);
    }
    expect(statuses).toEqual([401, 401, 401, 500]);
  });

  it('returns 503 while the store is unavailable', async () => {
    const app = await start();
    const { session_rd } = await login(app.get(SessionService));
    jest.spyOn(app.get(WechatStore), 'get').mockRejectedValue(new StoreUnavailableError());
    expect((await app.as(session_rd, '/me')).status).toBe(503);
  });

  it('accepts sessions of its own application only, with two applications in one process', async () => {
    const [one, two] = [await start(), await start()];
    const { session_rd } = await login(one.get(SessionService));
    expect((await one.as(session_rd, '/me')).status).toBe(200);
    expect((await two.as(session_rd, '/me')).status).toBe(401);
  });
});

describe('WechatHealthIndicator', () => {
  it('reports the store and WeChat separately, without a call to WeChat', async () => {
    @Module({
      imports: [
        WechatModule.forRoot(optionsFor(wechat, { api: { baseUrl: wechat.url, timeout: 200 } })),
        TerminusModule,
      ],
      providers: [WechatHealthIndicator],
    })
    class Healthy {}
    const app = await Test.createTestingModule({ imports: [Healthy] }).compile();
    const [health, sessions] = [
      app.get(WechatHealthIndicator),
      app.get(SessionService, { strict: false }),
    ];
    expect([await health.store('store'), health.platform('wechat')]).toEqual([
      { store: { status: 'up' } },
      { wechat: { status: 'up', state: 'ok' } },
    ]);
    wechat.always('/sns/jscode2session', { status: 502 });
    await login(sessions).catch(() => undefined);
    const before = wechat.requests.length;
    expect(health.platform('wechat')).toEqual({ wechat: { status: 'up', state: 'degraded' } });
    expect(wechat.requests.length).toBe(before);
    wechat.clear();
    await login(sessions);
    expect(health.platform('wechat')).toEqual({ wechat: { status: 'up', state: 'ok' } });
    jest
      .spyOn(app.get(WechatStore, { strict: false }), 'add')
      .mockRejectedValue(new StoreUnavailableError());
    expect(await health.store('store')).toEqual({
      store: { status: 'down', error: 'ERR_STORE_UNAVAILABLE' },
    });
    await app.close();
  });
});
