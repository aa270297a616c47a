import { Controller, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { isPayTransaction, OnPayNotification, WechatPayModule } from 'nestjs-wechat/pay';
import type { PayNotification, WechatPayOptions } from 'nestjs-wechat/pay';

/** A shop in its own process. Each run of its handler is a message to the parent. */
const { options, handlerMs } = JSON.parse(process.argv[2] ?? '{}') as {
  options: WechatPayOptions;
  handlerMs: number;
};

@Injectable()
class PaidOrders {
  @OnPayNotification('TRANSACTION.SUCCESS')
  async paid({ resource }: PayNotification): Promise<void> {
    if (!isPayTransaction(resource)) return;
    process.send?.({ ran: resource.outTradeNo });
    await new Promise((resolve) => setTimeout(resolve, handlerMs));
  }
}

@Controller()
class NoController {}

@Module({
  imports: [WechatPayModule.forRoot(options)],
  providers: [PaidOrders],
  controllers: [NoController],
})
class ShopModule {}

const app = await NestFactory.create<NestFastifyApplication>(ShopModule, new FastifyAdapter(), {
  logger: ['error', 'warn'],
});
await app.listen(0, '127.0.0.1');
process.send?.({ url: await app.getUrl() });
