import { Controller, Get, UseGuards } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { CurrentSession, SessionGuard, SessionService, WechatModule } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { WechatPayModule } from 'nestjs-wechat/pay';
import { fakeSession, mockSessionGuard } from 'nestjs-wechat/testing';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';

@Controller('orders')
class OrdersController {
  @Get()
  @UseGuards(SessionGuard)
  orders(@CurrentSession() session: WechatSession) {
    return { openid: session.openid };
  }
}

/** `test:packages` runs this with the settings that `nest new` of Nest 11 writes. */
describe('an application as nest new of Nest 11 writes it', () => {
  let wechat: WechatSandbox;
  let app: INestApplication;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
  });
  afterAll(() => wechat.close());
  afterEach(() => app.close());

  const listen = async (mocked?: WechatSession) => {
    const { appId, secret } = wechat.apps[0]!;
    const builder = Test.createTestingModule({
      imports: [
        WechatModule.forRoot({
          apps: [{ appId, secret, kind: 'mini-program' }],
          api: { baseUrl: wechat.url },
        }),
      ],
      controllers: [OrdersController],
    });
    if (mocked) builder.overrideGuard(SessionGuard).useValue(mockSessionGuard({ session: mocked }));
    app = (await builder.compile()).createNestApplication();
    await app.listen(0, '127.0.0.1');
    return app.getUrl();
  };

  it('logs a user of the sandbox in and guards a route', async () => {
    const url = await listen();
    const user = wechat.users.create();
    const { session_rd } = await app.get(SessionService).login((await user.login()).code);
    const headers = { authorization: `Bearer ${session_rd}` };
    expect(await (await fetch(`${url}/orders`, { headers })).json()).toEqual({
      openid: user.openid(),
    });
    expect((await fetch(`${url}/orders`)).status).toBe(401);
  });

  it('tests a controller without WeChat and loads every sub-path that it uses', async () => {
    const url = await listen(fakeSession({ openid: 'o-anna' }));
    expect(await (await fetch(`${url}/orders`)).json()).toEqual({ openid: 'o-anna' });
    expect(WechatPayModule.forRoot).toBeInstanceOf(Function);
  });
});
