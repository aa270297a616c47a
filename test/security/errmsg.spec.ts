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

/** WeChat refuses the next call of this path with a text that repeats `secrets`. Returns everything that an operator can read. */
async function textsOf(
  path: string,
  secrets: string[],
  call: () => Promise<unknown>,
  padding = 150,
): Promise<string> {
  const logged = jest.spyOn(Logger.prototype, 'error');
  const errmsg = `${'x'.repeat(padding)} ${secrets.join(' ')} rid: 6913f2a1-0c5e8d72-51f0a9b3`;
  wechat.next(path, { errcode: UNKNOWN_ERRCODE, errmsg });
  const error = (await call().catch((reason: unknown) => reason)) as WechatError;
  expect(error).toMatchObject({ errcode: UNKNOWN_ERRCODE });
  const output = `${error.message} ${inspect(error, { depth: 20 })} ${JSON.stringify(error)} ${inspect(logged.mock.calls)}`;
  expect(output).toContain('xxx'); // the text of WeChat is there
  return output;
}

/** The start of a secret must not be readable either, which a cut at 200 characters could leave. */
const partsOf = (secret: string): string[] => [secret, secret.slice(0, 12)];

describe("WeChat's errmsg", () => {
  it('has the AppSecret and the code of a login masked', async () => {
    const { secret } = wechat.apps[0]!;
    const { code } = await wechat.users.create().login();
    const output = await textsOf('/sns/jscode2session', [secret, code], () =>
      app.get(SessionService).login(code),
    );
    for (const part of [secret, code].flatMap(partsOf)) expect(output).not.toContain(part);
  });

  it('has the AppSecret of an access token fetch masked', async () => {
    const { secret } = wechat.apps[0]!;
    const output = await textsOf('/cgi-bin/stable_token', [secret], () =>
      app.get(AccessTokenService).get(),
    );
    for (const part of partsOf(secret)) expect(output).not.toContain(part);
  });

  it('has the access token of an API call masked, also percent-encoded', async () => {
    const token = await app.get(AccessTokenService).get();
    const path = '/cgi-bin/get_api_domain_ip';
    const output = await textsOf(path, [token, encodeURIComponent(token)], () =>
      app.get(WechatApiClient).call({ method: 'GET', path }),
    );
    for (const part of partsOf(token)) expect(output).not.toContain(part);
  });

  it('has the AppSecret and the code of a mobile login masked', async () => {
    const { secret } = wechat.apps.find(({ kind }) => kind === 'mobile')!;
    const { code } = await wechat.users.create().authorize();
    const output = await textsOf('/sns/oauth2/access_token', [secret, code], () =>
      app.get(MobileOAuthService).login(code),
    );
    for (const part of [secret, code].flatMap(partsOf)) expect(output).not.toContain(part);
  });

  it('has texts of the request masked at any depth, also one that contains another', async () => {
    const path = '/cgi-bin/clear_quota';
    const [name, long, listed] = ['13580006666', '13580006666-address', 'nested "in" a list'];
    const body = { data: { name, more: { long } }, items: [{ texts: [listed] }], miniprogram: { appid: 'wx5a4db0c1e2f37608' } }; // prettier-ignore
    const repeated = [long, name, listed, JSON.stringify(listed), encodeURIComponent(listed)];
    const call = () => app.get(WechatApiClient).call({ method: 'POST', path, body });
    const output = await textsOf(path, ['wx5a4db0c1e2f37608', ...repeated], call, 3);
    for (const part of [...repeated, '1358000', '-address', 'in a list', 'nested'])
      expect(output).not.toContain(part);
    expect(output).toContain('wx5a4db0c1e2f37608'); // an appId is public
  });

  it('is shown if the request has a text that is not valid Unicode', async () => {
    const path = '/cgi-bin/clear_quota';
    const output = await textsOf(path, [], () =>
      app
        .get(WechatApiClient)
        .call({ method: 'POST', path, body: { content: 'half a pair \ud800' } }),
    );
    expect(output).toContain(`${path} returned ${UNKNOWN_ERRCODE}`);
  });

  it('control: the text as WeChat sends it contains the secrets', async () => {
    const { secret, appId } = wechat.apps[0]!;
    wechat.next('/cgi-bin/stable_token', { errcode: UNKNOWN_ERRCODE, errmsg: `invalid ${secret}` });
    const body = JSON.stringify({ grant_type: 'client_credential', appid: appId, secret });
    const response = await fetch(`${wechat.url}/cgi-bin/stable_token`, { method: 'POST', body });
    expect(await response.text()).toContain(secret);
  });
});

describe('the output of a service in a log', () => {
  it.each([PlatformClient, AccessTokenService, MobileOAuthService])(
    'contains no secret: %p',
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

  it('control: the fields of the service contain the secrets', async () => {
    const { options } = app.get(PlatformClient) as unknown as { options: { apps: object[] } };
    expect(inspect({ ...options.apps[0] })).toContain(wechat.apps[0]!.secret);
  });
});
