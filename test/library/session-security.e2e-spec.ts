import { randomBytes } from 'node:crypto';
import { CryptoService, SessionService, StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import type { WechatEncryptionKey, WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

/** A store that several applications share. The test reads and changes its values as an attacker with access to Redis could. */
class SharedStore extends WechatStore {
  readonly values = new Map<string, Buffer>();
  readonly reads: string[] = [];
  async get(key: string) {
    this.reads.push(key);
    return this.values.get(key);
  }
  async add(key: string, value: Buffer) {
    return this.values.has(key) ? false : Boolean(this.values.set(key, value));
  }
  async replace(key: string, expected: Buffer, value: Buffer) {
    return this.values.get(key)?.equals(expected) ? Boolean(this.values.set(key, value)) : false;
  }
  async remove(key: string, expected?: Buffer) {
    return !expected || this.values.get(key)?.equals(expected) ? this.values.delete(key) : false;
  }
  async take(key: string) {
    const value = this.values.get(key);
    this.values.delete(key);
    return value;
  }
  async count(key: string, by: number, windowMs: number) {
    const count = Number(this.values.get(key) ?? 0) + by;
    this.values.set(key, Buffer.from(String(count)));
    return { count, resetsInMs: windowMs };
  }
}

const encryptionKey = (id: string): WechatEncryptionKey => ({ id, key: randomBytes(32) });

describe('the protection of a session', () => {
  let wechat: WechatSandbox;
  let store: SharedStore;

  beforeAll(async () => {
    wechat = await startWechatSandbox({
      apps: [
        { appId: 'wx1111111111111111', secret: 'a'.repeat(32), kind: 'mini-program' },
        { appId: 'wx2222222222222222', secret: 'b'.repeat(32), kind: 'mini-program' },
      ],
    });
  });
  beforeEach(() => {
    store = new SharedStore();
  });
  afterEach(closeTeamApps);
  afterAll(() => wechat.close());

  const start = async (...encryptionKeys: WechatEncryptionKey[]): Promise<TeamApp> => {
    return startTeamApp(
      optionsFor(wechat, {
        store,
        encryptionKeys: encryptionKeys.length > 0 ? encryptionKeys : undefined,
      }),
    );
  };
  const login = async (app: TeamApp, user = wechat.users.create(), appId?: string) =>
    app.get(SessionService).login((await user.login(appId)).code, { appId });
  const status = async (app: TeamApp, sessionRd: string) => (await app.as(sessionRd, '/me')).status;

  it('writes no token, openid or session_key to the store in plain text', async () => {
    const app = await start();
    const user = wechat.users.create();
    const { session_rd } = await login(app, user);
    const texts = [session_rd.slice(4), user.openid(), user.sessionKey(), user.unionid() ?? ''].map(
      (text) => Buffer.from(text),
    );
    const random = Buffer.from(session_rd.slice(4), 'base64url');
    const decoded = [user.openid(), user.sessionKey()].map((text) => Buffer.from(text, 'base64'));
    expect(store.values.size).toBe(2);
    for (const [key, value] of store.values) {
      expect(key).toMatch(/^wx:[su]:[\w-]{16,22}$/);
      for (const secret of [
        ...texts,
        ...decoded,
        random.subarray(0, 8),
        random.subarray(8, 24),
        random.subarray(24),
      ]) {
        expect([
          value.includes(secret),
          key.includes(secret.toString('base64url').slice(0, 10)),
        ]).toEqual([false, false]);
      }
    }
  });

  it('reads the store once for a valid token and never for an invented one', async () => {
    const app = await start();
    const { session_rd } = await login(app);
    store.reads.length = 0;
    await app.as(session_rd, '/me');
    expect(store.reads).toHaveLength(1);
    await app.as(`srd_${randomBytes(32).toString('base64url')}`, '/me');
    expect(store.reads).toHaveLength(1);
  });

  it('refuses a record that was copied, swapped, replayed or damaged', async () => {
    const app = await start();
    const [own, other] = [await login(app), await login(app)];
    const keyOf = (session: WechatSession) =>
      [...store.values.keys()].find((key) => key.endsWith(session.id))!;
    const [ownKey, otherKey] = [keyOf(own.session), keyOf(other.session)];
    const [ownRecord, otherRecord] = [store.values.get(ownKey)!, store.values.get(otherKey)!];
    const damaged = [
      otherRecord,
      randomBytes(150),
      Buffer.alloc(0),
      ownRecord.subarray(0, -1),
      Buffer.from('{"openid":"x"}'),
    ];
    const otherKinds = [...store.values]
      .filter(([key]) => key !== ownKey)
      .map(([, value]) => value);
    for (const record of [...damaged, ...otherKinds]) {
      store.values.set(ownKey, record);
      expect(await status(app, own.session_rd)).toBe(401);
    }
    store.values.set(ownKey, ownRecord);
    expect(await status(app, own.session_rd)).toBe(200);
  });

  it('keeps sessions valid while keys rotate and refuses them once their key is removed', async () => {
    const [first, second] = [encryptionKey('first'), encryptionKey('second')];
    const { session_rd } = await login(await start(first));
    const both = await start(second, first);
    expect(await status(both, session_rd)).toBe(200);
    expect(await status(await start(first, second), session_rd)).toBe(200);
    const refreshed = await both.get(SessionService).refresh(session_rd);
    const retried = await (await start(first, second)).get(SessionService).refresh(session_rd);
    expect(retried.session_rd).toBe(refreshed.session_rd);
    const after = await start(second);
    expect([await status(after, refreshed.session_rd), await status(after, session_rd)]).toEqual([
      200, 401,
    ]);
    expect(await status(await start(encryptionKey('third')), refreshed.session_rd)).toBe(401);
  });

  it('refuses a token of another application in the same process', async () => {
    const one = await startTeamApp(optionsFor(wechat));
    const two = await startTeamApp(optionsFor(wechat));
    const [own, other] = [await login(one), await login(two)];
    expect([await status(one, own.session_rd), await status(two, other.session_rd)]).toEqual([
      200, 200,
    ]);
    expect([await status(one, other.session_rd), await status(two, own.session_rd)]).toEqual([
      401, 401,
    ]);
  });

  it('separates the users of two mini programs', async () => {
    const app = await start();
    const user = wechat.users.create();
    const [first, second] = [
      await login(app, user, 'wx1111111111111111'),
      await login(app, user, 'wx2222222222222222'),
    ];
    expect(first.session.openid).not.toBe(second.session.openid);
    const sessions = app.get(SessionService);
    expect(await sessions.list(first.session)).toHaveLength(1);
    await sessions.revokeAll(first.session);
    expect([await status(app, first.session_rd), await status(app, second.session_rd)]).toEqual([
      401, 200,
    ]);
    const crypto = app.get(CryptoService);
    await expect(
      crypto.decryptOpenData(second.session, await user.getUserInfo('wx1111111111111111')),
    ).rejects.toMatchObject({
      code: 'ERR_WECHAT_DECRYPT',
    });
  });

  it('returns 503 while the store is unavailable, never 401 and never 200', async () => {
    const app = await start();
    const { session_rd } = await login(app);
    const get = jest.spyOn(store, 'get').mockRejectedValue(new StoreUnavailableError());
    for (const path of ['/me', '/session', '/greeting']) {
      const response = await app.as(session_rd, path);
      expect([
        response.status,
        response.headers.get('retry-after'),
        ((await response.json()) as any).error,
      ]).toEqual([503, '1', 'ERR_STORE_UNAVAILABLE']);
    }
    get.mockRestore();
    expect(await status(app, session_rd)).toBe(200);
  });
});

describe('open data of a session', () => {
  let wechat: WechatSandbox;
  let app: TeamApp;
  let user: SandboxUser;
  let session: WechatSession;
  let crypto: CryptoService;
  const login = async () =>
    (await app.get(SessionService).login((await user.login()).code)).session;

  beforeEach(async () => {
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat));
    crypto = app.get(CryptoService);
    user = wechat.users.create({ nickName: '小明', phoneNumber: '13580006666' });
    session = await login();
  });
  afterEach(async () => {
    await closeTeamApps();
    await wechat.close();
  });

  it('is verified and decrypted, for every kind', async () => {
    const info = await user.getUserInfo();
    await crypto.verifyRawData(session, info);
    expect(await crypto.decryptOpenData(session, info)).toMatchObject({
      openId: user.openid(),
      nickName: '小明',
      unionId: user.unionid(),
    });
    expect(await crypto.decryptOpenData(session, await user.getUserProfile())).toMatchObject({
      nickName: '微信用户',
    });
    expect(await crypto.decryptOpenData(session, await user.getPhoneNumber())).toMatchObject({
      purePhoneNumber: '13580006666',
    });
    expect(await crypto.decryptOpenData(session, await user.getWeRunData())).toHaveProperty(
      'stepInfoList',
    );
  });

  it('can be decrypted with the previous session_key for five minutes, by sessions older than the new login', async () => {
    const encryptedBefore = await user.getPhoneNumber();
    const newer = await login();
    expect(await crypto.decryptOpenData(session, encryptedBefore)).toHaveProperty('phoneNumber');
    expect(await crypto.decryptOpenData(session, await user.getPhoneNumber())).toHaveProperty(
      'phoneNumber',
    );
    await expect(crypto.decryptOpenData(newer, encryptedBefore)).rejects.toMatchObject({
      code: 'ERR_WECHAT_DECRYPT',
    });
    wechat.clock.advance('5m');
    await expect(crypto.decryptOpenData(session, encryptedBefore)).rejects.toMatchObject({
      code: 'ERR_WECHAT_DECRYPT',
    });
  });

  it('is refused if it is of another user or too old', async () => {
    const other = wechat.users.create();
    await other.login();
    await expect(crypto.decryptOpenData(session, await other.getUserInfo())).rejects.toMatchObject({
      code: 'ERR_WECHAT_DECRYPT',
    });
    const old = await user.getUserInfo();
    wechat.clock.advance('11m');
    await expect(crypto.decryptOpenData(session, old)).rejects.toMatchObject({
      code: 'ERR_WECHAT_DECRYPT',
    });
    expect(await crypto.decryptOpenData(session, await user.getUserInfo())).toHaveProperty(
      'openId',
    );
  });

  it('is refused with 429 after ten failures within ten minutes, sequential or parallel', async () => {
    const valid = await user.getUserInfo();
    const attempts = await Promise.allSettled(
      Array.from({ length: 30 }, () =>
        crypto.decryptOpenData(session, { ...valid, iv: 'AAAAAAAAAAAAAAAAAAAAAA==' }),
      ),
    );
    const codes = attempts.map((attempt) =>
      attempt.status === 'rejected' ? attempt.reason.code : 'ok',
    );
    expect(codes.filter((code) => code === 'ERR_WECHAT_DECRYPT')).toHaveLength(10);
    await expect(crypto.decryptOpenData(session, valid)).rejects.toMatchObject({
      code: 'ERR_WECHAT_RATE_LIMIT',
      retryAfter: 600,
    });
    await expect(crypto.verifyRawData(session, valid)).rejects.toMatchObject({
      code: 'ERR_WECHAT_RATE_LIMIT',
    });
    wechat.clock.advance('10m');
    expect(await crypto.decryptOpenData(session, await user.getUserInfo())).toHaveProperty(
      'openId',
    );
  });

  it('does not count against the failure budget if it is valid', async () => {
    for (let i = 0; i < 25; i++) await crypto.verifyRawData(session, await user.getUserInfo());
  });

  it('has a session_key that can be checked and reset at WeChat', async () => {
    const sessions = app.get(SessionService);
    expect(await sessions.checkSessionKey(session)).toBe(true);
    await sessions.resetSessionKey(session);
    expect(await sessions.checkSessionKey(session)).toBe(true);
    expect(await crypto.decryptOpenData(session, await user.getUserInfo())).toHaveProperty(
      'openId',
    );
    user.rotateSessionKey();
    expect(await sessions.checkSessionKey(session)).toBe(false);
    await expect(sessions.resetSessionKey(session)).rejects.toMatchObject({
      code: 'ERR_WECHAT_SESSION',
    });
    await expect(crypto.decryptOpenData(session, await user.getUserInfo())).rejects.toMatchObject({
      code: 'ERR_WECHAT_DECRYPT',
    });
  });
});
