import { Body, Controller, Get, Injectable, Post, UseGuards, ValidationPipe } from '@nestjs/common';
import { Type } from 'class-transformer';
import { ArrayNotEmpty, IsInt, ValidateNested } from 'class-validator';
import {
  CurrentSession,
  CurrentUser,
  ForApp,
  OpenData,
  OptionalSessionGuard,
  Public,
  RequirePhone,
  RequireUnionId,
  SessionGuard,
  SessionService,
  WechatStore,
} from 'nestjs-wechat';
import type { WechatSession, WechatUserProfile, WechatUserResolver } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { signedText, withStart } from '../support/profiles.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const LINKED = {
  appId: 'wx1111111111111111',
  secret: 's'.repeat(32),
  kind: 'mini-program',
  name: 'shop',
} as const;
const UNLINKED = {
  appId: 'wx2222222222222222',
  secret: 't'.repeat(32),
  kind: 'mini-program',
  name: 'staff',
  openPlatform: false,
} as const;

let wechat: WechatSandbox;
beforeAll(async () => {
  wechat = await startWechatSandbox({ apps: [LINKED, UNLINKED] });
});
afterEach(closeTeamApps);
afterAll(() => wechat.close());

type SandboxUser = ReturnType<WechatSandbox['users']['create']>;

async function login(
  app: TeamApp,
  { appId }: { appId: string } = LINKED,
  user: SandboxUser = wechat.users.create(),
) {
  const { code } = await user.login(appId);
  return app.get(SessionService).login(code, { appId });
}

interface User {
  openid: string;
  phoneNumber?: string;
  mobile?: string;
}
const phones = new Map<string, Partial<User>>();

@Injectable()
class Users implements WechatUserResolver<User> {
  resolve({ openid }: WechatSession): User {
    return { openid, ...phones.get(openid) };
  }
}

describe('@RequireUnionId()', () => {
  @Controller()
  class Pages {
    @Get('alone')
    @RequireUnionId()
    alone(@CurrentSession() { unionid }: WechatSession) {
      return { unionid };
    }
    @Get('above')
    @UseGuards(SessionGuard)
    @RequireUnionId()
    above() {
      return {};
    }
    @Get('below')
    @RequireUnionId()
    @UseGuards(OptionalSessionGuard)
    below() {
      return {};
    }
    @Get('public')
    @Public()
    @RequireUnionId()
    contradiction() {
      return {};
    }
  }

  it('needs a session with a unionid, in any order with other guards', async () => {
    const app = await startTeamApp(optionsFor(wechat), { controllers: [Pages] });
    const [linked, unlinked] = [await login(app), await login(app, UNLINKED)];
    for (const path of ['/alone', '/above', '/below'])
      expect([
        (await app.fetch(path)).status,
        (await app.as(unlinked.session_rd, path)).status,
        (await app.as(linked.session_rd, path)).status,
      ]).toEqual([401, 403, 200]);
    expect(await (await app.as(linked.session_rd, '/alone')).json()).toEqual({
      unionid: linked.session.unionid,
    });
    expect(await (await app.as(unlinked.session_rd, '/alone')).json()).toEqual({
      code: 403,
      msg: 'unionid required',
      data: null,
      success: false,
      error: 'ERR_WECHAT_UNIONID_REQUIRED',
    });
    expect((await app.as(linked.session_rd, '/public')).status).toBe(401);
  });

  it('does not read the session again after another guard has read it', async () => {
    @Controller()
    @UseGuards(SessionGuard)
    class Guarded {
      @Get('once')
      @RequireUnionId()
      once() {
        return {};
      }
    }
    const app = await startTeamApp(optionsFor(wechat), { controllers: [Guarded] });
    const { session_rd } = await login(app);
    const reads = jest.spyOn(app.get(WechatStore), 'get');
    await app.as(session_rd, '/once');
    expect(reads).toHaveBeenCalledTimes(1);
  });
});

describe('@ForApp()', () => {
  @Controller()
  @ForApp('staff')
  class Staff {
    @Get('roster')
    roster(@CurrentUser() { openid }: User) {
      return { openid };
    }
  }

  it('accepts sessions of its app only', async () => {
    const app = await startTeamApp(optionsFor(wechat), { controllers: [Staff] });
    const [shop, staff] = [await login(app), await login(app, UNLINKED)];
    expect([
      (await app.fetch('/roster')).status,
      (await app.as(shop.session_rd, '/roster')).status,
    ]).toEqual([401, 401]);
    expect(await (await app.as(staff.session_rd, '/roster')).json()).toEqual({
      openid: staff.session.openid,
    });
  });

  it('stops the start if no app has the name', async () => {
    @Controller()
    @ForApp('unknown')
    class Unknown {}
    await expect(startTeamApp(optionsFor(wechat), { controllers: [Unknown] })).rejects.toThrow(
      /@ForApp\('unknown'\).*options\.apps/,
    );
  });
});

describe('@RequirePhone()', () => {
  @Controller()
  class Orders {
    @Post('orders')
    @RequirePhone()
    order(@CurrentUser() { phoneNumber }: User) {
      return { phoneNumber };
    }
    @Get('orders')
    @RequirePhone((user: User) => user.mobile)
    orders() {
      return [];
    }
  }

  it('checks the user of the application', async () => {
    const app = await startTeamApp(optionsFor(wechat, { users: Users }), { controllers: [Orders] });
    const { session_rd, session } = await login(app);
    const order = () =>
      app.fetch('/orders', { method: 'POST', headers: { authorization: `Bearer ${session_rd}` } });
    const refused = await order();
    expect([refused.status, await refused.json()]).toEqual([
      403,
      expect.objectContaining({ error: 'ERR_WECHAT_PHONE_REQUIRED' }),
    ]);
    phones.set(session.openid, { phoneNumber: '13580006666' });
    expect(await (await order()).json()).toEqual({ phoneNumber: '13580006666' });
    expect((await app.as(session_rd, '/orders')).status).toBe(403);
    phones.set(session.openid, { mobile: '13580006666' });
    expect((await app.as(session_rd, '/orders')).status).toBe(200);
  });

  it('stops the start without a user resolver', async () => {
    await expect(startTeamApp(optionsFor(wechat), { controllers: [Orders] })).rejects.toThrow(
      /@RequirePhone\(\).*`users`/,
    );
  });
});

describe.each(['express', 'fastify'] as const)('@OpenData() on %s', (adapter) => {
  class Day {
    @IsInt() timestamp: number;
    @IsInt() step: number;
  }
  class Steps {
    @ArrayNotEmpty() @ValidateNested({ each: true }) @Type(() => Day) stepInfoList: Day[];
  }
  const DTO_PIPE = new ValidationPipe({ transform: true, validateCustomDecorators: true });

  @Controller()
  @UseGuards(SessionGuard)
  class Pages {
    @Post('profile')
    profile(@OpenData() { nickName }: WechatUserProfile) {
      return { nickName };
    }
    @Post('nested')
    nested(@OpenData('profile') { nickName }: WechatUserProfile, @Body('note') note: string) {
      return { nickName, note };
    }
    @Post('steps')
    steps(@OpenData(DTO_PIPE) steps: Steps) {
      return {
        isDto: steps instanceof Steps && steps.stepInfoList[0] instanceof Day,
        days: steps.stepInfoList.length,
      };
    }
    @Post('public')
    @Public()
    withoutSession(@OpenData() profile: unknown) {
      return profile;
    }
  }

  it('is verified and decrypted, and can be validated as a DTO', async () => {
    const app = await startTeamApp(optionsFor(wechat), { adapter, controllers: [Pages] });
    const user = wechat.users.create();
    const { session_rd } = await login(app, LINKED, user);
    const post = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${session_rd}`, 'content-type': 'application/json' };
      const response = await app.fetch(path, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      return [response.status, await response.json()];
    };
    const error = (name: string) => expect.objectContaining({ error: name });
    const [profile, steps] = [await user.getUserInfo(), await user.getWeRunData()];
    const { nickName } = profile.userInfo;
    expect(await post('/profile', profile)).toEqual([201, { nickName }]);
    expect(await post('/nested', { profile, note: 'hi' })).toEqual([201, { nickName, note: 'hi' }]);
    expect(await post('/steps', steps)).toEqual([201, { isDto: true, days: expect.any(Number) }]);

    const forged = withStart(await user.getUserProfile(), '{"nickName":"微', '{"nickName":"骂');
    const { encryptedData, iv } = forged;
    const control = await post('/profile', { encryptedData, iv });
    expect(control).toEqual([201, { nickName: '骂信用户' }]);
    expect(await post('/profile', forged)).toEqual([201, { nickName: '微信用户' }]);

    expect(
      await post('/steps', { encryptedData: profile.encryptedData, iv: profile.iv }),
    ).toMatchObject([400, { message: expect.any(Array) }]);
    expect(await post('/profile', { ...profile, signature: '0'.repeat(40) })).toEqual([
      400,
      error('ERR_WECHAT_SIGNATURE'),
    ]);
    expect(await post('/profile', { ...profile, ...signedText(user, '[]') })).toEqual([
      400,
      error('ERR_BAD_REQUEST'),
    ]);
    expect(await post('/profile', { ...profile, rawData: undefined })).toEqual([
      400,
      error('ERR_BAD_REQUEST'),
    ]);
    expect(await post('/profile', { ...profile, iv: 'no' })).toEqual([
      400,
      error('ERR_WECHAT_DECRYPT'),
    ]);
    for (const path of ['/profile', '/nested'])
      expect(await post(path, {})).toEqual([400, error('ERR_BAD_REQUEST')]);
    expect(await post('/nested', { profile: 'text' })).toEqual([400, error('ERR_BAD_REQUEST')]);
    expect(await post('/nested', { profile: null })).toEqual([400, error('ERR_BAD_REQUEST')]);
    expect(await post('/public', profile)).toEqual([401, error('ERR_WECHAT_SESSION')]);
  });
});
