import { Body, Controller, Get, Inject, Module, Post, Query, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  AccessTokenService,
  CryptoService,
  CurrentSession,
  SessionGuard,
  SessionRd,
  SessionService,
  WechatModule,
} from 'nestjs-wechat';
import type { EncryptedOpenData, WechatModuleOptions, WechatSession } from 'nestjs-wechat';

/** The application of `../instance.ts`. */
@Controller()
class InstanceController {
  constructor(
    @Inject(SessionService) private readonly sessions: SessionService,
    @Inject(AccessTokenService) private readonly tokens: AccessTokenService,
    @Inject(CryptoService) private readonly crypto: CryptoService,
  ) {}

  @Post('login')
  async login(@Query('code') code: string): Promise<{ session_rd: string }> {
    const { session_rd } = await this.sessions.login(code);
    return { session_rd };
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() { openid }: WechatSession): { openid: string } {
    return { openid };
  }

  @Post('refresh')
  refresh(@SessionRd() sessionRd: string): Promise<{ session_rd: string }> {
    return this.sessions.refresh(sessionRd);
  }

  @Post('logout')
  logout(@SessionRd() sessionRd: string): Promise<void> {
    return this.sessions.revoke(sessionRd);
  }

  @Post('open-data')
  @UseGuards(SessionGuard)
  openData(
    @CurrentSession() session: WechatSession,
    @Body() data: EncryptedOpenData,
  ): Promise<object> {
    return this.crypto.decryptOpenData(session, data);
  }

  /** Changes the clock of this process by `by` milliseconds. Returns its time. */
  @Post('clock')
  clock(@Query('by') by = '0'): { now: number } {
    (globalThis as { setClock?: (by: number) => void }).setClock?.(Number(by));
    return { now: Date.now() };
  }

  @Get('memory')
  memory(): { rss: number } {
    return { rss: process.memoryUsage.rss() };
  }

  /** Gets the access token with `callers` parallel calls. */
  @Get('access-token')
  accessToken(@Query('callers') callers = '1', @Query('appId') appId?: string): Promise<string[]> {
    return Promise.all(
      Array.from({ length: Number(callers) }, () => this.tokens.get(appId || undefined)),
    );
  }
}

const options = JSON.parse(process.argv[2] ?? '{}') as WechatModuleOptions;

@Module({ imports: [WechatModule.forRoot(options)], controllers: [InstanceController] })
class InstanceModule {}

/** Clients keep connections open. A short timeout lets the instance end without waiting for them. */
const adapter = new FastifyAdapter({ keepAliveTimeout: 100 });
const app = await NestFactory.create<NestFastifyApplication>(InstanceModule, adapter, {
  logger: ['error', 'warn'],
});
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });

/** Each response contains the longest event-loop delay of this second and the one before. A deadline can be late by that time. */
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
let aSecondAgo = 0;
setInterval(() => {
  aSecondAgo = delay.max;
  delay.reset();
}, 1_000).unref();
app
  .getHttpAdapter()
  .getInstance()
  .addHook(
    'onSend',
    async (_request, reply) =>
      void reply.header('x-lag', String(Math.max(aSecondAgo, delay.max) / 1e6)),
  );

await app.listen(0, '127.0.0.1');
process.send?.({ url: await app.getUrl() });
process.disconnect?.();
