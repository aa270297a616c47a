import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { ModulesContainer } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import * as library from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { optionsFor } from '../support/team-app.js';
import { Canaries, leaksOf, recordSecrets } from './canaries.js';

const { AccessTokenService, MobileOAuthService, SessionService, WechatModule } = library;

let wechat: WechatSandbox;
beforeAll(async () => {
  wechat = await startWechatSandbox();
});
afterAll(() => wechat.close());

/** A module after logins and calls to WeChat, and the secrets that it holds. */
async function running() {
  const canaries = new Canaries();
  recordSecrets(wechat, canaries);
  const key = randomBytes(32);
  canaries.add(
    'encryptionKey',
    key.toString('base64'),
    key.toString('hex'),
    inspect(key).slice(8, -1),
  );
  const options = optionsFor(wechat, { encryptionKeys: [{ id: 'k1', key }] });
  const module = await Test.createTestingModule({
    imports: [WechatModule.forRootAsync({ useFactory: () => options })],
  }).compile();
  await module.init();
  const user = wechat.users.create();
  const find = <T>(token: new (...args: never[]) => T): T => module.get(token, { strict: false });
  const { session_rd } = await find(SessionService).login((await user.login()).code);
  await find(SessionService).find(session_rd);
  const { token } = await find(MobileOAuthService).login((await user.authorize()).code);
  canaries.add('session_rd', session_rd);
  canaries.add('mobileToken', token);
  await find(AccessTokenService).get();
  const wrappers = [...module.get(ModulesContainer).values()]
    .filter(({ metatype }) => metatype === WechatModule)
    .flatMap(({ providers }) => [...providers.entries()])
    // Nest's own providers of every module reference the whole container
    .filter(([provided]) => provided !== WechatModule && !isOfNest(provided));
  const values = wrappers.map(([provided, { instance }]): [string, unknown] => [
    nameOf(provided),
    instance,
  ]);
  return { module, canaries, options, values };
}

const nameOf = (token: unknown): string =>
  typeof token === 'function' ? token.name : String(token);
const isOfNest = (token: unknown): boolean =>
  ['ModuleRef', 'ApplicationConfig'].includes(nameOf(token));

describe('what is printed of the library', () => {
  it('P10 shows no secret: no provider of a running module and no exported class', async () => {
    const { module, canaries, values } = await running();
    expect(values.length).toBeGreaterThan(20);
    expect(values.map(([name]) => name)).toEqual(
      expect.arrayContaining([
        'AccessTokenRepository',
        'HttpTransport',
        'MobileLoginRepository',
        'ResolvedWechatOptions',
        'SessionRepository',
        'UserRepository',
        'WechatApiClient',
      ]),
    );
    expect([...canaries.kinds]).toEqual(
      expect.arrayContaining([
        'appSecret',
        'encryptionKey',
        'accessToken',
        'sessionKey',
        'session_rd',
      ]),
    );
    expect(leaksOf(values, canaries)).toEqual([]);
    expect(leaksOf(Object.entries(library), canaries)).toEqual([]);
    await module.close();
  });

  it('P10 shows no secret of the options of the environment', () => {
    const canaries = new Canaries();
    const key = randomBytes(32).toString('base64');
    canaries.add('appSecret', 'secret-of-the-shop', 'secret-of-the-site', 'password-of-redis');
    canaries.add('encryptionKey', key, inspect(Buffer.from(key, 'base64')).slice(8, -1));
    const options = library.wechatOptionsFromEnv({
      WECHAT_MINI_APP_ID: 'wx1111111111111111',
      WECHAT_MINI_APP_SECRET: 'secret-of-the-shop',
      WECHAT_APPS: JSON.stringify([
        { appId: 'wx2222222222222222', secret: 'secret-of-the-site', kind: 'mobile' },
      ]),
      WECHAT_ENCRYPTION_KEYS: `k1:${key}`,
      REDIS_URL: 'redis://user:password-of-redis@redis.example.com',
    });
    expect(options.apps.map(({ secret }) => secret)).toEqual([
      'secret-of-the-shop',
      'secret-of-the-site',
    ]);
    expect(
      leaksOf(
        [
          ['options', options],
          ['spread', { ...options }],
        ],
        canaries,
      ),
    ).toEqual([]);
  });

  it('P10 control: a plain object of the same options shows them', async () => {
    const { module, canaries, options } = await running();
    const plain = { apps: options.apps, encryptionKeys: options.encryptionKeys };
    expect(new Set(leaksOf([['plain', plain]], canaries))).toEqual(
      new Set(['plain: appSecret', 'plain: encryptionKey']),
    );
    await module.close();
  });
});

describe('what is printed of the options of Redis', () => {
  it('P10 hides the URL with its password', () => {
    const canaries = new Canaries();
    canaries.add('appSecret', 'password-of-redis');
    const options = new library.ResolvedWechatOptions(
      optionsFor(wechat, { redis: { url: 'redis://user:password-of-redis@redis.example.com' } }),
    );
    expect(leaksOf([['options', options]], canaries)).toEqual([]);
    expect(leaksOf([['control', { ...options.redis }]], canaries)).not.toEqual([]);
  });
});
