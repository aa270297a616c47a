import { Controller, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { OnWechatMessage, WechatModule } from 'nestjs-wechat';
import type { WechatMessage, WechatModuleOptions } from 'nestjs-wechat';

/** A receiver of pushes in its own process. Each run of its handler is a message to the parent. */
const { options, handlerMs } = JSON.parse(process.argv[2] ?? '{}') as {
  options: WechatModuleOptions;
  handlerMs: number;
};

@Injectable()
class Messages {
  @OnWechatMessage('text')
  async text({ id }: WechatMessage): Promise<void> {
    process.send?.({ ran: id });
    await new Promise((resolve) => setTimeout(resolve, handlerMs));
  }
}

@Controller()
class NoController {}

@Module({
  imports: [WechatModule.forRoot(options)],
  providers: [Messages],
  controllers: [NoController],
})
class ReceiverModule {}

const app = await NestFactory.create<NestFastifyApplication>(ReceiverModule, new FastifyAdapter(), {
  logger: ['error', 'warn'],
});
await app.listen(0, '127.0.0.1');
process.send?.({ url: await app.getUrl() });
