import { All, Controller, Injectable, Module, Req, Res } from '@nestjs/common';
import type { RawBodyRequest } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  MessagePushService,
  OnWechatMessage,
  WechatModule,
  wechatOptionsFromEnv,
} from 'nestjs-wechat';
import type { WechatMessage } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import type { Request, Response } from 'express';

/* The code of docs/messages.md. */

class ClosedAccounts {
  readonly rows = new Set<string>();
  async add(openid: string): Promise<void> {
    this.rows.add(openid);
  }
}

// #region handlers
@Injectable()
class WechatMessages {
  constructor(private readonly closedAccounts: ClosedAccounts) {}

  /** The test of the console. */
  @OnWechatMessage('event', 'debug_demo')
  test({ data }: WechatMessage<{ debug_str: string }>): object {
    return { demo_resp: `hello ${data.debug_str}` };
  }

  /** The user has closed the WeChat account. Store it first; a job deletes the personal data. */
  @OnWechatMessage('event', 'user_authorization_cancellation')
  async accountClosed({ data }: WechatMessage<{ OpenID: string }>): Promise<void> {
    await this.closedAccounts.add(data.OpenID);
  }
}
// #endregion handlers

// #region transfer
@Injectable()
class CustomerService {
  /** All messages of users go to the customer service page of the console (网页端客服). */
  @OnWechatMessage('text')
  @OnWechatMessage('image')
  @OnWechatMessage('miniprogrampage')
  toStaff({ from, to, createdAt }: WechatMessage): object {
    return {
      ToUserName: from,
      FromUserName: to,
      CreateTime: Math.floor(createdAt.getTime() / 1000),
      MsgType: 'transfer_customer_service',
    };
  }
}
// #endregion transfer

// #region controller
@Controller('hooks/wechat')
class PushController {
  constructor(private readonly pushes: MessagePushService) {}

  @All()
  async push(@Req() { method, query, rawBody }: RawBodyRequest<Request>, @Res() reply: Response) {
    const { status, headers, body } = await this.pushes.handle({ method, query, body: rawBody });
    reply.status(status).set(headers).send(body);
  }
}
// #endregion controller

const AES_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
const environment = ({ apps: [app], url }: WechatSandbox): Record<string, string> => ({
  WECHAT_API_BASE_URL: url,
  WECHAT_MINI_APP_ID: app!.appId,
  WECHAT_MINI_APP_SECRET: app!.secret,
  WECHAT_PUSH_TOKEN: 'AAAAA',
  WECHAT_PUSH_AES_KEY: AES_KEY,
});

it.each([new ExpressAdapter(), new FastifyAdapter()])(
  'runs as docs/messages.md shows it: %#',
  async (adapter) => {
    const wechat = await startWechatSandbox();
    const env = environment(wechat);
    @Module({
      imports: [WechatModule.forRoot(wechatOptionsFromEnv(env))],
      providers: [WechatMessages, CustomerService, ClosedAccounts],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, adapter, { logger: false });
    await app.listen(0, '127.0.0.1');
    const appUrl = await app.getUrl();
    const miniProgram = wechat.apps[0]!.appId;

    // #region sandbox
    wechat.configurePush(miniProgram, {
      url: `${appUrl}/wechat/push`,
      token: 'AAAAA',
      aesKey: AES_KEY,
      format: 'json', // or 'xml'
    });
    await wechat.verifyPush(miniProgram); // { ok: true, status: 200 }
    const test = { MsgType: 'event', Event: 'debug_demo', debug_str: 'world' };
    const { attempts } = await wechat.push(miniProgram, test);
    const reply = attempts[0]?.reply; // { demo_resp: 'hello world' }, verified and decrypted
    // #endregion sandbox
    expect(await wechat.verifyPush(miniProgram)).toEqual({ ok: true, status: 200 });
    expect(reply).toEqual({ demo_resp: 'hello world' });
    await wechat.push(miniProgram, { Event: 'user_authorization_cancellation', OpenID: 'o1' });
    expect([...app.get(ClosedAccounts).rows]).toEqual(['o1']);
    const text = await wechat.push(miniProgram, {
      MsgType: 'text',
      Content: 'hi',
      FromUserName: 'o2',
    });
    expect(text.attempts[0]!.reply).toMatchObject({
      ToUserName: 'o2',
      MsgType: 'transfer_customer_service',
    });
    await app.close();
    await wechat.close();
  },
);

it('runs with a controller of the team', async () => {
  const wechat = await startWechatSandbox();
  const options = { ...wechatOptionsFromEnv(environment(wechat)), push: { path: false as const } };
  @Module({
    imports: [WechatModule.forRoot(options)],
    providers: [WechatMessages, ClosedAccounts],
    controllers: [PushController],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule, new ExpressAdapter(), {
    logger: false,
    rawBody: true,
  });
  await app.listen(0, '127.0.0.1');
  const { appId } = wechat.apps[0]!;
  wechat.configurePush(appId, {
    url: `${await app.getUrl()}/hooks/wechat`,
    token: 'AAAAA',
    aesKey: AES_KEY,
  });
  expect(await wechat.verifyPush(appId)).toEqual({ ok: true, status: 200 });
  const { attempts } = await wechat.push(appId, { Event: 'debug_demo', debug_str: 'x' });
  expect(attempts[0]!.reply).toEqual({ demo_resp: 'hello x' });
  await app.close();
  await wechat.close();
});
