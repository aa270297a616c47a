import {
  All,
  BadRequestException,
  Controller,
  Get,
  HttpCode,
  Inject,
  Injectable,
  Logger,
  Post,
  Req,
  Res,
  Scope,
  VersioningType,
} from '@nestjs/common';
import type { CanActivate, PipeTransform } from '@nestjs/common';
import { APP_GUARD, APP_PIPE } from '@nestjs/core';
import {
  MessagePushService,
  OnWechatMessage,
  openPush,
  WechatCallbackError,
  WechatConfigError,
} from 'nestjs-wechat';
import type { WechatMessage } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import type { Request, Response as ExpressResponse } from 'express';
import { CountingStore } from '../support/counting-store.js';
import { PLAIN, pushOptions, startPushApp, startPushServices } from '../support/push-app.js';
import type { PushApp, PushAppOptions } from '../support/push-app.js';
import {
  decrypt,
  plainPush,
  PUSH,
  securePush,
  sha1,
  SHAPES,
  signedQuery,
  textMessage,
} from '../support/push-messages.js';
import type { Format } from '../support/push-messages.js';
import type { Adapter } from '../support/team-app.js';

const ADAPTERS: Adapter[] = ['express', 'fastify'];
const FORMATS: Format[] = ['json', 'xml'];

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

const SETUPS: Record<string, PushAppOptions> = {
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

describe.each(ADAPTERS)('a push on %s', (adapter) => {
  describe.each(Object.entries(SETUPS))('%s', (_, setup) => {
    let app: PushApp;
    beforeAll(async () => {
      app = await startPushApp(pushOptions(), { adapter, ...setup });
    });
    afterAll(() => app?.close());

    it('reaches its handler in both formats, and the URL is verified', async () => {
      for (const format of FORMATS) {
        const message = textMessage();
        const response = await app.push(securePush(message, { format }));
        expect([response.status, await response.text()]).toEqual([200, 'success']);
        expect(response.headers.get('cache-control')).toBe('no-store');
        expect(app.received.messages.at(-1)).toMatchObject({ id: message['MsgId'] });
      }
      const query = new URLSearchParams({ ...signedQuery(), echostr: '4375120948345356249' });
      const verified = await fetch(`${app.url}/wechat/push?${query.toString()}`);
      expect([verified.status, await verified.text()]).toEqual([200, '4375120948345356249']);
      expect(verified.headers.get('content-type')).toBe('text/plain');
      expect(verified.headers.get('x-content-type-options')).toBe('nosniff');
    });
  });

  describe('of any shape', () => {
    let secure: PushApp;
    let plain: PushApp;
    beforeAll(async () => {
      secure = await startPushApp(pushOptions(), { adapter });
      plain = await startPushApp(pushOptions(PLAIN), { adapter });
    });
    afterAll(async () => {
      await secure?.close();
      await plain?.close();
    });

    it.each(
      SHAPES.flatMap((shape) => FORMATS.map((format) => [shape.name, format, shape] as const)),
    )('%s in %s is the same message in plain and in secure mode', async (_name, format, shape) => {
      const text = format === 'json' ? shape.json : shape.xml;
      expect((await secure.push(securePush(text, { format }))).status).toBe(200);
      expect((await plain.push(plainPush(text))).status).toBe(200);
      const messages = [secure, plain].map(({ received }) => received.messages.at(-1)!);
      const { data, ...has } = shape.has;
      for (const message of messages) {
        expect(message).toMatchObject({
          ...has,
          appId: PUSH.appId,
          from: expect.stringMatching(/^o/),
        });
        expect(message.data).toMatchObject(data ?? {});
        expect(message.to).toMatch(/^gh_/);
        expect(message.createdAt.getTime()).toBeGreaterThan(0);
        expect(Object.keys(message.data).filter((name) => name.startsWith('SubscribeMsg'))).toEqual(
          [],
        );
      }
      expect(messages.map(({ encrypted }) => encrypted)).toEqual([true, false]);
      expect(messages[0]!.data).toEqual(messages[1]!.data);
    });

    it('allows GET and POST only', async () => {
      for (const method of ['PUT', 'DELETE', 'HEAD', 'OPTIONS']) {
        const response = await fetch(`${secure.url}/wechat/push`, { method });
        expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST']);
      }
    });

    it('does not change how other routes read their bodies', async () => {
      expect(await (await fetch(`${secure.url}/hello`)).text()).toBe('hello');
    });

    it('is 413 above 64 KB, 415 if it is compressed', async () => {
      const large = plainPush(Buffer.alloc(64 * 1024 + 1, 32));
      expect((await plain.push(large)).status).toBe(413);
      const gzip = await fetch(`${plain.url}/wechat/push`, {
        method: 'POST',
        headers: { 'content-encoding': 'gzip' },
        body: 'x',
      });
      expect([gzip.status, await gzip.text()]).toEqual([415, '']);
      const { query, body } = plainPush(textMessage());
      const exact = Buffer.concat([body, Buffer.alloc(64 * 1024 - body.length, 32)]);
      expect((await plain.push({ query, body: exact })).status).toBe(200);
    });
  });

  it('has the endpoint although the application has a route there, and warns once', async () => {
    @Controller('wechat/push')
    class OwnController {
      @Post()
      @HttpCode(299)
      take(): string {
        return 'mine';
      }
    }
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const app = await startPushApp(pushOptions(), {
      adapter,
      module: { controllers: [OwnController] },
    });
    try {
      expect((await app.push(securePush(textMessage()))).status).toBe(200);
      const warnings = warn.mock.calls.filter(([text]) =>
        String(text).includes('has a route /wechat/push'),
      );
      expect(warnings).toHaveLength(1);
    } finally {
      warn.mockRestore();
      await app.close();
    }
  });

  it('keeps app.close() waiting for its handler', async () => {
    const app = await startPushApp(pushOptions(), { adapter });
    let finish!: () => void;
    const started = new Promise<void>((resolve) => {
      app.received.handle = () => {
        resolve();
        return new Promise<void>((done) => (finish = done));
      };
    });
    const reply = app.push(securePush(textMessage()));
    await started;
    const closing = app.close();
    const late = await app.push(securePush(textMessage())).catch(() => ({ status: 503 }));
    expect(late.status).toBe(503);
    finish();
    await closing;
    expect((await reply).status).toBe(200);
  });

  it('reaches each app at its own path', async () => {
    const other = { appId: 'wxother', secret: 's', kind: 'mini-program' as const };
    const push = { token: 'othertoken', aesKeys: [PUSH.oldKey] };
    const { apps } = pushOptions();
    const app = await startPushApp(
      { apps: [...apps, { ...other, push }, { ...other, appId: 'wxnopush' }] },
      { adapter },
    );
    const message = securePush(textMessage(), {
      token: push.token,
      aesKey: PUSH.oldKey,
      appId: other.appId,
    });
    expect((await app.push(message, '/wechat/push/wxother')).status).toBe(200);
    expect(app.received.messages[0]!.appId).toBe('wxother');
    expect((await app.push(message)).status).toBe(403);
    expect((await app.push(securePush(textMessage()), `/wechat/push/${PUSH.appId}`)).status).toBe(
      200,
    );
    for (const path of [
      '/wechat/push/wxnopush',
      '/wechat/push/',
      '/wechat/push/wx0',
      '/wechat/push/__proto__',
    ]) {
      const response = await app.push(message, path);
      expect([path, response.status, await response.text()]).toEqual([path, 404, '']);
    }
    await app.close();
  });

  it('of the first mini program is 404 while it has no token, and nothing is mounted if no app has one', async () => {
    const other = { appId: 'wxother', secret: 's', kind: 'mini-program' as const, push: PLAIN };
    const first = { appId: PUSH.appId, secret: 's', kind: 'mini-program' as const };
    const app = await startPushApp({ apps: [first, other] }, { adapter });
    const response = await app.push(plainPush(textMessage()));
    expect([response.status, await response.text()]).toEqual([404, '']);
    await app.close();
    const off = await startPushApp({ apps: [{ ...other, push: undefined }] }, { adapter });
    expect(await (await off.push(plainPush(textMessage()))).text()).toContain('Cannot POST');
    await off.close();
  });

  it('comes to the path of the options', async () => {
    const app = await startPushApp(pushOptions(undefined, { push: { path: '/hooks/wechat/' } }), {
      adapter,
    });
    expect((await app.push(securePush(textMessage()), '/hooks/wechat')).status).toBe(200);
    await app.close();
  });
});

describe('a push without the mounted endpoint', () => {
  it('is handled by a controller with push.path: false', async () => {
    @Controller('own/push')
    class PushController {
      constructor(@Inject(MessagePushService) private readonly pushes: MessagePushService) {}

      @All()
      async push(@Req() request: Request & { rawBody: Buffer }, @Res() response: ExpressResponse) {
        const { method, query, rawBody } = request;
        const { status, headers, body } = await this.pushes.handle({
          method,
          query,
          body: rawBody,
        });
        response.status(status).set(headers).send(body);
      }
    }
    const app = await startPushApp(pushOptions(undefined, { push: { path: false } }), {
      adapter: 'express',
      rawBody: true,
      module: { controllers: [PushController] },
    });
    expect((await app.push(securePush(textMessage()), '/own/push')).status).toBe(200);
    expect((await app.push(securePush(textMessage()))).status).toBe(404);
    expect(app.received.messages).toHaveLength(1);
    const echo = new URLSearchParams({ ...signedQuery(), echostr: 'echo' }).toString();
    expect(await (await fetch(`${app.url}/own/push?${echo}`)).text()).toBe('echo');
    const twice = `${echo}&nonce=1`;
    expect((await fetch(`${app.url}/own/push?${twice}`)).status).toBe(403);
    expect((await fetch(`${app.url}/own/push`, { method: 'PUT' })).status).toBe(405);
    const parsed = textMessage() as never;
    await expect(app.pushes.handle({ query: {}, body: parsed })).rejects.toThrow(WechatConfigError);
    await expect(app.pushes.open({ query: {}, body: parsed })).rejects.toThrow('rawBody: true');
    await app.close();
  });

  it('is not mounted without an HTTP adapter, and the services work', async () => {
    const services = await startPushServices();
    const push = securePush(textMessage({ Content: 'hi' }));
    expect(await services.pushes.open(push)).toMatchObject({ data: { Content: 'hi' } });
    expect(services.received.messages).toEqual([]);
    expect(await services.pushes.handle(push)).toMatchObject({ status: 200, body: 'success' });
    expect(services.received.messages).toHaveLength(1);
    await services.close();
  });

  it('is opened by a pure function', () => {
    const { token, appId, aesKey, oldKey } = PUSH;
    const push = securePush(textMessage(), { aesKey: oldKey });
    const open = (more: object = {}) =>
      openPush({ token, appId, aesKeys: [aesKey, oldKey], ...push, ...more });
    expect(open()).toMatchObject({ type: 'text', encrypted: true });
    expect(open({ query: new URLSearchParams(push.query) })).toMatchObject({ type: 'text' });
    expect(() => open({ aesKeys: [aesKey] })).toThrow('compare EncodingAESKey');
    expect(() => open({ token: 'other' })).toThrow(WechatCallbackError);
    expect(() => open({ now: new Date(Date.now() + 2 * 3_600_000) })).toThrow('too old');
    expect(open({ now: new Date(Date.now() + 2 * 3_600_000), maxAge: '0' })).toMatchObject({
      type: 'text',
    });
    expect(() => open({ maxAge: 'soon' })).toThrow(WechatConfigError);
    expect(() => open({ body: Buffer.alloc(64 * 1024 + 1) })).toThrow('exceeds 64 KB');
    expect(() => openPush({ token, appId, ...push })).toThrow('WECHAT_PUSH_AES_KEY');
  });
});

describe('handlers', () => {
  const seen: string[] = [];
  const providersOf = (...methods: [name: string, type: string, event?: string][]) => {
    class Handlers {}
    for (const [name, type, event] of methods) {
      const value = () => void seen.push(name);
      Object.defineProperty(Handlers.prototype, name, { value });
      OnWechatMessage(type, event)(Handlers.prototype, name, { value });
    }
    return [Handlers];
  };
  beforeEach(() => (seen.length = 0));
  const start = (providers: PushAppOptions['module']) =>
    startPushApp(pushOptions(), { hasReceiver: false, module: providers });

  it('are found by type and event, then by type, then by "*"', async () => {
    const app = await start({
      providers: providersOf(
        ['check', 'event', 'wxa_media_check'],
        ['events', 'event', '*'],
        ['texts', 'text'],
        ['rest', '*'],
      ),
    });
    const event = (Event: string) => textMessage({ MsgType: 'event', Event });
    for (const message of [
      event('wxa_media_check'),
      event('debug_demo'),
      textMessage(),
      textMessage({ MsgType: 'image' }),
    ])
      expect((await app.push(securePush(message))).status).toBe(200);
    expect(seen).toEqual(['check', 'events', 'texts', 'rest']);
    await app.close();
  });

  it('two for one message stop the start, which names both', async () => {
    const providers = providersOf(['one', 'event', 'debug_demo'], ['two', 'event', 'debug_demo']);
    await expect(start({ providers })).rejects.toThrow(
      /@OnWechatMessage\('event', 'debug_demo'\) is on Handlers\.one .*Handlers\.two/,
    );
    await expect(
      start({ providers: providersOf(['a', 'text'], ['b', 'text', '*']) }),
    ).rejects.toThrow("@OnWechatMessage('text', '*')");
  });

  it('in a request-scoped chain stop the start', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Scoped {
      @OnWechatMessage('text')
      text(): void {}
    }
    await expect(start({ providers: [Scoped] })).rejects.toThrow(/Scoped\.text.*request-scoped/);
  });

  it('that do not exist: success, and one warning for each kind of message', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const app = await start({});
    for (let i = 0; i < 3; i++)
      expect(await (await app.push(securePush(textMessage()))).text()).toBe('success');
    await app.push(securePush(textMessage({ MsgType: 'event', Event: 'a\nb' })));
    const warnings = warn.mock.calls
      .map(([text]) => String(text))
      .filter((text) => text.includes('has no handler'));
    warn.mockRestore();
    await app.close();
    expect(warnings).toEqual([expect.stringContaining("@OnWechatMessage('text')")]);
  });

  it('may be methods of a controller', async () => {
    @Controller('support')
    class Support {
      @Get()
      list(): string[] {
        return seen;
      }
      @OnWechatMessage('text')
      text({ data }: WechatMessage<{ Content: string }>): void {
        seen.push(data.Content);
      }
    }
    const app = await start({ controllers: [Support] });
    await app.push(securePush(textMessage({ Content: '你好' })));
    expect(await (await fetch(`${app.url}/support`)).json()).toEqual(['你好']);
    await app.close();
  });
});

describe('a reply', () => {
  const REPLY = {
    ToUserName: 'o1',
    CreateTime: 1714112445,
    MsgType: 'transfer_customer_service',
    Text: 'a ]]> <b> & \u0007"',
    Items: [{ A: 1 }, { A: 2 }],
    No: null,
  };

  it.each(FORMATS)('to a plain push is sent as it is, in %s', async (format) => {
    const app = await startPushApp(pushOptions(PLAIN));
    app.received.handle = () => REPLY;
    const response = await app.push(plainPush(textMessage(), { format }));
    const text = await response.text();
    expect(response.headers.get('content-type')).toBe(
      format === 'json' ? 'application/json' : 'text/xml',
    );
    if (format === 'json') expect(JSON.parse(text)).toEqual(REPLY);
    else
      expect(text).toBe(
        '<xml><ToUserName><![CDATA[o1]]></ToUserName><CreateTime>1714112445</CreateTime><MsgType><![CDATA[transfer_customer_service]]></MsgType><Text><![CDATA[a ]]]]><![CDATA[> <b> & "]]></Text><Items><A>1</A></Items><Items><A>2</A></Items></xml>',
      );
    await app.close();
  });

  it.each(FORMATS)(
    'to an encrypted push is encrypted with the first key and signed, in %s',
    async (format) => {
      const app = await startPushApp(
        pushOptions({ token: PUSH.token, aesKeys: [PUSH.aesKey, PUSH.oldKey] }),
      );
      app.received.handle = () => ({ MsgType: 'text' });
      const response = await app.push(
        securePush(textMessage(), { format, aesKey: PUSH.oldKey, nonce: '415670741' }),
      );
      const text = await response.text();
      const field = (name: string): string =>
        new RegExp(`${name}(?:":"?|>(?:<!\\[CDATA\\[)?)([^"<\\],}]+)`).exec(text)![1]!;
      const [encrypted, timestamp, nonce] = [field('Encrypt'), field('TimeStamp'), field('Nonce')];
      expect(nonce).toBe('415670741');
      expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(5);
      expect(field('MsgSignature')).toBe(sha1(PUSH.token, timestamp, nonce, encrypted));
      expect(decrypt(encrypted)).toBe(
        format === 'json' ? '{"MsgType":"text"}' : '<xml><MsgType><![CDATA[text]]></MsgType></xml>',
      );
      await app.close();
    },
  );

  it.each([
    ['a text', 'success', 'json'],
    ['a number', 1, 'json'],
    ['true', true, 'json'],
    ['an array', [{}], 'json'],
    ['a date', new Date(), 'json'],
    ['an instance of a class', new (class Reply {})(), 'json'],
    ['a bigint inside', { id: 1n }, 'json'],
    ['a name that injects an element', { 'a><MsgType>x</MsgType><b': 1 }, 'xml'],
  ] as const)('that is %s is one error line and success', async (_, value, format) => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation();
    const app = await startPushApp();
    app.received.handle = () => value;
    const response = await app.push(securePush(textMessage(), { format }));
    expect([response.status, await response.text()]).toEqual([200, 'success']);
    expect(error.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(/^Received\.take of PushModule returned a value that is not a reply/),
    ]);
    error.mockRestore();
    await app.close();
  });

  it('is nothing for undefined and null, and an object without a prototype is a plain object', async () => {
    const app = await startPushApp(pushOptions(PLAIN));
    for (const value of [undefined, null]) {
      app.received.handle = () => value;
      expect(await (await app.push(plainPush(textMessage()))).text()).toBe('success');
    }
    app.received.handle = () => Object.assign(Object.create(null), { a: 1 });
    expect(await (await app.push(plainPush(textMessage()))).text()).toBe('{"a":1}');
    await app.close();
  });
});

describe('a repeated push', () => {
  const HOUR = 3_600_000;

  it('gets the same reply for 60 s, then success, and runs again after 24 h 30 m', async () => {
    let now = Date.now();
    const store = new CountingStore(() => now);
    const app = await startPushServices(pushOptions(undefined, { store }));
    app.received.handle = () => ({ n: app.received.messages.length });
    const push = securePush(textMessage());
    const replyAfter = async (ms: number): Promise<string> => {
      now += ms;
      const { body } = await app.pushes.handle(push);
      return body === 'success' ? body : decrypt((JSON.parse(body) as { Encrypt: string }).Encrypt);
    };
    expect(await replyAfter(0)).toBe('{"n":0}');
    expect(await replyAfter(59_000)).toBe('{"n":0}');
    expect(await replyAfter(2_000)).toBe('success');
    expect(await replyAfter(24 * HOUR)).toBe('success');
    expect(app.received.messages).toHaveLength(1);
    expect(await replyAfter(HOUR)).toBe('{"n":1}');
    expect([...store.keys].every((key) => /^wx:push:[mr]:[\w-]{43}$/.test(key))).toBe(true);
    await app.close();
  });

  it('without a reply costs one read of the store', async () => {
    const store = new CountingStore();
    const app = await startPushServices(pushOptions(undefined, { store }));
    const push = securePush(textMessage());
    await app.pushes.handle(push);
    store.calls = 0;
    expect(await app.pushes.handle(push)).toMatchObject({ body: 'success' });
    expect(store.calls).toBe(1);
    await app.close();
  });
});

describe('app.close()', () => {
  it('waits for a handler for 10 s at most, then its push is 503', async () => {
    const app = await startPushServices();
    const started = new Promise<void>((resolve) => {
      app.received.handle = () => {
        resolve();
        return new Promise(() => undefined);
      };
    });
    const reply = app.pushes.handle(securePush(textMessage()));
    await started;
    const startedAt = performance.now();
    await app.close();
    expect((await reply).status).toBe(503);
    const seconds = (performance.now() - startedAt) / 1000;
    expect([seconds > 9.9, seconds < 13]).toEqual([true, true]);
  });
});

describe('without the package @rgrove/parse-xml', () => {
  it('XML is 500 with one error line that has the command, and JSON works', async () => {
    jest.resetModules();
    jest.doMock('@rgrove/parse-xml', () => {
      throw new Error("Cannot find module '@rgrove/parse-xml'");
    });
    const support = await import('../support/push-app.js');
    const { Logger: FreshLogger } = await import('@nestjs/common');
    const error = jest.spyOn(FreshLogger.prototype, 'error').mockImplementation();
    const app = await support.startPushServices();
    for (let i = 0; i < 3; i++)
      expect(await app.pushes.handle(securePush(textMessage(), { format: 'xml' }))).toEqual({
        status: 500,
        headers: { 'Cache-Control': 'no-store' },
        body: '',
      });
    expect(await app.pushes.handle(securePush(textMessage()))).toMatchObject({ body: 'success' });
    expect(await app.pushes.handle(securePush('<xml>', { aesKey: PUSH.oldKey }))).toMatchObject({
      status: 403,
    });
    const lines = error.mock.calls.map(([text]) => String(text));
    error.mockRestore();
    await app.close();
    jest.dontMock('@rgrove/parse-xml');
    expect(lines).toEqual([expect.stringContaining('npm install @rgrove/parse-xml')]);
  });
});

describe('a warning in production', () => {
  const environment = process.env['NODE_ENV'];
  afterEach(() => (process.env['NODE_ENV'] = environment));

  it.each([
    [PLAIN, 1],
    [{ token: PUSH.token, aesKeys: [PUSH.aesKey] }, 0],
  ])('names the app whose pushes are plain: %j', async (push, count) => {
    process.env['NODE_ENV'] = 'production';
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const app = await startPushServices(pushOptions(push));
    const warnings = warn.mock.calls.filter(([text]) => String(text).includes('安全模式'));
    warn.mockRestore();
    await app.close();
    expect(warnings).toHaveLength(count);
  });
});

describe.each(ADAPTERS)('the sandbox and the library on %s', (adapter) => {
  let wechat: WechatSandbox;
  let app: PushApp;
  beforeAll(async () => {
    wechat = await startWechatSandbox({ apps: [{ appId: PUSH.appId, secret: 's' }] });
    app = await startPushApp(pushOptions(), { adapter });
  });
  afterAll(async () => {
    await app?.close();
    await wechat?.close();
  });

  it.each(['secure', 'compatible'] as const)('agree in %s mode, with a reply', async (mode) => {
    for (const format of FORMATS) {
      const { token, aesKey, appId } = PUSH;
      wechat.configurePush(appId, { url: `${app.url}/wechat/push`, token, aesKey, mode, format });
      expect(await wechat.verifyPush(appId)).toEqual({ ok: true, status: 200 });
      app.received.handle = ({ from, to }) => ({
        ToUserName: from,
        FromUserName: to,
        MsgType: 'transfer_customer_service',
      });
      const { attempts, done } = await wechat.push(appId, {
        MsgType: 'text',
        Content: '<Encrypt>AAAA</Encrypt>',
      });
      expect([done, attempts]).toMatchObject([
        true,
        [{ status: 200, reply: { MsgType: 'transfer_customer_service' } }],
      ]);
      expect(app.received.messages.at(-1)!.data).toMatchObject({
        Content: '<Encrypt>AAAA</Encrypt>',
        MsgId: expect.stringMatching(/^\d{19}$/),
      });
    }
  });

  it('agree that spoiled pushes are refused', async () => {
    const { token, aesKey, appId } = PUSH;
    wechat.configurePush(appId, { url: `${app.url}/wechat/push`, token, aesKey });
    for (const fault of [
      { tamper: 'body' },
      { tamper: 'signature' },
      { tamper: 'ciphertext' },
      { signTest: true },
    ] as const) {
      wechat.nextDelivery(fault);
      const { attempts } = await wechat.push(appId, { Event: 'debug_demo' });
      expect(attempts).toMatchObject([{ status: 403 }]);
    }
    expect(app.received.messages.filter(({ event }) => event === 'debug_demo')).toEqual([]);
  });
});
