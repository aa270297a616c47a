import { Controller, Get, Inject, Module, Post, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AccessTokenService, SessionService, WechatModule } from 'nestjs-wechat';
import type { WechatModuleOptions } from 'nestjs-wechat';

/** One instance of a team's application: a process that a test can stop, continue and kill. */
@Controller()
class InstanceController {
  constructor(
    @Inject(SessionService) private readonly sessions: SessionService,
    @Inject(AccessTokenService) private readonly tokens: AccessTokenService,
  ) {}

  @Post('login')
  async login(@Query('code') code: string): Promise<{ session_rd: string }> {
    const { session_rd } = await this.sessions.login(code);
    return { session_rd };
  }

  /** Asks for the access token as often as wanted, all at once. */
  @Get('access-token')
  accessToken(@Query('callers') callers = '1', @Query('appId') appId?: string): Promise<string[]> {
    return Promise.all(Array.from({ length: Number(callers) }, () => this.tokens.get(appId || undefined)));
  }
}

const options = JSON.parse(process.argv[2] ?? '{}') as WechatModuleOptions;

@Module({ imports: [WechatModule.forRoot(options)], controllers: [InstanceController] })
class InstanceModule {}

/** A client keeps its connection after the answer; an instance that ends should not wait for it. */
const adapter = new FastifyAdapter({ keepAliveTimeout: 100 });
const app = await NestFactory.create<NestFastifyApplication>(InstanceModule, adapter, { logger: ['error', 'warn'] });
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen(0, '127.0.0.1');
process.send?.({ url: await app.getUrl() });
process.disconnect?.();
