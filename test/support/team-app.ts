import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import type { INestApplication, ModuleMetadata, Type } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import {
  CurrentSession,
  CurrentUser,
  OptionalSessionGuard,
  SessionGuard,
  WechatModule,
} from 'nestjs-wechat';
import type { WechatApp, WechatModuleOptions, WechatSession } from 'nestjs-wechat';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';

/** A minimal application with the library. */
@Controller()
export class TeamController {
  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentUser() user: unknown): unknown {
    return user;
  }

  @Get('session')
  @UseGuards(SessionGuard)
  session(@CurrentSession() session: WechatSession): WechatSession {
    return session;
  }

  @Get('greeting')
  @UseGuards(OptionalSessionGuard)
  greeting(@CurrentUser() user?: { openid: string }): string {
    return `hello ${user?.openid ?? 'stranger'}`;
  }

  @Get('forgotten')
  forgotten(@CurrentUser() user: unknown): unknown {
    return user;
  }
}

export type Adapter = 'express' | 'fastify';

/** A running application and how to call it. */
export interface TeamApp {
  url: string;
  get<T>(token: Type<T> | (abstract new () => T)): T;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** GET with a session_rd. */
  as(sessionRd: string, path: string): Promise<Response>;
  close(): Promise<void>;
}

/** Returns options for a sandbox, with its clock. */
export function optionsFor(
  wechat: WechatSandbox,
  more: Partial<WechatModuleOptions> = {},
): WechatModuleOptions & { apps: WechatApp[] } {
  return {
    apps: wechat.apps.map(({ appId, secret, kind, name }) => ({ appId, secret, kind, name })),
    api: { baseUrl: wechat.url },
    clock: () => wechat.clock.now(),
    ...more,
  } as WechatModuleOptions & { apps: WechatApp[] };
}

const running = new Set<TeamApp>();

/** Closes the applications that a test did not close, so that a failed test does not keep the process alive. */
export async function closeTeamApps(): Promise<void> {
  await Promise.all([...running].map((app) => app.close()));
}
// Runs before the hooks of the spec, which end the servers that the applications use.
afterAll(closeTeamApps);

export async function startTeamApp(
  options: WechatModuleOptions,
  {
    adapter = 'fastify',
    controllers = [TeamController],
    providers = [],
    imports = [],
    prepare = () => undefined,
  }: Pick<ModuleMetadata, 'controllers' | 'providers' | 'imports'> & {
    adapter?: Adapter;
    prepare?: (app: INestApplication) => void;
  } = {},
): Promise<TeamApp> {
  @Module({ imports: [WechatModule.forRoot(options), ...imports], controllers, providers })
  class TeamModule {}

  const module = await Test.createTestingModule({ imports: [TeamModule] }).compile();
  const app = module.createNestApplication<NestExpressApplication>(
    adapter === 'express' ? new ExpressAdapter() : (new FastifyAdapter() as never),
    {
      logger: false,
    },
  );
  prepare(app);
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  const started: TeamApp = {
    url,
    get: (token) => app.get(token, { strict: false }),
    fetch: (path, init) => fetch(url + path, init),
    as: (sessionRd, path) =>
      fetch(url + path, { headers: { authorization: `Bearer ${sessionRd}` } }),
    close: async () => {
      running.delete(started);
      await app.close();
    },
  };
  running.add(started);
  return started;
}
