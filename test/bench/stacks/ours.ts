import { Controller, Inject, Post, Query, UseGuards } from '@nestjs/common';
import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { PassportModule } from '@nestjs/passport';
import { SessionGuard, SessionService, WechatModule } from 'nestjs-wechat';
import { WechatAuthGuard, WechatSessionStrategy } from 'nestjs-wechat/passport';
import { forgedToken, logIn, optionsOn, skipWechat } from '../library.js';
import type { Ground } from '../library.js';
import { bearers, route } from './stack.js';
import type { Credentials, Stack } from './stack.js';

export const library = (ground: Ground): NonNullable<ModuleMetadata['imports']> => [
  WechatModule.forRoot(optionsOn(ground)),
];

export async function realLogins(app: INestApplication, count: number): Promise<Credentials> {
  skipWechat(app);
  return bearers(await logIn(app, count));
}

@Controller()
class LoginController {
  constructor(@Inject(SessionService) private readonly sessions: SessionService) {}

  @Post('login')
  async login(@Query('code') code: string): Promise<object> {
    const { session_rd, expiresIn } = await this.sessions.login(code);
    return { session_rd, expiresIn };
  }
}

/** A bare route, the guards of the library for it, and its login. */
export const OURS = {
  bare: {
    module: () => ({ controllers: [route()] }),
    credentials: (_, count) => bearers(Array.from({ length: count }, forgedToken)), // the route ignores the tokens, but headers cost time too
  },
  public: {
    module: (ground) => ({ imports: library(ground), controllers: [route()] }),
    credentials: realLogins,
  },
  guarded: {
    module: (ground) => ({
      imports: library(ground),
      controllers: [route(UseGuards(SessionGuard))],
    }),
    credentials: realLogins,
  },
  passport: {
    module: (ground) => ({
      imports: [...library(ground), PassportModule],
      controllers: [route(UseGuards(WechatAuthGuard))],
      providers: [WechatSessionStrategy],
    }),
    credentials: realLogins,
  },
  login: {
    module: (ground) => ({ imports: library(ground), controllers: [LoginController] }),
    credentials: () => bearers([]),
  },
  instantLogin: {
    module: (ground) => ({ imports: library(ground), controllers: [LoginController] }),
    prepare: (app) => skipWechat(app),
    credentials: () => bearers([]),
  },
} satisfies Record<string, Stack>;
