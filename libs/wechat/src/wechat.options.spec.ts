import { inspect } from 'node:util';
import { ResolvedWechatOptions, wechatOptionsFromEnv } from './index.js';
import { problemsOf } from './problems-of.for-spec.js';

const apps = [
  { appId: 'wx1111111111111111', secret: 'CANARY_SECRET', kind: 'mini-program' as const },
];

describe('the options', () => {
  it('need one app and have defaults for the rest', () => {
    expect(new ResolvedWechatOptions({ apps })).toMatchObject({
      api: { baseUrl: 'https://api.weixin.qq.com', timeoutMs: 3000, accessTokenMode: 'stable' },
      session: {
        ttlMs: 1_800_000,
        maxAgeMs: 604_800_000,
        refreshGraceMs: 60_000,
        maxPerUser: 10,
      },
      openData: { maxAgeMs: 600_000 },
    });
  });

  it('are refused with one error that lists every problem and contains no value', () => {
    const problems = problemsOf(
      () =>
        new ResolvedWechatOptions({
          apps: [
            ...apps,
            { ...apps[0]!, secret: '' },
            { appId: 'CANARY appid', secret: 'x y', kind: 'other' as never },
          ],
          api: {
            baseUrl: 'http://CANARY.example.com',
            timeout: '0s',
            accessTokenMode: 'both' as never,
          },
          session: { ttl: '30x', maxAge: -1, refreshGrace: 'CANARY', maxPerUser: 0.5 },
          openData: { maxAge: '1 week' },
          encryptionKeys: [{ id: 'a b', key: Buffer.alloc(16) }],
          redis: { url: 'CANARY://redis' },
        }),
    );
    const named = [
      'apps[1].secret',
      'apps[2].appId',
      'apps[2].secret',
      'apps[2].kind',
      'apps',
      'api.baseUrl',
      'api.timeout',
      'api.accessTokenMode',
    ];
    const more = [
      'session.ttl',
      'session.maxAge',
      'session.refreshGrace',
      'session.maxPerUser',
      'openData.maxAge',
      'encryptionKeys[0].id',
    ];
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      ...named,
      ...more,
      'encryptionKeys[0].key',
      'redis.url',
    ]);
  });

  it('are refused if the AppID is the original id of the account, or the AppSecret ends with a line break', () => {
    const app = { appId: 'gh_97417a04a28d', secret: 'secret\n', kind: 'mini-program' } as const;
    expect(problemsOf(() => new ResolvedWechatOptions({ apps: [app] }))).toEqual([
      'apps[0].appId is not an AppID (wx…)',
      'apps[0].secret is not an AppSecret: it is empty or too long, or has white space or a line break',
    ]);
  });

  it.each([
    'http://localhost:1',
    'http://127.0.0.1:1',
    'http://[::1]:1',
    'https://proxy.example.com',
  ])('accept %s as api.baseUrl', (baseUrl) => {
    expect(new ResolvedWechatOptions({ apps, api: { baseUrl: `${baseUrl}/` } }).api.baseUrl).toBe(
      baseUrl,
    );
  });

  it('find an app by its id, or the first of a kind', () => {
    const mobile = { appId: 'wx2222222222222222', secret: 's', kind: 'mobile' as const };
    const options = new ResolvedWechatOptions({ apps: [...apps, mobile] });
    expect(options.app('mobile')).toEqual(mobile);
    expect(options.app('mini-program', apps[0]!.appId)).toEqual(apps[0]);
    expect(() => options.app('mini-program', mobile.appId)).toThrow(
      expect.objectContaining({ code: 'ERR_WECHAT_APP' }),
    );
  });
});

describe('the environment', () => {
  const env = { WECHAT_MINI_APP_ID: 'wx1111111111111111', WECHAT_MINI_APP_SECRET: 'CANARY_SECRET' };

  it('is converted to options', () => {
    const key = Buffer.alloc(32, 7);
    const options = wechatOptionsFromEnv({
      ...env,
      WECHAT_MOBILE_APP_ID: 'wx2222222222222222',
      WECHAT_MOBILE_APP_SECRET: 's2',
      WECHAT_APPS:
        '[{"appId":"wx3333333333333333","secret":"s3","kind":"mini-program","name":"shop"}]',
      WECHAT_SESSION_TTL: '500ms',
      WECHAT_SESSION_MAX_PER_USER: '3',
      WECHAT_OPEN_DATA_MAX_AGE: '0',
      WECHAT_ENCRYPTION_KEYS: `new:${key.toString('base64')}, old:${Buffer.alloc(32).toString('base64')}`,
      REDIS_URL: 'rediss://user:CANARY@a:1, rediss://b:2',
      REDIS_WAIT_REPLICAS: '1',
      WECHAT_API_TIMEOUT: '  ',
    });
    expect(options.apps.map(({ appId, kind, name }) => [appId, kind, name])).toEqual([
      ['wx1111111111111111', 'mini-program', undefined],
      ['wx2222222222222222', 'mobile', undefined],
      ['wx3333333333333333', 'mini-program', 'shop'],
    ]);
    expect(options.redis).toEqual({
      url: ['rediss://user:CANARY@a:1', 'rediss://b:2'],
      waitReplicas: 1,
    });
    expect(options.encryptionKeys).toEqual([{ id: 'new', key }, { id: 'old', key: Buffer.alloc(32) }]); // prettier-ignore
    expect(new ResolvedWechatOptions(options)).toMatchObject({
      session: { ttlMs: 500, maxPerUser: 3 },
      openData: { maxAgeMs: 0 },
      api: { timeoutMs: 3000 },
    });
  });

  it('is refused with one error that names the variable of each problem', () => {
    const problems = problemsOf(() =>
      wechatOptionsFromEnv({
        WECHAT_MINI_APP_ID: 'CANARY id',
        WECHAT_MINI_APP_SECRET: 'CANARY secret',
        WECHAT_MOBILE_APP_ID: 'wx2222222222222222',
        WECHAT_APPS: '[{"appId":"CANARY"',
        WECHAT_API_BASE_URL: 'ftp://CANARY',
        WECHAT_API_TIMEOUT: '3',
        WECHAT_ACCESS_TOKEN_MODE: 'CANARY',
        WECHAT_SESSION_TTL: '30x',
        WECHAT_SESSION_MAX_PER_USER: 'ten',
        WECHAT_ENCRYPTION_KEYS: 'k1:CANARY',
        REDIS_URL: 'localhost:6379',
        REDIS_WAIT_REPLICAS: '-1',
      }),
    );
    const expected = [
      'MOBILE_APP_SECRET',
      'APPS',
      'ENCRYPTION_KEYS',
      'MINI_APP_ID',
      'MINI_APP_SECRET',
      'API_BASE_URL',
      'API_TIMEOUT',
    ];
    const named = [...expected, 'ACCESS_TOKEN_MODE', 'SESSION_TTL', 'SESSION_MAX_PER_USER'].map(
      (name) => `WECHAT_${name}`,
    );
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      ...named,
      'REDIS_URL',
      'REDIS_WAIT_REPLICAS',
    ]);
    expect(problemsOf(() => wechatOptionsFromEnv({ ...env, REDIS_WAIT_REPLICAS: '1' }))).toEqual([
      'REDIS_WAIT_REPLICAS needs REDIS_URL',
    ]);
  });

  it('is not a ConfigService, and the error says what to pass', () => {
    const configService = { get: () => undefined } as never;
    expect(problemsOf(() => wechatOptionsFromEnv(configService))).toEqual([
      expect.stringMatching(/not a ConfigService: pass process\.env/),
    ]);
  });

  describe('of message push', () => {
    const aesKey = 'a'.repeat(43);
    const push = { token: 'CANARYtoken', aesKeys: [aesKey] };
    const further = (app: object): string =>
      JSON.stringify([{ appId: 'wx3333333333333333', secret: 's3', kind: 'mini-program', ...app }]);

    it('belongs to the first mini program, and to further apps in WECHAT_APPS', () => {
      const options = wechatOptionsFromEnv({
        ...env,
        WECHAT_PUSH_TOKEN: 'CANARYtoken',
        WECHAT_PUSH_AES_KEY: `${aesKey}, ${'b'.repeat(43)}`,
        WECHAT_PUSH_PATH: '/hooks/',
        WECHAT_PUSH_MAX_AGE: '0',
        WECHAT_APPS: further({ push }),
      });
      expect(options.apps.map((app) => app.push?.aesKeys)).toEqual([
        [aesKey, 'b'.repeat(43)],
        [aesKey],
      ]);
      expect(inspect([options, new ResolvedWechatOptions(options)], { depth: 9 })).not.toMatch(
        /CANARY|aaaa|bbbb/,
      );
      expect(new ResolvedWechatOptions(options).push).toEqual({ path: '/hooks', maxAgeMs: 0 });
      expect(new ResolvedWechatOptions({ apps }).push).toEqual({
        path: '/wechat/push',
        maxAgeMs: 3_600_000,
      });
    });

    it.each([
      [{ WECHAT_PUSH_TOKEN: 'C!' }, ['WECHAT_PUSH_TOKEN']],
      [{ WECHAT_PUSH_TOKEN: 'CANARY', WECHAT_PUSH_AES_KEY: 'CANARY' }, ['WECHAT_PUSH_AES_KEY']],
      [{ WECHAT_PUSH_AES_KEY: aesKey }, ['WECHAT_PUSH_TOKEN']],
      [{ WECHAT_PUSH_PATH: 'CANARY?a=1' }, ['WECHAT_PUSH_PATH']],
      [{ WECHAT_PUSH_MAX_AGE: 'CANARY' }, ['WECHAT_PUSH_MAX_AGE']],
      [{ WECHAT_APPS: further({ push: { token: 'C' } }) }, ['WECHAT_APPS[0].push.token']],
      [
        { WECHAT_APPS: further({ push: { ...push, aesKeys: ['C'] } }) },
        ['WECHAT_APPS[0].push.aesKeys'],
      ],
      [{ WECHAT_APPS: further({ push: { ...push, key: 'C' } }) }, ['WECHAT_APPS']],
      [{ WECHAT_APPS: further({ push: { ...push, aesKeys: aesKey } }) }, ['WECHAT_APPS']],
      [{ WECHAT_APPS: further({ push: null }) }, ['WECHAT_APPS']],
    ])('%j is refused with the name of the variable', (variables, named) => {
      const problems = problemsOf(() => wechatOptionsFromEnv({ ...env, ...variables }));
      expect(problems.map((problem) => problem.split(' ')[0])).toEqual(named);
    });

    it('needs a mini program, and one of two places', () => {
      const mobile = { WECHAT_MOBILE_APP_ID: 'wx2', WECHAT_MOBILE_APP_SECRET: 's' };
      expect(
        problemsOf(() => wechatOptionsFromEnv({ ...mobile, WECHAT_PUSH_TOKEN: 'CANARY' })),
      ).toEqual(['WECHAT_PUSH_TOKEN needs a mini program: set WECHAT_MINI_APP_ID']);
      const both = { ...mobile, WECHAT_PUSH_TOKEN: 'CANARY', WECHAT_APPS: further({ push }) };
      expect(problemsOf(() => wechatOptionsFromEnv(both))).toEqual([
        expect.stringMatching(/^WECHAT_PUSH_TOKEN and .* exclude each other/),
      ]);
    });
  });

  it('is refused with an error that names the missing variables if it has no app', () => {
    expect(problemsOf(() => wechatOptionsFromEnv({}))).toEqual([
      expect.stringMatching(
        /^WECHAT_MINI_APP_ID, WECHAT_MOBILE_APP_ID, WECHAT_WEBSITE_APP_ID, WECHAT_APPS must name at least one app.*--env-file=\.env/,
      ),
    ]);
    expect(
      problemsOf(() => wechatOptionsFromEnv({ WECHAT_MINI_APP_ID: 'wx1111111111111111' })),
    ).toEqual(['WECHAT_MINI_APP_SECRET is required with WECHAT_MINI_APP_ID']);
  });
});
