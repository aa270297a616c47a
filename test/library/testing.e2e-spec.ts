import { Controller, Get, Req, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { TestingModuleBuilder } from '@nestjs/testing';
import {
  CurrentSession,
  CurrentUser,
  Public,
  RequireUnionId,
  SessionGuard,
  WechatModule,
  WechatStore,
} from 'nestjs-wechat';
import type { StoreCount, WechatRequest, WechatSession } from 'nestjs-wechat';
import {
  describeWechatStore,
  fakeSession,
  mockSessionGuard,
  setSession,
} from 'nestjs-wechat/testing';

@Controller()
class Pages {
  @Get('me')
  @UseGuards(SessionGuard)
  me(
    @CurrentUser() user: unknown,
    @CurrentSession() session: WechatSession | undefined,
    @Req() request: WechatRequest,
  ) {
    return { user, openid: session?.openid, isSame: request.user === user };
  }
}

/** Returns the response to a GET request of an application without WechatModule and without a store. */
async function get(path: string, prepare: (builder: TestingModuleBuilder) => TestingModuleBuilder) {
  const builder = Test.createTestingModule({ controllers: [Pages] });
  const app = (await prepare(builder).compile()).createNestApplication(new FastifyAdapter(), {
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  const response = await fetch((await app.getUrl()) + path);
  const body: unknown = await response.json();
  await app.close();
  return [response.status, body];
}

describe('mockSessionGuard()', () => {
  it('replaces SessionGuard in the test of a controller', async () => {
    const reply = await get('/me', (builder) =>
      builder.overrideGuard(SessionGuard).useValue(mockSessionGuard()),
    );
    const user = { appId: 'wx0123456789abcdef', openid: 'fake-openid' };
    expect(reply).toEqual([200, { user, openid: 'fake-openid', isSame: true }]);
  });

  it('uses the session and the user that the test passes', async () => {
    const session = fakeSession({ openid: 'o-anna' });
    const reply = await get('/me', (builder) =>
      builder.overrideGuard(SessionGuard).useValue(mockSessionGuard({ session, user: 'Anna' })),
    );
    expect(reply).toEqual([200, { user: 'Anna', openid: 'o-anna', isSame: true }]);
  });

  it('allows a request without a session', async () => {
    const reply = await get('/me', (builder) =>
      builder.overrideGuard(SessionGuard).useValue(mockSessionGuard({ session: null })),
    );
    expect(reply).toEqual([200, { isSame: true }]);
  });

  it('replaces a guard of the whole application, and the guard of @RequireUnionId()', async () => {
    @Controller('orders')
    class Orders {
      @Get()
      @RequireUnionId()
      list(@CurrentSession() { unionid }: WechatSession) {
        return { unionid };
      }
      @Get('prices')
      @Public()
      prices() {
        return {};
      }
    }
    const module = await Test.createTestingModule({
      imports: [
        WechatModule.forRoot({
          apps: [{ appId: 'wx0123456789abcdef', secret: 's'.repeat(32), kind: 'mini-program' }],
        }),
      ],
      controllers: [Orders],
      providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
    })
      .overrideProvider(SessionGuard)
      .useValue(mockSessionGuard({ session: fakeSession({ unionid: 'u-anna' }) }))
      .compile();
    const app = module.createNestApplication(new FastifyAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    const response = await fetch(`${await app.getUrl()}/orders`);
    expect([response.status, await response.json()]).toEqual([200, { unionid: 'u-anna' }]);
    await app.close();
  });
});

describe('setSession()', () => {
  it('sets the session and the user in a guard of the test', async () => {
    class ByHeaderGuard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        setSession(context, fakeSession({ openid: 'o-bob' }), { name: 'Bob' });
        return true;
      }
    }
    const reply = await get('/me', (builder) =>
      builder.overrideGuard(SessionGuard).useClass(ByHeaderGuard),
    );
    expect(reply).toEqual([200, { user: { name: 'Bob' }, openid: 'o-bob', isSame: true }]);
  });
});

describe('describeWechatStore()', () => {
  type Work = () => Promise<void>;

  /** Runs the suite with its own test functions, and returns the titles of the failed tests. */
  async function failuresOf(store: WechatStore): Promise<string[]> {
    const tests: [string, Work][] = [];
    const hooks: Work[] = [];
    const globals = globalThis as unknown as Record<string, unknown>;
    const names = ['describe', 'it', 'beforeAll', 'afterAll'];
    const before = names.map((name) => globals[name]);
    Object.assign(globals, {
      describe: (_: string, work: () => void) => work(),
      it: (title: string, work: Work) => tests.push([title, work]),
      beforeAll: (work: Work) => hooks.push(work),
      afterAll: () => undefined,
    });
    describeWechatStore('a store', () => store);
    names.forEach((name, i) => (globals[name] = before[i]));
    for (const hook of hooks) await hook();
    const failures: string[] = [];
    for (const [title, work] of tests) await work().catch(() => failures.push(title));
    return failures;
  }

  /** A store whose verbs are not atomic and whose keys never expire. */
  class NaiveStore extends WechatStore {
    private readonly entries = new Map<string, Buffer>();

    async get(key: string): Promise<Buffer | undefined> {
      return this.entries.get(key);
    }
    async add(key: string, value: Buffer): Promise<boolean> {
      if (await this.get(key)) return false;
      this.entries.set(key, value);
      return true;
    }
    async replace(key: string, expected: Buffer, value: Buffer): Promise<boolean> {
      if (!(await this.get(key))?.equals(expected)) return false;
      this.entries.set(key, value);
      return true;
    }
    async remove(key: string, expected?: Buffer): Promise<boolean> {
      const value = await this.get(key);
      if (!value || (expected && !value.equals(expected))) return false;
      this.entries.delete(key);
      return true;
    }
    async take(key: string): Promise<Buffer | undefined> {
      const value = await this.get(key);
      this.entries.delete(key);
      return value;
    }
    async count(key: string, by: number, windowMs: number): Promise<StoreCount> {
      const count = Number((await this.get(key)) ?? 0) + by;
      this.entries.set(key, Buffer.from(`${count}`));
      return { count, resetsInMs: windowMs };
    }
  }

  it('control: fails for a store whose verbs are not atomic', async () => {
    expect(await failuresOf(new NaiveStore())).toEqual([
      'treats an expired key as absent in every verb',
      'starts a new time to live when it replaces',
      'does not change the time to live if it replaced nothing',
      'does not extend the window in a later call',
      'one adds',
      'one replaces the value that all expect',
      'one takes',
      'one removes, with and without an expected value',
      'every count is different and none is lost',
      'no compare-and-set update is lost',
      'either the removal or the replacement succeeds, never both',
    ]);
  });
});
