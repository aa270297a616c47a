import { ArgumentsHost, Catch, Controller, Get, HttpException, Param } from '@nestjs/common';
import type { ExceptionFilter, INestApplication } from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import {
  SessionService,
  StoreUnavailableError,
  WechatBadRequestError,
  WechatError,
  WechatExceptionFilter,
  WechatRateLimitError,
  WechatSessionError,
} from 'nestjs-wechat';
import type { WechatErrorResponse, WechatModuleOptions } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp, TeamController } from '../support/team-app.js';
import type { Adapter } from '../support/team-app.js';

let wechat: WechatSandbox;
beforeAll(async () => {
  wechat = await startWechatSandbox();
});
afterEach(closeTeamApps);
afterAll(() => wechat.close());

/** The catch-all filter of https://docs.nestjs.com/exception-filters#catch-everything. */
@Catch()
class CatchEverythingFilter implements ExceptionFilter {
  constructor(private readonly httpAdapterHost: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.httpAdapterHost;
    const status = exception instanceof HttpException ? exception.getStatus() : 500;
    httpAdapter.reply(host.switchToHttp().getResponse(), { by: 'application', status }, status);
  }
}

/** A filter that extends Nest's own filter. */
@Catch()
class LoggingFilter extends BaseExceptionFilter {
  readonly seen: unknown[] = [];

  override catch(exception: unknown, host: ArgumentsHost): void {
    this.seen.push(exception);
    // oxlint-disable-next-line promise/valid-params -- a filter is not a promise
    super.catch(exception, host);
  }
}

/** An error that is not an HttpException, as the library's errors were in an earlier version. */
class PlainError extends Error {
  readonly code = 'ERR_WECHAT_SESSION';
}

const ERRORS: Record<string, () => Error> = {
  session: () => new WechatSessionError(),
  input: () => new WechatBadRequestError('code is required'),
  limit: () => new WechatRateLimitError(60),
  store: () => new StoreUnavailableError(),
  plain: () => new PlainError('unknown session'),
};

@Controller('throw')
class ThrowingController {
  @Get(':name')
  throw(@Param('name') name: string): never {
    throw ERRORS[name]!();
  }
}

const controllers = [TeamController, ThrowingController];
const start = (
  adapter: Adapter,
  options: Partial<WechatModuleOptions> = {},
  more: { providers?: object[]; prepare?: (app: INestApplication) => void } = {},
) =>
  startTeamApp(optionsFor(wechat, options), {
    adapter,
    controllers,
    ...more,
    providers: more.providers as never,
  });

describe.each<Adapter>(['express', 'fastify'])('an error on %s', (adapter) => {
  const statusesOf = async (app: Awaited<ReturnType<typeof start>>) =>
    Promise.all([
      app.as('srd_unknown', '/me').then(({ status }) => status),
      ...Object.keys(ERRORS).map(async (name) => (await app.fetch(`/throw/${name}`)).status),
    ]);
  const EXPECTED = [401, 401, 400, 429, 503];
  /** Control: the status of PlainError. */
  const CONTROL = 500;

  it("has the right status in the catch-all filter of Nest's documentation", async () => {
    const global = await start(
      adapter,
      { errorFilter: false },
      {
        prepare: (app) => app.useGlobalFilters(new CatchEverythingFilter(app.get(HttpAdapterHost))),
      },
    );
    const provided = await start(
      adapter,
      { errorFilter: false },
      {
        providers: [{ provide: APP_FILTER, useClass: CatchEverythingFilter }],
      },
    );
    for (const app of [global, provided]) {
      expect(await statusesOf(app)).toEqual([...EXPECTED, CONTROL]);
      expect(await (await app.as('srd_unknown', '/me')).json()).toEqual({
        by: 'application',
        status: 401,
      });
    }
  });

  it('has the right status and body in a subclass of BaseExceptionFilter', async () => {
    const app = await start(
      adapter,
      { errorFilter: false },
      {
        prepare: (nest) => nest.useGlobalFilters(new LoggingFilter(nest.getHttpAdapter())),
      },
    );
    expect(await statusesOf(app)).toEqual([...EXPECTED, CONTROL]);
    expect(await (await app.as('srd_unknown', '/me')).json()).toEqual(
      new WechatSessionError().getResponse(),
    );
  });

  it('has the right status and body without any filter', async () => {
    const app = await start(adapter, { errorFilter: false });
    expect(await statusesOf(app)).toEqual([...EXPECTED, CONTROL]);
    const refused = await app.as('srd_unknown', '/me');
    expect([refused.headers.get('www-authenticate'), await refused.json()]).toEqual([
      null,
      new WechatSessionError().getResponse(),
    ]);
  });

  it('has the right status, body and headers in the filter that the module registers', async () => {
    const app = await start(adapter);
    expect(await statusesOf(app)).toEqual([...EXPECTED, CONTROL]);
    const refused = await app.as('srd_unknown', '/me');
    expect([refused.headers.get('www-authenticate'), await refused.json()]).toEqual([
      'Bearer',
      { code: 1000, msg: 'unauthorized', data: null, success: false, error: 'ERR_WECHAT_SESSION' },
    ]);
    const limited = await app.fetch('/throw/limit');
    expect(limited.headers.get('retry-after')).toBe('60');
  });

  it('has the body that a subclass of WechatExceptionFilter returns', async () => {
    @Catch(WechatError)
    class ProblemFilter extends WechatExceptionFilter<{ title: string }> {
      override toResponse(error: WechatError): WechatErrorResponse<{ title: string }> {
        return { ...super.toResponse(error), body: { title: error.code } };
      }
    }
    const app = await start(
      adapter,
      { errorFilter: false },
      {
        providers: [{ provide: APP_FILTER, useClass: ProblemFilter }],
      },
    );
    const refused = await app.as('srd_unknown', '/me');
    expect([refused.status, refused.headers.get('www-authenticate'), await refused.json()]).toEqual(
      [401, 'Bearer', { title: 'ERR_WECHAT_SESSION' }],
    );
  });
});

describe('the cause of an error', () => {
  it('is the error of the network without the URL', async () => {
    const app = await start('fastify', { api: { baseUrl: 'http://127.0.0.1:1', timeout: 200 } });
    const error: unknown = await app
      .get(SessionService)
      .login('some-code')
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'ERR_WECHAT_UNAVAILABLE',
      cause: { code: 'ECONNREFUSED', address: '127.0.0.1', port: 1 },
    });
    const { cause } = error as { cause: Error };
    expect(Object.keys(cause).toSorted()).toEqual(['address', 'code', 'port', 'syscall']);
  });
});
