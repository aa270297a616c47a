import {
  BadRequestException,
  Controller,
  HttpCode,
  Inject,
  Injectable,
  Logger,
  Module,
  Post,
  Req,
  Res,
  Scope,
  VersioningType,
} from '@nestjs/common';
import type { CanActivate, DynamicModule, INestApplication, PipeTransform } from '@nestjs/common';
import { APP_GUARD, APP_PIPE, NestFactory } from '@nestjs/core';
import {
  isPayTransaction,
  OnPayNotification,
  PayNotificationService,
  PaymentService,
  verifyPaySignature,
  WechatPayModule,
} from 'nestjs-wechat/pay';
import type { PayNotification } from 'nestjs-wechat/pay';
import type { Request, Response } from 'express';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import {
  MERCHANT,
  notification,
  notificationBody,
  paidOrder,
  payOptions,
  signedMessage,
} from '../support/pay-messages.js';
import type { PayMessage } from '../support/pay-messages.js';
import { HelloController, startShop } from '../support/shop-app.js';
import type { ShopApp, ShopAppOptions } from '../support/shop-app.js';
import type { Adapter } from '../support/team-app.js';

const ADAPTERS: Adapter[] = ['express', 'fastify'];

interface Reply {
  status: number;
  body: string;
  headers: Headers;
}

async function post(url: string, { headers, body }: PayMessage): Promise<Reply> {
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
  return { status: response.status, body: await response.text(), headers: response.headers };
}

@Injectable()
class RefuseAll implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@Injectable()
class ForbidAll implements PipeTransform {
  transform(): never {
    throw new BadRequestException('this pipe takes nothing');
  }
}

const SETUPS: Record<string, Partial<ShopAppOptions>> = {
  'with a global prefix': { configure: (app) => void app.setGlobalPrefix('api/v1') },
  'with versions in the path': {
    configure: (app) =>
      void app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
  },
  'with a global guard that refuses everything': {
    module: { providers: [{ provide: APP_GUARD, useClass: RefuseAll }] },
  },
  'with a global pipe that refuses everything': {
    module: { providers: [{ provide: APP_PIPE, useClass: ForbidAll }] },
  },
  'with rawBody': { rawBody: true },
  'without rawBody': { rawBody: false },
};

describe.each(ADAPTERS)('a notification of WeChat Pay on %s', (adapter) => {
  describe.each(Object.entries(SETUPS))('%s', (_, setup) => {
    let shop: ShopApp;
    beforeAll(async () => {
      shop = await startShop(undefined, { adapter, ...setup });
    });
    afterAll(() => shop?.close());

    it('reaches its handler, verified by its exact bytes', async () => {
      const order = paidOrder();
      const reply = await post(shop.notifyUrl, notification(order));
      expect([reply.status, reply.body]).toEqual([204, '']);
      expect(reply.headers.get('cache-control')).toBe('no-store');
      const { resource, verifiedBy } = shop.shop.received.at(-1)!;
      expect(isPayTransaction(resource) && resource.outTradeNo).toBe(order['out_trade_no']);
      expect(verifiedBy).toBe(MERCHANT.wechatKeyId);
    });
  });

  describe('for any request', () => {
    let shop: ShopApp;
    beforeAll(async () => {
      shop = await startShop(undefined, { adapter });
    });
    beforeEach(() => {
      shop.shop.received.length = 0;
      shop.shop.handle = () => undefined;
    });
    afterAll(() => shop?.close());

    it('does not change how other routes read their bodies', async () => {
      const hello = await fetch(`${shop.url}/hello`);
      expect(await hello.text()).toBe('hello');
      const echo = await fetch(`${shop.url}/hello`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"a":1}',
      });
      expect(echo.status).toBe(404);
    });

    it('allows POST only', async () => {
      for (const method of ['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']) {
        const response = await fetch(shop.notifyUrl, { method });
        expect([response.status, response.headers.get('allow'), await response.text()]).toEqual([
          405,
          'POST',
          '',
        ]);
      }
    });

    it('refuses a compressed body with 415, and more than 64 KB with 413, whether or not the length is given', async () => {
      const { headers, body } = notification();
      const compressed = {
        headers: { ...headers, 'content-encoding': 'gzip' },
        body: gzipSync(body),
      };
      expect(await post(shop.notifyUrl, compressed)).toMatchObject({
        status: 415,
        body: '{"code":"FAIL","message":"unsupported encoding"}',
      });
      const large = signedMessage(Buffer.alloc(64 * 1024 + 1, ' '));
      expect(await post(shop.notifyUrl, large)).toMatchObject({ status: 413 });
      const chunked = await fetch(shop.notifyUrl, {
        method: 'POST',
        headers: large.headers,
        body: new Blob([new Uint8Array(large.body)]).stream(),
        duplex: 'half',
      } as RequestInit);
      expect(chunked.status).toBe(413);
      const exact = signedMessage(
        Buffer.concat([body, Buffer.alloc(64 * 1024 - body.length, ' ')]),
      );
      expect(await post(shop.notifyUrl, exact)).toMatchObject({ status: 204 });
    });

    it('cuts off a body that is not complete within 5 seconds', async () => {
      jest.useFakeTimers({
        doNotFake: ['nextTick', 'setImmediate', 'performance', 'queueMicrotask'],
      });
      try {
        const socket = connect(Number(new URL(shop.url).port), '127.0.0.1');
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.write('POST /wechat/pay/notify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
        const seen = (): boolean => jest.getTimerCount() > 0;
        while (!seen()) await new Promise((resolve) => setImmediate(resolve));
        jest.advanceTimersByTime(5_000);
        await closed;
      } finally {
        jest.useRealTimers();
      }
      expect(shop.shop.received).toEqual([]);
    });

    it('is 500 if the handler fails, and the next delivery runs it again', async () => {
      const message = notification();
      shop.shop.handle = () => {
        throw new Error('the database is down');
      };
      const reply = await post(shop.notifyUrl, message);
      expect([reply.status, reply.body]).toEqual([500, '{"code":"FAIL","message":"failed"}']);
      shop.shop.handle = () => undefined;
      expect(await post(shop.notifyUrl, message)).toMatchObject({ status: 204 });
      expect(await post(shop.notifyUrl, message)).toMatchObject({ status: 204 });
      expect(shop.shop.received).toHaveLength(1);
    });

    it('of another shape is identified by its content, and handed over as it is', async () => {
      const sharing = {
        mchid: MERCHANT.mchId,
        transaction_id: 't',
        out_order_no: 'P-1',
        receiver: {},
      };
      await post(shop.notifyUrl, notification(sharing));
      await post(shop.notifyUrl, notification(sharing));
      await post(shop.notifyUrl, notification({ ...sharing, out_order_no: 'P-2' }));
      const unpaid = paidOrder({ transaction_id: undefined, trade_state: 'NOTPAY' });
      await post(shop.notifyUrl, notification(unpaid));
      await post(shop.notifyUrl, notification({ ...unpaid, out_trade_no: 'ORDER-OTHER' }));
      expect(shop.shop.received).toHaveLength(4);
      expect(shop.shop.received[0]!.resource).toEqual(sharing);
    });
  });

  it('has the endpoint although the application has a route there, and warns once', async () => {
    @Controller('wechat/pay/notify')
    class OwnController {
      @Post()
      @HttpCode(299)
      take(): string {
        return 'mine';
      }
    }
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const shop = await startShop(undefined, { adapter, module: { controllers: [OwnController] } });
    try {
      expect(await post(shop.notifyUrl, notification())).toMatchObject({ status: 204 });
      const warnings = warn.mock.calls.map(([text]) => String(text));
      expect(
        warnings.filter((text) => text.includes('has a route /wechat/pay/notify')),
      ).toHaveLength(1);
    } finally {
      warn.mockRestore();
      await shop.close();
    }
  });

  it('keeps app.close() waiting for its handler', async () => {
    const shop = await startShop(undefined, { adapter });
    let finish!: () => void;
    const started = new Promise<void>((resolve) => {
      shop.shop.handle = () => {
        resolve();
        return new Promise<void>((done) => (finish = done));
      };
    });
    const reply = post(shop.notifyUrl, notification());
    await started;
    const closing = shop.close();
    const late = await post(shop.notifyUrl, notification()).catch(() => ({ status: 503 }));
    expect(late.status).toBe(503);
    finish();
    await closing;
    expect((await reply).status).toBe(204);
    expect(shop.shop.received).toHaveLength(1);
  });
});

describe('a notification without the mounted endpoint', () => {
  it('is handled by a controller with notify.path: false', async () => {
    @Controller('own/notify')
    class NotifyController {
      constructor(
        @Inject(PayNotificationService) private readonly notifications: PayNotificationService,
      ) {}

      @Post()
      async notify(@Req() request: Request & { rawBody: Buffer }, @Res() response: Response) {
        const { status, headers, body } = await this.notifications.handle({
          headers: request.headers,
          body: request.rawBody,
        });
        response.status(status).set(headers).send(body);
      }
    }
    const shop = await startShop(undefined, {
      adapter: 'express',
      rawBody: true,
      pay: { notify: { url: 'https://shop.example/own/notify', path: false } },
      module: { controllers: [NotifyController] },
    });
    try {
      expect(await post(`${shop.url}/own/notify`, notification())).toMatchObject({ status: 204 });
      expect(await post(shop.notifyUrl, notification())).toMatchObject({ status: 404 });
      expect(shop.shop.received).toHaveLength(1);
      const service = shop.app.get(PayNotificationService);
      const parsed = JSON.parse(notificationBody(paidOrder()).toString()) as Buffer;
      await expect(service.handle({ headers: {}, body: parsed })).rejects.toThrow('rawBody: true');
      await expect(
        service.handle({ method: 'GET', headers: {}, body: Buffer.alloc(0) }),
      ).resolves.toMatchObject({
        status: 405,
      });
    } finally {
      await shop.close();
    }
  });

  it('is verified by a pure function, whatever the case of the names of its headers', () => {
    const { headers, body } = notification();
    const keys = [{ id: MERCHANT.wechatKeyId, pem: MERCHANT.wechatKey }];
    const refusal = expect.objectContaining({ code: 'ERR_WECHAT_CALLBACK' });
    const upper = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    );
    for (const sent of [headers, upper]) {
      expect(() => verifyPaySignature({ headers: sent, body, keys })).not.toThrow();
      expect(() => verifyPaySignature({ headers: sent, body: Buffer.from('{}'), keys })).toThrow(
        refusal,
      );
      const now = new Date(Date.now() + 301_000);
      expect(() => verifyPaySignature({ headers: sent, body, keys, now })).toThrow(refusal);
    }
  });

  it('is not mounted without an HTTP adapter, and the services work', async () => {
    const app = await NestFactory.createApplicationContext(
      { module: HelloModule, imports: [WechatPayModule.forRoot(payOptions())] } as DynamicModule,
      { logger: false },
    );
    const { paySign } = await app.get(PaymentService).signRequestPayment('wx29');
    expect(paySign).toHaveLength(344);
    expect(await app.get(PayNotificationService).handle(notification())).toMatchObject({
      status: 204,
    });
    await app.close();
  });
});

@Module({ controllers: [HelloController] })
class HelloModule {}

describe('handlers', () => {
  const start = async (providers: unknown[]): Promise<INestApplication> => {
    const app = await NestFactory.create(
      {
        module: HelloModule,
        imports: [WechatPayModule.forRoot(payOptions())],
        providers,
      } as DynamicModule,
      { logger: false, abortOnError: false },
    );
    return app.init();
  };

  @Injectable()
  class Paid {
    @OnPayNotification('TRANSACTION.SUCCESS')
    paid(): void {}
  }

  it('two for one event stop the start, which names both', async () => {
    @Injectable()
    class AlsoPaid {
      @OnPayNotification('TRANSACTION.SUCCESS')
      pay(): void {}
    }
    await expect(start([Paid, AlsoPaid])).rejects.toThrow(
      /TRANSACTION\.SUCCESS.*Paid\.paid.*AlsoPaid\.pay/,
    );
  });

  it('in a request-scoped chain stop the start, which names its end', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class RequestUser {}
    @Injectable()
    class Orders {
      constructor(@Inject(RequestUser) readonly user: RequestUser) {}
    }
    @Injectable()
    class ScopedPaid {
      constructor(@Inject(Orders) readonly orders: Orders) {}
      @OnPayNotification('TRANSACTION.SUCCESS')
      paid(): void {}
    }
    await expect(start([RequestUser, Orders, ScopedPaid])).rejects.toThrow(
      /ScopedPaid\.paid.*RequestUser is request-scoped/,
    );
  });

  it('are found on instances that a factory makes, and "*" takes what has no other handler', async () => {
    const seen: string[] = [];
    class Made {
      @OnPayNotification('REFUND.SUCCESS')
      refunded({ eventType }: PayNotification): void {
        seen.push(eventType);
      }
      @OnPayNotification('*')
      other({ eventType }: PayNotification): void {
        seen.push(`other ${eventType}`);
      }
    }
    const app = await start([{ provide: 'made', useFactory: () => new Made() }]);
    const service = app.get(PayNotificationService);
    for (const eventType of ['REFUND.SUCCESS', 'PAYSCORE.USER_PAID'])
      await service.handle(notification({ mchid: MERCHANT.mchId, x: eventType }, { eventType }));
    expect(seen).toEqual(['REFUND.SUCCESS', 'other PAYSCORE.USER_PAID']);
    await app.close();
  });

  it('that do not exist: 204, and one warning for each event type', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const app = await start([]);
    for (let i = 0; i < 3; i++)
      expect(await app.get(PayNotificationService).handle(notification())).toMatchObject({
        status: 204,
      });
    const warnings = warn.mock.calls.filter(([text]) => String(text).includes('has no handler'));
    warn.mockRestore();
    await app.close();
    expect(warnings).toHaveLength(1);
  });

  it('get nothing before the application has started: 503', async () => {
    const app = await NestFactory.create(
      {
        module: HelloModule,
        imports: [WechatPayModule.forRoot(payOptions())],
        providers: [Paid],
      } as DynamicModule,
      { logger: false },
    );
    expect(await app.get(PayNotificationService).handle(notification())).toMatchObject({
      status: 503,
    });
    await app.close();
  });
});
