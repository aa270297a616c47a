import { Controller, Get, Inject, Injectable, Module, Req, Scope, UseGuards } from '@nestjs/common';
import type {
  CallHandler,
  CanActivate,
  ExecutionContext,
  NestInterceptor,
  Type,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import {
  CurrentSession,
  CurrentUser,
  getSession,
  getUser,
  OptionalSessionGuard,
  Public,
  SessionGuard,
  SessionService,
  WECHAT_USER_RESOLVER,
} from 'nestjs-wechat';
import type {
  WechatModuleOptions,
  WechatRequest,
  WechatSession,
  WechatUserResolver,
} from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import type { Observable } from 'rxjs';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { Adapter, TeamApp } from '../support/team-app.js';

let wechat: WechatSandbox;
beforeAll(async () => {
  wechat = await startWechatSandbox();
});
afterEach(closeTeamApps);
afterAll(() => wechat.close());

interface User {
  openid: string;
  role: string;
}

/** A user resolver that counts its calls. */
class Users implements WechatUserResolver<User> {
  calls = 0;
  isDeleted = false;

  async resolve({ openid }: WechatSession): Promise<User | undefined> {
    this.calls++;
    return this.isDeleted ? undefined : { openid, role: 'admin' };
  }
}

const login = async (app: TeamApp) =>
  app.get(SessionService).login((await wechat.users.create().login()).code);
const json = async (response: Response) => [response.status, await response.json()];

/** A typical guard of an application. It awaits the user of the request. */
class RolesGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { user } = context.switchToHttp().getRequest<WechatRequest>();
    return ((await user) as User).role === 'admin';
  }
}

/** A guard that reads the user synchronously. */
class SynchronousRolesGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { user } = context.switchToHttp().getRequest<{ user?: User }>();
    return user?.role === 'admin';
  }
}

@Controller()
class Pages {
  @Get('session')
  @UseGuards(SessionGuard)
  session(@Req() request: WechatRequest) {
    return request.wechatSession;
  }

  @Get('user')
  @UseGuards(SessionGuard)
  async user(@Req() request: WechatRequest, @CurrentUser() injected: unknown) {
    return { user: await request.user, isInjected: (await request.user) === injected };
  }

  @Get('twice')
  @UseGuards(SessionGuard)
  twice(@Req() request: WechatRequest) {
    return { isPromise: request.user instanceof Promise, isSame: request.user === request.user };
  }

  @Get('read-and-dropped')
  @UseGuards(SessionGuard)
  readAndDropped(@Req() request: WechatRequest) {
    void request.user;
    return {};
  }

  @Get('unread')
  @UseGuards(SessionGuard)
  unread() {
    return {};
  }

  @Get('admin')
  @UseGuards(SessionGuard, RolesGuard)
  admin() {
    return {};
  }

  @Get('synchronous-admin')
  @UseGuards(SessionGuard, SynchronousRolesGuard)
  synchronousAdmin() {
    return {};
  }

  @Get('optional')
  @UseGuards(OptionalSessionGuard)
  optional(@Req() { user, wechatSession }: WechatRequest) {
    return { user: user ?? null, wechatSession };
  }
}

const start = (
  adapter: Adapter,
  options: Partial<WechatModuleOptions> = {},
  more: { controllers?: object[]; providers?: object[] } = {},
) =>
  startTeamApp(optionsFor(wechat, options), {
    adapter,
    controllers: (more.controllers ?? [Pages]) as never,
    providers: more.providers as never,
  });

describe.each<Adapter>(['express', 'fastify'])('a request on %s', (adapter) => {
  it('has the session and { appId, openid, unionid } after SessionGuard', async () => {
    const app = await start(adapter);
    const { session_rd, session } = await login(app);
    expect(await json(await app.as(session_rd, '/session'))).toEqual([
      200,
      JSON.parse(JSON.stringify(session)),
    ]);
    const { appId, openid, unionid } = session;
    expect(await json(await app.as(session_rd, '/user'))).toEqual([
      200,
      { user: { appId, openid, unionid }, isInjected: true },
    ]);
  });

  it('has one promise of the user with a resolver, which is called when the user is first read', async () => {
    const users = new Users();
    const app = await start(adapter, { users });
    const { session_rd, session } = await login(app);
    await app.as(session_rd, '/unread');
    await app.as(session_rd, '/session');
    expect(users.calls).toBe(0);
    expect(await json(await app.as(session_rd, '/twice'))).toEqual([
      200,
      { isPromise: true, isSame: true },
    ]);
    expect(users.calls).toBe(1);
    expect(await json(await app.as(session_rd, '/user'))).toEqual([
      200,
      { user: { openid: session.openid, role: 'admin' }, isInjected: true },
    ]);
    expect(users.calls).toBe(2);
  });

  it('works with a guard that awaits the user', async () => {
    const users = new Users();
    const app = await start(adapter, { users });
    const { session_rd } = await login(app);
    expect((await app.as(session_rd, '/admin')).status).toBe(200);
    users.isDeleted = true;
    expect((await app.as(session_rd, '/admin')).status).toBe(401);
    expect((await app.as(session_rd, '/read-and-dropped')).status).toBe(200);
  });

  it('has the user instead of a promise with eagerUser, for a guard that does not await it', async () => {
    const users = new Users();
    const [eager, lazy] = [
      await start(adapter, { users, eagerUser: true }),
      await start(adapter, { users }),
    ];
    const [one, two] = [await login(eager), await login(lazy)];
    expect((await eager.as(one.session_rd, '/synchronous-admin')).status).toBe(200);
    expect((await lazy.as(two.session_rd, '/synchronous-admin')).status).toBe(403); // control
    users.isDeleted = true;
    expect((await eager.as(one.session_rd, '/unread')).status).toBe(401);
  });

  it('has a null session and no user if the guard allows it without a session', async () => {
    const app = await start(adapter, { users: new Users() });
    expect(await json(await app.fetch('/optional'))).toEqual([
      200,
      { user: null, wechatSession: null },
    ]);
  });

  it('has a session and a user that interceptors can read', async () => {
    const seen: unknown[] = [];
    @Injectable()
    class AuditInterceptor implements NestInterceptor {
      async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
        seen.push([getSession(context)?.openid, await getUser(context)]);
        return next.handle();
      }
    }
    const app = await start(
      adapter,
      { users: new Users() },
      {
        providers: [{ provide: APP_INTERCEPTOR, useClass: AuditInterceptor }],
      },
    );
    const { session_rd, session } = await login(app);
    await app.as(session_rd, '/unread');
    await app.fetch('/optional');
    const { openid } = session;
    expect(seen).toEqual([
      [openid, { openid, role: 'admin' }],
      [undefined, undefined],
    ]);
  });

  it('keeps the user that a later guard assigns to request.user, while @CurrentUser() is still the WeChat user', async () => {
    class StaffGuard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        context.switchToHttp().getRequest<WechatRequest>().user = { staff: 'Li' };
        return true;
      }
    }
    @Controller()
    class BothPages {
      @Get('both')
      @UseGuards(SessionGuard, StaffGuard)
      both(@Req() { user }: WechatRequest, @CurrentUser() { openid }: User) {
        return { user, openid };
      }
    }
    for (const options of [{}, { users: new Users() }]) {
      const app = await start(adapter, options, { controllers: [BothPages] });
      const { session_rd, session } = await login(app);
      expect(await json(await app.as(session_rd, '/both'))).toEqual([
        200,
        { user: { staff: 'Li' }, openid: session.openid },
      ]);
    }
  });

  it('keeps the user of an earlier guard if OptionalSessionGuard allows it without a session', async () => {
    class StaffGuard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        context.switchToHttp().getRequest<WechatRequest>().user = { staff: 'Li' };
        return true;
      }
    }
    @Controller()
    class StaffPages {
      @Get('staff')
      @UseGuards(StaffGuard, OptionalSessionGuard)
      staff(@Req() { user }: WechatRequest, @CurrentUser() wechatUser?: unknown) {
        return { user, wechatUser: wechatUser ?? null };
      }
    }
    const app = await start(adapter, {}, { controllers: [StaffPages] });
    expect(await json(await app.fetch('/staff'))).toEqual([
      200,
      { user: { staff: 'Li' }, wechatUser: null },
    ]);
  });

  it('can have a JWT of the application in addition to its session_rd, but not two tokens of the library', async () => {
    const app = await start(adapter);
    const [own, other] = [await login(app), await login(app)];
    const status = async (authorization: string, named: string) =>
      (await app.fetch('/unread', { headers: { authorization, 'x-session-rd': named } })).status;
    const jwt = `Bearer ${['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiIxIn0', 'c2ln'].join('.')}`;
    expect(await status(jwt, own.session_rd)).toBe(200);
    expect(await status('Basic bGk6c2VjcmV0', own.session_rd)).toBe(200);
    expect(await status(jwt, 'srd_unknown')).toBe(401);
    expect(await status(jwt, jwt)).toBe(401);
    expect(await status(`Bearer ${own.session_rd}`, own.session_rd)).toBe(200);
    expect(await status(`Bearer ${own.session_rd}`, 'undefined')).toBe(200);
    expect(await status(`Bearer ${own.session_rd}`, other.session_rd)).toBe(400);
    expect(await status(`Bearer ${own.session_rd}`, `mot_${other.session_rd.slice(4)}`)).toBe(400);
  });

  it('can be allowed by a subclass of SessionGuard, with a user or without one', async () => {
    @Injectable()
    class ApiKeyOrSessionGuard extends SessionGuard {
      override async canActivate(context: ExecutionContext): Promise<boolean> {
        const { headers } = this.getRequest(context);
        if (headers['x-api-key'] === 'robot') return this.allowUser(context, { robot: true });
        if (headers['x-api-key'] === 'guest') return this.allowAnonymous(context);
        return super.canActivate(context);
      }
    }
    @Controller()
    class KeyPages {
      @Get('who')
      @UseGuards(ApiKeyOrSessionGuard)
      async who(
        @Req() request: WechatRequest,
        @CurrentUser() user?: unknown,
        @CurrentSession() session?: WechatSession,
      ) {
        return { user: user ?? null, isSame: user === (await request.user), id: session?.id };
      }
    }
    const app = await start(adapter, {}, { controllers: [KeyPages] });
    const { session_rd, session } = await login(app);
    const who = async (headers: Record<string, string>) =>
      json(await app.fetch('/who', { headers }));
    expect(await who({ 'x-api-key': 'robot' })).toEqual([
      200,
      { user: { robot: true }, isSame: true },
    ]);
    expect(await who({ 'x-api-key': 'guest' })).toEqual([200, { user: null, isSame: true }]);
    expect(await who({ 'x-session-rd': session_rd })).toEqual([
      200,
      { user: expect.objectContaining({ openid: session.openid }), isSame: true, id: session.id },
    ]);
    expect((await who({}))[0]).toBe(401);
  });

  it('needs a session for a subclass of a @Public() controller', async () => {
    class Base {
      @Get('inherited')
      inherited() {
        return {};
      }
      @Get('marked')
      @Public()
      marked() {
        return {};
      }
    }
    @Public()
    @Controller('open')
    class OpenPages extends Base {}
    @Controller('closed')
    class ClosedPages extends OpenPages {}
    const app = await start(
      adapter,
      {},
      {
        controllers: [OpenPages, ClosedPages],
        providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
      },
    );
    const status = async (path: string) => (await app.fetch(path)).status;
    expect(await status('/open/inherited')).toBe(200);
    expect(await status('/closed/inherited')).toBe(401);
    expect(await status('/closed/marked')).toBe(200);
    // Control: what Nest's Reflector finds on the subclass.
    expect(Reflect.getMetadata('nestjs-wechat:public', ClosedPages)).toBe(true);
  });
});

describe('the user resolver', () => {
  @Injectable()
  class Database {
    readonly role = 'admin';
  }
  @Injectable()
  class InjectedUsers implements WechatUserResolver<User> {
    constructor(@Inject(Database) private readonly database: Database) {}
    resolve({ openid }: WechatSession): User {
      return { openid, role: this.database.role };
    }
  }
  @Injectable({ scope: Scope.REQUEST })
  class ScopedUsers extends Users {}
  @Injectable({ scope: Scope.REQUEST })
  class Tenant {}
  @Injectable()
  class UsersOfTenant extends Users {
    constructor(@Inject(Tenant) readonly tenant: Tenant) {
      super();
    }
  }
  const byToken = (useClass: Type) => ({ provide: WECHAT_USER_RESOLVER, useClass });

  it.each<[string, Partial<WechatModuleOptions>, object[]]>([
    ['a class that the application provides', { users: InjectedUsers }, [Database, InjectedUsers]],
    ['a class that the application does not provide', { users: Users }, []],
    ['an instance', { users: new Users() }, []],
    ['a provider under WECHAT_USER_RESOLVER', {}, [Database, byToken(InjectedUsers)]],
    [
      'a factory under WECHAT_USER_RESOLVER',
      {},
      [{ provide: WECHAT_USER_RESOLVER, useFactory: async () => new Users() }],
    ],
  ])('can be %s', async (_, options, providers) => {
    const app = await start('fastify', options, { providers });
    const { session_rd, session } = await login(app);
    expect(await json(await app.as(session_rd, '/user'))).toEqual([
      200,
      { user: { openid: session.openid, role: 'admin' }, isInjected: true },
    ]);
  });

  it.each<[string, Partial<WechatModuleOptions>, object[]]>([
    ['is request-scoped', { users: ScopedUsers }, [ScopedUsers]],
    ['is request-scoped and not provided', { users: ScopedUsers }, []],
    ['depends on a request-scoped provider', { users: UsersOfTenant }, [Tenant, UsersOfTenant]],
    ['is a request-scoped provider under the token', {}, [byToken(ScopedUsers)]],
  ])(
    'stops the start with an error that says how to fix it if it %s',
    async (_, options, providers) => {
      await expect(start('fastify', options, { providers })).rejects.toThrow(
        /user resolver (ScopedUsers|UsersOfTenant|WECHAT_USER_RESOLVER) is request-scoped.*Remove its scope/s,
      );
    },
  );

  it('is found in a module that is imported after WechatModule', async () => {
    @Module({ providers: [Database, byToken(InjectedUsers)] })
    class UsersModule {}
    const app = await startTeamApp(optionsFor(wechat), {
      controllers: [Pages],
      imports: [UsersModule],
    });
    const { session_rd } = await login(app);
    expect((await app.as(session_rd, '/admin')).status).toBe(200);
  });
});
