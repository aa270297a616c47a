import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Logger } from '@nestjs/common';
import type { LoggerService } from '@nestjs/common';
import axios from 'axios';
import {
  AccessTokenService,
  CryptoService,
  MobileOAuthService,
  PhoneService,
  QrCodeService,
  SessionService,
} from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, WechatSandbox } from 'nestjs-wechat-sandbox';
import { isFull } from '../faults/rows.js';
import { PHONE, SHOP, startCentral } from '../support/central.js';
import type { Central } from '../support/central.js';
import type { AppResponse } from '../support/http.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { Canaries, recordSecrets } from './canaries.js';
import type { Secret } from './canaries.js';

const MINI = `/wx/mini/v1/${SHOP.appId}`;
const MOBILE = `/wx/v1/${PHONE.appId}`;
const KINDS = 10;

describe('control: the search', () => {
  it('P10 finds a secret in every encoding', () => {
    const canaries = new Canaries();
    const key = randomBytes(16);
    canaries.add('sessionKey', key.toString('base64'));
    canaries.add('phone', '13580001234');
    const hidden = [
      key,
      key.toString('hex'),
      `{"k":"${key.toString('base64url')}"}`,
      Buffer.from(`x${key.toString('base64')}`).toString('base64'),
      encodeURIComponent(key.toString('base64')),
      Buffer.concat([randomBytes(40), key, randomBytes(40)]),
    ];
    expect(hidden.map((each) => canaries.in(each))).toEqual(hidden.map(() => ['sessionKey']));
    for (const offset of ['', 'a', 'ab'])
      expect(canaries.in(Buffer.from(`${offset}13580001234 `).toString('base64'))).toEqual([
        'phone',
      ]);
    expect([canaries.in('nothing'), canaries.in('13580001234', ['phone'])]).toEqual([[], []]);
  });
});

describeRedis('the secrets of the reference app', () => {
  const canaries = new Canaries();
  const encryptionKey = randomBytes(32).toString('base64');
  const jwtSecret = randomBytes(32).toString('base64');
  const written: string[] = [];
  /** All responses to clients, and the secrets that each may contain. */
  const responses: { text: string; allowed: Secret[] }[] = [];
  let redis: TestRedis;
  let monitor: Socket;
  let monitored = '';
  let s: Central;

  beforeAll(async () => {
    for (const stream of [process.stdout, process.stderr]) {
      jest
        .spyOn(stream, 'write')
        .mockImplementation((chunk) => Boolean(written.push(String(chunk))));
    }
    redis = await TestRedis.start('--rdbcompression', 'no');
    monitor = connect(redis.port, '127.0.0.1').on(
      'data',
      (chunk) => (monitored += chunk.toString('latin1')),
    );
    monitor.write('MONITOR\r\n');
    await until(() => monitored.includes('+OK'));
    const env = {
      LOG_LEVEL: 'trace',
      JWT_SECRET: jwtSecret,
      WECHAT_ENCRYPTION_KEYS: `one:${encryptionKey}`,
    };
    s = await startCentral({ env: { ...env, REDIS_URL: redis.url } });
    recordSecrets(s.wechat, canaries);
    canaries.add('encryptionKey', encryptionKey);
    canaries.add('jwtSecret', jwtSecret);
    await useEverything();
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await s.close();
    monitor.destroy();
    await redis.end();
  });

  const ask = async (
    response: Promise<AppResponse>,
    ...allowed: Secret[]
  ): Promise<AppResponse> => {
    const { status, headers, body } = await response;
    responses.push({
      text: inspect(
        { status, headers: [...headers], body },
        { depth: 20, maxStringLength: Infinity },
      ),
      allowed,
    });
    return { status, headers, body };
  };

  /** Calls each route with valid and invalid input. Only the owner of a token or a phone number may read it. */
  const useEverything = async (): Promise<void> => {
    const user = s.wechat.users.create({ phoneNumber: '13580001234' });
    canaries.add('phone', '13580001234');
    canaries.add('openid', user.openid(SHOP.appId));
    const login = await ask(
      s.call('POST /auth/login', { body: await user.login() }),
      'session_rd',
      'openid',
    );
    const token: string = login.body.data.session_rd;
    canaries.add('session_rd', token);
    const refreshed = await ask(s.call('POST /auth/refresh', { token }), 'session_rd');
    const current: string = refreshed.body.data.session_rd;
    canaries.add('session_rd', current);
    const { code: phoneCode, ...encryptedPhone } = await user.getPhoneNumber();
    const own = ['openid', 'phone'] as const;
    await ask(s.call('GET /auth/session', { token: current }), ...own);
    await ask(s.call('GET /auth/sessions', { token: current }), ...own);
    await ask(
      s.call('PUT /me/profile', { token: current, body: await user.getUserInfo() }),
      ...own,
    );
    await ask(
      s.call('PUT /me/profile', {
        token: current,
        body: { ...(await user.getUserInfo()), iv: 'x' },
      }),
    );
    await ask(s.call('PUT /me/phone', { token: current, body: { code: phoneCode } }), ...own);
    await ask(s.call('PUT /me/phone', { token: current, body: encryptedPhone }), ...own);
    await ask(s.call('GET /me', { token: current }), ...own);
    const entered = await ask(
      s.call('POST /auth/phone-login', {
        token: current,
        body: { code: (await user.getPhoneNumber()).code },
      }),
      ...own,
    );
    await ask(s.call('GET /account', { token: entered.body.data?.token }), ...own);
    await ask(s.call('POST /qrcodes', { token: current, body: { scene: 'a=1' } }));

    const given = await ask(s.code2Session((await user.login(SHOP.appId)).code), 'session_rd');
    canaries.add('session_rd', given.body.data);
    await ask(s.get(`${MINI}/openId`, { token: given.body.data }), 'openid');
    await ask(
      s.get(`${MINI}/decode`, { sessionkey: given.body.data, ...(await user.getPhoneNumber()) }),
      ...own,
    );
    await ask(s.accessToken(), 'accessToken');
    await ask(s.qrCode({ scene: 'a=1' }));
    const oauth = await ask(s.oauth2((await user.authorize(PHONE.appId)).code), 'mobileToken');
    canaries.add('mobileToken', oauth.body.data);
    for (const refresh of ['true', 'false']) await ask(s.userInfo(oauth.body.data, refresh));
    await fail(user.openid(), current, given.body.data, oauth.body.data);
    await ask(s.call('POST /auth/logout', { token: current }));
  };

  /** Calls the same routes with wrong credentials, and while WeChat and Redis fail. */
  const fail = async (
    openid: string,
    current: string,
    central: string,
    mobile: string,
  ): Promise<void> => {
    const paths = [
      '/sns/jscode2session',
      '/cgi-bin/stable_token',
      '/sns/oauth2/access_token',
      '/sns/userinfo',
    ];
    const user = s.wechat.users.create();
    const knock = async (): Promise<void> => {
      await ask(s.call('POST /auth/login', { body: await user.login() }), 'session_rd', 'openid');
      await ask(s.code2Session((await user.login(SHOP.appId)).code), 'session_rd');
      await ask(s.oauth2((await user.authorize(PHONE.appId)).code), 'mobileToken');
      await ask(s.userInfo(mobile, 'true'));
      await ask(s.accessToken(), 'accessToken');
      await ask(s.qrCode({ scene: 'a=1' })); // cached from now on
      await ask(s.call(`GET ${MINI}/${SHOP.secret}x/access_token`));
      await ask(s.call(`GET /wx/mini/v1/wx0000000000000000/${SHOP.secret}/access_token`));
      await ask(s.call(`GET ${MOBILE}/${mobile}x/userInfo`));
      await ask(
        s.call(`GET /nothing/${SHOP.secret}?session_rd=${current}`, {
          headers: { cookie: `a=${current}`, 'user-agent': current },
        }),
      );
      await ask(s.call(`GET ${MINI}/openId?token=${central}`, { token: current }));
      await ask(s.call('POST /auth/login', { body: { code: `${SHOP.secret}!` } }));
      await ask(
        s.call('POST /auth/login', {
          body: `{"code": "${current}`,
          headers: { 'content-type': 'application/json' },
        }),
      );
      await ask(s.call('GET /auth/session', { token: `${current}x` }));
    };
    const faults: Fault[] = [
      { errcode: 40013 },
      { errcode: 45011 },
      { errcode: 40001 },
      { status: 500 },
      { reset: true },
      { redirect: 'http://127.0.0.1:1/' },
      { body: { openid, session_key: 'short', access_token: 7, errmsg: 'x' } },
    ];
    await knock();
    for (const fault of isFull ? faults : faults.slice(0, 3)) {
      for (const path of paths) s.wechat.next(path, fault);
      await knock();
      s.wechat.clear();
      recordSecrets(s.wechat, canaries);
    }
    redis.freeze();
    await ask(s.call('POST /auth/login', { body: await user.login() }));
    await ask(s.call('GET /auth/session', { token: current }));
    await ask(s.userInfo(mobile, 'true'));
    redis.thaw();
    await until(async () => (await s.call('GET /auth/session', { token: current })).status === 200);
  };

  it('are of every kind, and there are enough responses, log lines and commands to search', () => {
    expect(canaries.kinds.size).toBe(KINDS);
    expect(responses.length).toBeGreaterThan(50);
    expect([s.log.length > 50, monitored.length > 1_000]).toEqual([true, true]);
  });

  it('P10 are in no log line of level trace, and in no output to the terminal', () => {
    const lines = [...s.log, ...written];
    expect(lines.flatMap((line) => canaries.in(line).map((kind) => `${kind}: ${line}`))).toEqual(
      [],
    );
  });

  it('P9 P10 are only in the responses of their owner', () => {
    expect(
      responses.flatMap(({ text, allowed }) =>
        canaries.in(text, allowed).map((kind) => `${kind}: ${text}`),
      ),
    ).toEqual([]);
  });

  it('P6 are not in Redis: in no key, no value, no command and no dump', async () => {
    await redis.run('SAVE');
    const [, directory] = (await redis.run('CONFIG', 'GET', 'dir')) as [string, string];
    const dump = readFileSync(join(directory, 'dump.rdb'));
    expect(dump.includes('wx:')).toBe(true);
    expect(canaries.in(dump)).toEqual([]);
    const commands = monitored.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    expect([canaries.in(monitored), canaries.in(Buffer.from(commands, 'latin1'))]).toEqual([
      [],
      [],
    ]);
    const keys = (await redis.run('KEYS', '*')) as string[];
    expect(keys.filter((key) => !/^[\x21-\x7e]+$/.test(key))).toEqual([]);
  });
});

describe('an error of the library', () => {
  const canaries = new Canaries();
  const lines: string[] = [];
  let wechat: WechatSandbox;
  let app: TeamApp;

  beforeAll(async () => {
    const log = (...parts: unknown[]): void => void lines.push(inspect(parts, { depth: 20 }));
    Logger.overrideLogger({
      log,
      error: log,
      warn: log,
      debug: log,
      verbose: log,
      fatal: log,
    } satisfies LoggerService);
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat, { api: { baseUrl: wechat.url, timeout: 200 } }));
  });
  afterAll(async () => {
    Logger.overrideLogger(false);
    await closeTeamApps();
    await wechat.close();
  });

  const FAULTS: Fault[] = [
    ...[-1, 40001, 40013, 40029, 40164, 45009, 45011, 87009, 99999].map((errcode) => ({ errcode })),
    ...[302, 404, 500].map((status) => ({ status })),
    { hang: true },
    { reset: true },
    { reset: 'mid-answer' },
    { body: '<html>' },
    { body: { openid: 1, session_key: 'x', access_token: 'a\nb', expires_in: 'x', errcode: 'x' } },
  ];

  it('P10 contains no secret at any depth, after any failure', async () => {
    const user = wechat.users.create();
    recordSecrets(wechat, canaries);
    const { session_rd, session } = await app.get(SessionService).login((await user.login()).code);
    const { token } = await app.get(MobileOAuthService).login((await user.authorize()).code);
    canaries.add('session_rd', session_rd);
    canaries.add('mobileToken', token);
    await app.get(AccessTokenService).get();
    const calls: (() => Promise<unknown>)[] = [
      async () => app.get(SessionService).login((await user.login()).code),
      () => app.get(SessionService).find(`${session_rd}x`),
      () => app.get(SessionService).refresh(session_rd.replace(/.$/, '_')),
      () => app.get(SessionService).checkSessionKey(session),
      () => app.get(SessionService).resetSessionKey(session),
      async () => app.get(PhoneService).getByCode((await user.getPhoneNumber()).code),
      () => app.get(QrCodeService).getUnlimited({ scene: `a=${Math.random()}` }),
      async () => app.get(MobileOAuthService).login((await user.authorize()).code),
      () => app.get(MobileOAuthService).getUserInfo(token, { refresh: true }),
      () =>
        app
          .get(CryptoService)
          .decryptOpenData(session, { encryptedData: session_rd, iv: session_rd }),
      () =>
        app
          .get(CryptoService)
          .verifyRawData(session, { rawData: session_rd, signature: session_rd }),
    ];
    let errors = 0;
    const check = (error: Error): void => {
      errors++;
      const texts = [
        inspect(error, { depth: 20, showHidden: true }),
        JSON.stringify(error),
        String(error.stack),
        String(error),
      ];
      expect(texts.flatMap((text) => canaries.in(text).map((kind) => `${kind}: ${text}`))).toEqual(
        [],
      );
      const fields = Object.keys((error.cause as object | undefined) ?? {});
      const harmless = ['code', 'syscall', 'hostname', 'address', 'port'];
      expect(fields.filter((field) => !harmless.includes(field))).toEqual([]);
    };
    for (const fault of FAULTS) {
      wechat.always('*', fault);
      await Promise.all(calls.map((call) => call().then(() => undefined, check))); // prettier-ignore
      wechat.clear();
    }
    expect(errors).toBeGreaterThan(FAULTS.length * 6);
    expect(lines.flatMap((line) => canaries.in(line).map((kind) => `${kind}: ${line}`))).toEqual(
      [],
    );
  });

  it('P10 control: would show a secret with the error of the HTTP client as its cause', async () => {
    const { secret } = wechat.apps[0]!;
    wechat.always('*', { reset: true });
    const cause: unknown = await axios
      .get(`${wechat.url}/sns/jscode2session`, { params: { secret } })
      .catch((error: unknown) => error);
    wechat.clear();
    const naive = new Error('WeChat is unavailable', { cause });
    expect(canaries.in(inspect(naive, { depth: 20 }))).toEqual(['appSecret']);
  });
});
