import {
  Body,
  Catch,
  Controller,
  Get,
  Headers,
  Inject,
  Injectable,
  Module,
  Post,
  Query,
  Res,
  UseGuards,
} from '@nestjs/common';
import type { CanActivate, ExecutionContext, INestApplication, Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import {
  AccessTokenService,
  CryptoService,
  CurrentSession,
  CurrentUser,
  MobileOAuthService,
  OptionalSessionGuard,
  PhoneService,
  Public,
  QrCodeService,
  SessionGuard,
  SessionService,
  WechatApiClient,
  WechatBlockedError,
  WechatError,
  WechatExceptionFilter,
  WechatModule,
} from 'nestjs-wechat';
import type {
  WechatErrorResponse,
  WechatModuleOptions,
  WechatSession,
  WechatUserProfile,
  WechatUserResolver,
} from 'nestjs-wechat';
import { WechatHealthIndicator } from 'nestjs-wechat/health';
import { WechatAuthGuard, WechatSessionStrategy } from 'nestjs-wechat/passport';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import type { Request, Response } from 'express';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { clientOf } from '../support/http.js';
import type { AppResponse } from '../support/http.js';
import { optionsFor } from '../support/team-app.js';

/*
 * The code of the manual (libs/wechat/README.md and docs/). Each region is a copy of this code, see docs.spec.ts,
 * and runs here against the sandbox.
 */

interface User {
  id: number;
  name: string;
}

// #region users
@Injectable()
class UsersService implements WechatUserResolver<User> {
  private readonly byOpenid = new Map<string, User>(); // your database

  register({ openid }: WechatSession): User {
    const user = this.byOpenid.get(openid) ?? { id: this.byOpenid.size + 1, name: 'new here' };
    this.byOpenid.set(openid, user);
    return user;
  }

  /** `@CurrentUser()` is what this returns; `undefined`: the account no longer exists, 401. */
  resolve({ openid }: WechatSession): User | undefined {
    return this.byOpenid.get(openid);
  }
}
// #endregion users

// #region users-login
@Controller('auth')
class LoginController {
  constructor(
    private readonly sessions: SessionService,
    private readonly users: UsersService,
  ) {}

  @Post('login')
  async login(@Body('code') code: string) {
    const { session_rd, expiresIn, session } = await this.sessions.login(code);
    return { session_rd, expiresIn, user: this.users.register(session) };
  }
}
// #endregion users-login

// #region decorators
@Controller('orders')
@UseGuards(SessionGuard)
class OrdersController {
  @Get('mine')
  mine(@CurrentUser() user: User) {
    return { orders: [], of: user.name };
  }

  @Get('session')
  session(@CurrentSession() { openid, expiresAt }: WechatSession) {
    return { openid, expiresAt };
  }

  @Get('prices')
  @Public()
  prices() {
    return { coffee: 2200 };
  }
}

@Controller('news')
class NewsController {
  @Get()
  @UseGuards(OptionalSessionGuard)
  news(@CurrentUser() user?: User) {
    return { greeting: `hello ${user?.name ?? 'stranger'}` };
  }
}
// #endregion decorators

// #region global-guard
const everyRoute = { provide: APP_GUARD, useExisting: SessionGuard };
// #endregion global-guard

// #region profile
@Injectable()
class ProfileService {
  constructor(private readonly crypto: CryptoService) {}

  async read(
    session: WechatSession,
    sent: { rawData: string; signature: string; encryptedData: string; iv: string },
  ) {
    await this.crypto.verifyRawData(session, sent);
    await this.crypto.decryptOpenData(session, sent); // recent, and of this user and app
    const { nickName, avatarUrl } = JSON.parse(sent.rawData) as WechatUserProfile;
    return { nickName, avatarUrl };
  }
}
// #endregion profile

// #region website-login
@Controller('website')
class WebsiteController {
  constructor(private readonly oauth: MobileOAuthService) {}

  @Get('login')
  async start(@Res() response: Response) {
    const device = randomBytes(16).toString('base64url');
    const redirectUri = 'https://www.example.com/website/callback';
    const { url } = await this.oauth.createAuthorizationUrl({ redirectUri, device });
    // `lax`: WeChat's redirect back to this site carries the cookie, requests of other sites' pages do not
    const options = { httpOnly: true, secure: true, sameSite: 'lax', maxAge: 600_000 } as const;
    response.cookie('wechat_login', device, options).redirect(url);
  }

  @Get('callback')
  async callback(
    @Query('code') code: string,
    @Query('state') state: string,
    @Headers('cookie') cookies = '',
  ) {
    const [, device = ''] = /(?:^|; )wechat_login=([\w-]+)/.exec(cookies) ?? [];
    const { token, expiresIn } = await this.oauth.handleCallback({ code, state, device });
    const { nickName, unionid } = await this.oauth.getUserInfo(token);
    return { token, expiresIn, nickName, unionid };
  }
}
// #endregion website-login

/** The guard of an application that already has its own login. */
class OldTokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return (
      context.switchToHttp().getRequest<Request>().headers.authorization === 'Bearer old-token'
    );
  }
}

@Injectable()
class ApiKeys {
  find(key: unknown): { name: string } | undefined {
    return key === 'key-of-partner' ? { name: 'partner' } : undefined;
  }
}

// #region api-key-guard
@Injectable()
class ApiKeyOrSessionGuard extends SessionGuard {
  @Inject(ApiKeys) private readonly apiKeys: ApiKeys;

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const partner = this.apiKeys.find(this.getRequest(context).headers['x-api-key']);
    return partner ? this.allowUser(context, partner) : super.canActivate(context);
  }
}
// #endregion api-key-guard

@Controller('partners')
class PartnersController {
  @Get()
  @UseGuards(ApiKeyOrSessionGuard)
  partner(@CurrentUser() user: { name: string }) {
    return { name: user.name };
  }
}

// #region either-guard
@Injectable()
class EitherGuard implements CanActivate {
  constructor(
    private readonly sessions: SessionGuard,
    private readonly old: OldTokenGuard,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const { headers } = context.switchToHttp().getRequest<Request>();
    return headers['x-session-rd'] === undefined
      ? this.old.canActivate(context)
      : this.sessions.canActivate(context);
  }
}
// #endregion either-guard

@Controller('either')
class EitherController {
  @Get()
  @UseGuards(EitherGuard)
  either() {
    return 'let in';
  }
}

// #region envelope
@Catch(WechatError)
class TeamExceptionFilter extends WechatExceptionFilter {
  override toResponse(error: WechatError): WechatErrorResponse {
    const response = super.toResponse(error);
    return {
      ...response,
      body: {
        ...response.body,
        msg: error instanceof WechatBlockedError ? 'call our hotline' : response.body.msg,
      },
    };
  }
}
// #endregion envelope

// #region health
@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly wechat: WechatHealthIndicator,
  ) {}

  @Get('ready')
  ready() {
    return this.health.check([
      () => this.wechat.store('store'),
      () => this.wechat.platform('wechat'),
    ]);
  }
}
// #endregion health

// #region passport
@Controller('passport')
class PassportController {
  @Get('me')
  @UseGuards(WechatAuthGuard)
  me(@CurrentUser() user: User) {
    return user;
  }
}

@Module({
  imports: [PassportModule],
  controllers: [PassportController],
  providers: [WechatSessionStrategy],
})
class PassportLoginModule {}
// #endregion passport

// #region risk-rank
@Injectable()
class RiskService {
  constructor(private readonly wechat: WechatApiClient) {}

  /** 安全风控: how risky WeChat rates a user, from 0 to 4. https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/safety-control-capability/getUserRiskRank.html */
  async rankOf({ openid, appId }: WechatSession, clientIp: string): Promise<number> {
    const { risk_rank: rank } = await this.wechat.call<{ risk_rank: number }>({
      method: 'POST',
      path: '/wxa/getuserriskrank',
      body: { appid: appId, openid, scene: 0, client_ip: clientIp }, // 0: register, 1: marketing, 2: content
      appId,
      retry: 'idempotent',
    });
    return rank;
  }
}
// #endregion risk-rank

class MoreLinks {
  constructor(private readonly api: WechatApiClient) {}

  async scheme(): Promise<string> {
    const { api } = this;
    // #region scheme
    const { openlink } = await api.call<{ openlink: string }>({
      method: 'POST',
      path: '/wxa/generatescheme',
      body: {
        jump_wxa: { path: '/pages/index/index', query: 'order=42' },
        is_expire: true,
        expire_type: 1,
        expire_interval: 7, // days
      },
    });
    // openlink: 'weixin://dl/business/?t=…'
    // #endregion scheme
    return openlink;
  }

  async shortLink(): Promise<string> {
    const { api } = this;
    // #region short-link
    const { link } = await api.call<{ link: string }>({
      method: 'POST',
      path: '/wxa/genwxashortlink',
      body: { page_url: 'pages/index/index?order=42', page_title: 'Your order' },
    });
    // link: '#小程序://…', which opens in chats of WeChat
    // #endregion short-link
    return link;
  }
}

class MoreMessages {
  constructor(
    private readonly api: WechatApiClient,
    private readonly tokens: AccessTokenService,
  ) {}

  async imageAndCard(openid: string, png: Buffer, wechatUrl: string): Promise<void> {
    const { api, tokens } = this;
    // #region image-and-card
    const form = new FormData();
    form.append('media', new Blob([new Uint8Array(png)], { type: 'image/png' }), 'menu.png');
    const query = new URLSearchParams({ access_token: await tokens.get(), type: 'image' });
    const upload = `${wechatUrl}/cgi-bin/media/upload?${query.toString()}`; // https://api.weixin.qq.com
    const uploaded = await fetch(upload, { method: 'POST', body: form });
    const { media_id } = (await uploaded.json()) as { media_id: string }; // valid for 3 days

    const path = '/cgi-bin/message/custom/send';
    const image = { touser: openid, msgtype: 'image', image: { media_id } };
    await api.call({ method: 'POST', path, body: image });
    const card = { title: 'Your order', pagepath: 'pages/index/index', thumb_media_id: media_id };
    const body = { touser: openid, msgtype: 'miniprogrampage', miniprogrampage: card };
    await api.call({ method: 'POST', path, body });
    // #endregion image-and-card
  }

  async serviceCard(openid: string, transactionId: string, notifyType: number): Promise<void> {
    const { api } = this;
    const content = { status: 1 };
    // #region service-card
    await api.call({
      method: 'POST',
      path: '/wxa/set_user_notify',
      body: {
        openid,
        notify_type: notifyType, // the number of the card's template
        notify_code: transactionId, // of WeChat Pay, within 24 hours after the payment
        content_json: JSON.stringify(content), // the fields of the card's template
      },
    });
    // #endregion service-card
  }
}

const MINI_PROGRAM = { appId: 'wx5a4db0c1e2f37608', secret: 'a'.repeat(32) };
const MOBILE = { appId: 'wxd19e84c63b7a2f50', secret: 'b'.repeat(32), kind: 'mobile' as const };
const WEBSITE = { appId: 'wx7d1e5c90a2b3f468', secret: 'c'.repeat(32), kind: 'website' as const };

describe('the code of the manual', () => {
  let wechat: WechatSandbox;
  let app: INestApplication;
  let alice: SandboxUser;

  const start = async (
    more: object,
    options: Partial<WechatModuleOptions> = {},
    prepare?: () => void,
  ): Promise<void> => {
    @Module({
      imports: [WechatModule.forRoot(optionsFor(wechat, options)), TerminusModule],
      ...more,
    })
    class TeamModule {}
    const module = await Test.createTestingModule({ imports: [TeamModule] }).compile();
    app = module.createNestApplication({ logger: false });
    prepare?.();
    await app.listen(0, '127.0.0.1');
  };
  const get = <T>(service: Type<T>): T => app.get(service, { strict: false });
  const call = async (...args: Parameters<ReturnType<typeof clientOf>>) =>
    clientOf(await app.getUrl())(...args);
  const login = async () => get(SessionService).login((await alice.login()).code);

  beforeAll(async () => {
    wechat = await startWechatSandbox({ apps: [MINI_PROGRAM, MOBILE, WEBSITE] });
    alice = wechat.users.create({ nickName: 'Alice', phoneNumber: '13580006666' });
  });
  afterEach(() => app.close());
  afterAll(() => wechat.close());

  it('logs users of the team in, and guards', async () => {
    const controllers = [LoginController, OrdersController, NewsController];
    await start({ controllers, providers: [UsersService] }, { users: UsersService });
    const { status, body } = await call('POST /auth/login', { body: await alice.login() });
    expect([status, body]).toEqual([
      201,
      { session_rd: expect.any(String), expiresIn: 1800, user: { id: 1, name: 'new here' } },
    ]);
    const token = body.session_rd;
    expect((await call('GET /orders/mine', { token })).body).toEqual({
      orders: [],
      of: 'new here',
    });
    expect((await call('GET /orders/session', { token })).body.openid).toBe(alice.openid());
    expect((await call('GET /orders/mine')).status).toBe(401);
    expect((await call('GET /orders/prices')).body).toEqual({ coffee: 2200 });
    expect((await call('GET /news')).body).toEqual({ greeting: 'hello stranger' });
    expect((await call('GET /news', { token })).body).toEqual({ greeting: 'hello new here' });
  });

  it('guards every route', async () => {
    await start({ controllers: [NewsController, OrdersController], providers: [everyRoute] });
    expect((await call('GET /news')).status).toBe(401);
    expect((await call('GET /orders/prices')).status).toBe(200);
  });

  it('is registered with its own options', async () => {
    const [{ appId, secret }, mobile] = wechat.apps as [
      WechatSandbox['apps'][0],
      WechatSandbox['apps'][0],
    ];
    class Settings {
      readonly shop = { appId, secret };
      readonly site = { appId: mobile.appId, secret: mobile.secret };
      readonly wechatUrl = wechat.url;
    }
    @Module({ providers: [Settings], exports: [Settings] })
    class SettingsModule {}
    const registered =
      // #region for-root-async
      WechatModule.forRootAsync({
        imports: [SettingsModule],
        inject: [Settings],
        useFactory: (settings: Settings) => ({
          apps: [
            { ...settings.shop, kind: 'mini-program', name: 'shop' },
            { ...settings.site, kind: 'website', name: 'site' },
          ],
          api: { baseUrl: settings.wechatUrl },
          session: { ttl: '30m', maxAge: '7d' },
          users: UsersService,
        }),
      });
    // #endregion for-root-async
    @Module({ imports: [registered], providers: [UsersService] })
    class TeamModule {}
    app = (
      await Test.createTestingModule({ imports: [TeamModule] }).compile()
    ).createNestApplication({ logger: false });
    await app.init();
    expect((await login()).session.appId).toBe(appId);
  });

  it('verifies and decrypts', async () => {
    await start({ providers: [ProfileService] });
    const { session } = await login();
    const { rawData, signature, encryptedData, iv } = await alice.getUserInfo();
    const profile = await get(ProfileService).read(session, {
      rawData,
      signature,
      encryptedData,
      iv,
    });
    expect(profile).toEqual({ nickName: 'Alice', avatarUrl: alice.avatarUrl });
  });

  it('shows what each service gives', async () => {
    await start({});
    const { session, ...issued } = await login();
    const [sessions, phones, qrcodes] = [
      get(SessionService),
      get(PhoneService),
      get(QrCodeService),
    ];
    expect(Object.keys(issued)).toEqual(['session_rd', 'expiresIn']);
    const { code } = await alice.getPhoneNumber();

    // #region services
    const found = await sessions.find(issued.session_rd);
    const devices = await sessions.list(found);
    const phone = await phones.getByCode(code, { openid: found.openid });
    const { data, contentType } = await qrcodes.getUnlimited({
      scene: 'table=7',
      page: 'pages/index/index',
      width: 430,
    });
    const revoked = await sessions.revokeAll(found);
    // #endregion services

    expect(found).toEqual(session);
    expect(Object.keys(devices[0] ?? {})).toEqual([
      'id',
      'issuedAt',
      'refreshedAt',
      'expiresAt',
      'current',
    ]);
    expect(phone).toEqual({
      phoneNumber: '13580006666',
      purePhoneNumber: '13580006666',
      countryCode: '86',
    });
    expect([data.subarray(0, 2).toString('hex'), contentType, revoked]).toEqual([
      'ffd8',
      'image/jpeg',
      1,
    ]);
    expect(await get(AccessTokenService).get()).toEqual(expect.any(String));
  });

  /** A browser that opens the login page: its cookie, and the state that WeChat gets. */
  const openLogin = async (): Promise<{ cookie: string; state: string; attributes: string[] }> => {
    const { status, headers } = await call('GET /website/login');
    expect(status).toBe(302);
    const [cookie = '', ...attributes] = headers.getSetCookie()[0]!.split('; ');
    const state = new URL(headers.get('location')!).searchParams.get('state')!;
    return { cookie, state, attributes };
  };
  const callback = async (
    user: SandboxUser,
    state: string,
    cookie: string,
  ): Promise<AppResponse> => {
    const { code } = await user.authorize(WEBSITE.appId, { scope: 'snsapi_login' });
    return call(`GET /website/callback?code=${code}&state=${state}`, { headers: { cookie } });
  };

  it('logs a user of a website in', async () => {
    await start({ controllers: [WebsiteController] });
    const { cookie, state, attributes } = await openLogin();
    expect(attributes).toEqual(expect.arrayContaining(['HttpOnly', 'Secure', 'SameSite=Lax']));
    expect((await callback(alice, state, `theme=dark; ${cookie}`)).body).toEqual({
      token: expect.stringMatching(/^mot_/),
      expiresIn: 604800,
      nickName: 'Alice',
      unionid: alice.unionid(),
    });
  });

  describe('login CSRF: an attacker makes a browser open the callback of a login that the attacker started', () => {
    it('B-state is refused with the cookie of another login and without a cookie', async () => {
      await start({ controllers: [WebsiteController] });
      const mallory = wechat.users.create({ nickName: 'Mallory' });
      for (const cookie of ['', (await openLogin()).cookie]) {
        const attack = await openLogin();
        expect((await callback(mallory, attack.state, cookie)).body.error).toBe('ERR_BAD_REQUEST');
      }
    });

    it('control: a state that is not bound to the browser lets the attack through', async () => {
      @Controller('website')
      class NaiveController {
        constructor(private readonly oauth: MobileOAuthService) {}

        @Get('login')
        async start(@Res() response: Response) {
          const redirectUri = 'https://www.example.com/website/callback';
          const { url } = await this.oauth.createAuthorizationUrl({ redirectUri, device: 'any' });
          response.cookie('wechat_login', 'any').redirect(url);
        }

        @Get('callback')
        async callback(@Query('code') code: string, @Query('state') state: string) {
          const { token } = await this.oauth.handleCallback({ code, state, device: 'any' });
          return this.oauth.getUserInfo(token);
        }
      }
      await start({ controllers: [NaiveController] });
      const mallory = wechat.users.create({ nickName: 'Mallory' });
      const { state } = await openLogin();
      expect((await callback(mallory, state, '')).body.nickName).toBe('Mallory');
    });
  });

  it('responds in an envelope of the application', async () => {
    await start({ controllers: [LoginController], providers: [UsersService] }, {}, () => {
      // #region use-envelope
      app.useGlobalFilters(new TeamExceptionFilter());
      // #endregion use-envelope
    });
    const mallory = wechat.users.create({ highRisk: true });
    const { status, body } = await call('POST /auth/login', { body: await mallory.login() });
    expect([status, body.msg]).toEqual([403, 'call our hotline']);
  });

  it('accepts an API key or a session', async () => {
    await start({ controllers: [PartnersController], providers: [ApiKeys] });
    const { session_rd } = await login();
    const partner = async (headers: Record<string, string>) =>
      (await call('GET /partners', { headers })).status;
    expect(await partner({ 'x-api-key': 'key-of-partner' })).toBe(200);
    expect(await partner({ 'x-session-rd': session_rd })).toBe(200);
    expect(await partner({ 'x-api-key': 'wrong' })).toBe(401);
  });

  it('serves an old login and a new one side by side', async () => {
    await start({ controllers: [EitherController], providers: [EitherGuard, OldTokenGuard] });
    const { session_rd } = await login();
    const status = async (headers: Record<string, string>) =>
      (await call('GET /either', { headers })).status;
    expect(await status({ authorization: 'Bearer old-token' })).toBe(200);
    expect(await status({ 'x-session-rd': session_rd })).toBe(200);
    expect(await status({ authorization: 'Bearer x' })).toBe(403);
    expect(await status({ 'x-session-rd': 'srd_dead' })).toBe(401);
  });

  it('reports its health', async () => {
    await start({ controllers: [HealthController], providers: [WechatHealthIndicator] });
    const { status, body } = await call('GET /health/ready');
    expect([status, body.details]).toEqual([
      200,
      { store: { status: 'up' }, wechat: { status: 'up', state: 'ok' } },
    ]);
  });

  it('goes through Passport', async () => {
    await start({ imports: [WechatModule.forRoot(optionsFor(wechat)), PassportLoginModule] });
    const { session_rd: token } = await login();
    expect((await call('GET /passport/me', { token })).body.openid).toBe(alice.openid());
    expect((await call('GET /passport/me')).status).toBe(401);
  });

  it('reaches the APIs that the library has no service for', async () => {
    const responses: Record<string, object> = {
      '/cgi-bin/stable_token': { access_token: 'token', expires_in: 7200 },
      '/wxa/getuserriskrank': { errcode: 0, errmsg: 'getuserriskrank succ', risk_rank: 3 },
      '/wxa/generatescheme': { errcode: 0, errmsg: 'ok', openlink: 'weixin://dl/business/?t=abc' },
      '/wxa/genwxashortlink': { errcode: 0, errmsg: 'ok', link: '#小程序://shop/abc' },
      '/cgi-bin/media/upload': { type: 'image', media_id: 'media-1', created_at: 1234567890 },
      '/cgi-bin/message/custom/send': { errcode: 0, errmsg: 'ok' },
      '/wxa/set_user_notify': { errcode: 0, errmsg: 'ok' },
    };
    const calls: [path: string, body: string][] = [];
    const platform = createServer((request, response) => {
      const [path = ''] = (request.url ?? '').split('?');
      void text(request).then((body) => {
        calls.push([path, body]);
        response.end(JSON.stringify(responses[path]));
      });
    });
    await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
    const baseUrl = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
    await start({ providers: [RiskService] }, { api: { baseUrl } });
    const session = { openid: 'o1', appId: wechat.apps[0]?.appId ?? '' } as WechatSession;
    expect(await get(RiskService).rankOf(session, '203.0.113.7')).toBe(3);
    const links = new MoreLinks(get(WechatApiClient));
    expect(await links.scheme()).toBe('weixin://dl/business/?t=abc');
    expect(await links.shortLink()).toBe('#小程序://shop/abc');
    const messages = new MoreMessages(get(WechatApiClient), get(AccessTokenService));
    await messages.imageAndCard('o1', Buffer.from('png'), baseUrl);
    await messages.serviceCard('o1', '4200', 1001);
    const upload = calls.find(([path]) => path === '/cgi-bin/media/upload')?.[1];
    expect(upload).toContain('name="media"; filename="menu.png"');
    const sent = calls
      .filter(([path]) => path === '/cgi-bin/message/custom/send')
      .map(([, body]) => JSON.parse(body));
    expect(sent).toEqual([
      { touser: 'o1', msgtype: 'image', image: { media_id: 'media-1' } },
      {
        touser: 'o1',
        msgtype: 'miniprogrampage',
        miniprogrampage: expect.objectContaining({ thumb_media_id: 'media-1' }),
      },
    ]);
    platform.closeAllConnections();
    platform.close();
  });
});
