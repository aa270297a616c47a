import { Logger } from '@nestjs/common';
import {
  AccessTokenService,
  MobileOAuthService,
  SessionService,
  WechatApiClient,
} from 'nestjs-wechat';
import type { WechatError } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { inspect } from 'node:util';
import { PlatformClient } from '../../libs/wechat/src/platform/platform.client.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const UNKNOWN_ERRCODE = 99999;

let wechat: WechatSandbox;
let app: TeamApp;
beforeEach(async () => {
  wechat = await startWechatSandbox();
  app = await startTeamApp(optionsFor(wechat));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await closeTeamApps();
  await wechat.close();
});

/** WeChat refuses the next call of this path with a text that repeats `secrets`. Returns all that an operator can read of it. */
async function textsOf(
  path: string,
  secrets: string[],
  call: () => Promise<unknown>,
): Promise<string> {
  const logged = jest.spyOn(Logger.prototype, 'error');
  const errmsg = `${'x'.repeat(150)} ${secrets.join(' ')} rid: 6913f2a1-0c5e8d72-51f0a9b3`;
  wechat.next(path, { errcode: UNKNOWN_ERRCODE, errmsg });
  const error = (await call().catch((reason: unknown) => reason)) as WechatError;
  expect(error).toMatchObject({ errcode: UNKNOWN_ERRCODE });
  const told = `${error.message} ${inspect(error, { depth: 20 })} ${JSON.stringify(error)} ${inspect(logged.mock.calls)}`;
  expect(told).toContain('xxx'); // the text itself is there
  return told;
}

/** Also a secret that is cut off at the limit of 200 characters must not leave a part behind. */
const partsOf = (secret: string): string[] => [secret, secret.slice(0, 12)];

describe("WeChat's errmsg", () => {
  it('has the AppSecret and the code of a login masked', async () => {
    const { secret } = wechat.apps[0]!;
    const { code } = await wechat.users.create().login();
    const told = await textsOf('/sns/jscode2session', [secret, code], () =>
      app.get(SessionService).login(code),
    );
    for (const part of [secret, code].flatMap(partsOf)) expect(told).not.toContain(part);
  });

  it('has the AppSecret of an access token fetch masked', async () => {
    const { secret } = wechat.apps[0]!;
    const told = await textsOf('/cgi-bin/stable_token', [secret], () =>
      app.get(AccessTokenService).get(),
    );
    for (const part of partsOf(secret)) expect(told).not.toContain(part);
  });

  it('has the access token of an API call masked, also percent-encoded', async () => {
    const token = await app.get(AccessTokenService).get();
    const path = '/cgi-bin/get_api_domain_ip';
    const told = await textsOf(path, [token, encodeURIComponent(token)], () =>
      app.get(WechatApiClient).call({ method: 'GET', path }),
    );
    for (const part of partsOf(token)) expect(told).not.toContain(part);
  });

  it('has the AppSecret and the code of a mobile login masked', async () => {
    const { secret } = wechat.apps.find(({ kind }) => kind === 'mobile')!;
    const { code } = await wechat.users.create().authorize();
    const told = await textsOf('/sns/oauth2/access_token', [secret, code], () =>
      app.get(MobileOAuthService).login(code),
    );
    for (const part of [secret, code].flatMap(partsOf)) expect(told).not.toContain(part);
  });

  it('control: the text as WeChat sends it has the secrets', async () => {
    const { secret, appId } = wechat.apps[0]!;
    wechat.next('/cgi-bin/stable_token', { errcode: UNKNOWN_ERRCODE, errmsg: `invalid ${secret}` });
    const body = JSON.stringify({ grant_type: 'client_credential', appid: appId, secret });
    const response = await fetch(`${wechat.url}/cgi-bin/stable_token`, { method: 'POST', body });
    expect(await response.text()).toContain(secret);
  });
});

describe('a service that is logged', () => {
  it.each([PlatformClient, AccessTokenService, MobileOAuthService])(
    'shows no secret: %p',
    async (type) => {
      const token = await app.get(AccessTokenService).get();
      const service = app.get<object>(type);
      const shown = [
        inspect(service, { depth: 20, showHidden: true }),
        inspect({ nested: service }, { depth: 20 }),
        JSON.stringify({ nested: service }),
      ].join('\n');
      for (const secret of [token, ...wechat.apps.map((one) => one.secret)])
        expect(shown).not.toContain(secret);
    },
  );

  it('control: its fields have the secrets', async () => {
    const { options } = app.get(PlatformClient) as unknown as { options: { apps: object[] } };
    expect(inspect({ ...options.apps[0] })).toContain(wechat.apps[0]!.secret);
  });
});
