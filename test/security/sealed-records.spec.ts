import { randomBytes } from 'node:crypto';
import {
  AccessTokenService,
  CryptoService,
  MobileOAuthService,
  SessionService,
} from 'nestjs-wechat';
import type { IssuedSession, WechatEncryptionKey, WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { MapStore } from '../faults/bare.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const MINI = ['wx1111111111111111', 'wx2222222222222222'] as const;
const MOBILE = 'wx3333333333333333';
const FAR = 60 * 60_000;

/** The clocks of the sandbox and the store are independent here, so open data may have any age. */
const ANY_AGE = { openData: { maxAge: 0 } } as const;

let wechat: WechatSandbox;

beforeAll(async () => {
  wechat = await startWechatSandbox({
    apps: [...MINI, MOBILE].map((appId) => ({
      appId,
      secret: appId.repeat(2),
      kind: appId === MOBILE ? 'mobile' : 'mini-program',
    })),
  });
});
afterAll(async () => {
  await closeTeamApps();
  await wechat.close();
});

const start = (store: MapStore, encryptionKeys?: WechatEncryptionKey[]): Promise<TeamApp> =>
  startTeamApp(optionsFor(wechat, { store, encryptionKeys, ...ANY_AGE }));
const login = async (app: TeamApp, user: SandboxUser): Promise<IssuedSession> =>
  app.get(SessionService).login((await user.login()).code);
const status = async (app: TeamApp, sessionRd: string): Promise<number> =>
  (await app.as(sessionRd, '/me')).status;

describe('an attacker who writes to the store', () => {
  let store: MapStore;
  beforeEach(() => {
    store = new MapStore();
  });
  afterEach(closeTeamApps);

  /** All records of one user and of one app. */
  interface Owner {
    user: SandboxUser;
    session_rd: string;
    session: WechatSession;
    mobile: string;
    appId: string;
    accessToken: string;
    /** The key of each kind of record. */
    keys: Record<Kind, string>;
  }
  type Kind = 'session' | 'user' | 'accessToken' | 'mobileLogin';
  const KINDS: Kind[] = ['session', 'user', 'accessToken', 'mobileLogin'];

  const moveIn = async (app: TeamApp, appId: string): Promise<Owner> => {
    const before = new Set(store.entries.keys());
    const user = wechat.users.create();
    const { session_rd, session } = await app
      .get(SessionService)
      .login((await user.login(appId)).code, { appId });
    const { token: mobile } = await app
      .get(MobileOAuthService)
      .login((await user.authorize(MOBILE)).code);
    const accessToken = await app.get(AccessTokenService).get(appId);
    const added = [...store.entries.keys()].filter((key) => !before.has(key));
    const of = (prefix: string): string => added.find((key) => key.startsWith(prefix))!;
    const keys = {
      session: of('wx:s:'),
      user: of('wx:u:'),
      accessToken: of('wx:at:'),
      mobileLogin: of('wx:m:'),
    };
    return { user, session_rd, session, mobile, appId, accessToken, keys };
  };
  /** Returns whether the owner of a record can still use it, by kind. */
  const works: Record<Kind, (app: TeamApp, owner: Owner) => Promise<boolean>> = {
    session: async (app, { session_rd }) => (await status(app, session_rd)) === 200,
    user: async (app, { session, user, appId }) => {
      const data = await user.getUserInfo(appId);
      const crypto = app.get(CryptoService);
      return crypto.decryptOpenData(session, data).then(() => true, () => false); // prettier-ignore
    },
    accessToken: async (app, { appId, accessToken }) => {
      const before = wechat.requestsTo('/cgi-bin/stable_token').length;
      expect(await app.get(AccessTokenService).get(appId)).toBe(accessToken); // from the store or from WeChat, never that of another app
      return wechat.requestsTo('/cgi-bin/stable_token').length === before;
    },
    mobileLogin: async (app, { mobile }) => app.get(MobileOAuthService).find(mobile).then(() => true, () => false), // prettier-ignore
  };

  it.each(KINDS.flatMap((kind) => KINDS.map((place) => [kind, place] as const)))(
    'P7 cannot use the %s of one user by copying it to the key of the %s of another',
    async (kind, place) => {
      const app = await start(store);
      const [thief, victim] = [await moveIn(app, MINI[0]), await moveIn(app, MINI[1])];
      const cold = await start(store); // its caches are empty
      for (const [from, to] of [[thief, victim] as const, [victim, thief] as const]) {
        const original = store.entries.get(to.keys[place])!;
        store.entries.set(to.keys[place], {
          value: store.entries.get(from.keys[kind])!.value,
          expiresAt: store.clock.now() + FAR,
        });
        expect(await works[place](await start(store), to)).toBe(false);
        store.entries.set(to.keys[place], original);
      }
      for (const each of KINDS) expect(await works[each](cold, thief)).toBe(true);
    },
  );

  it('P7 cannot use shortened, empty, lengthened or random records', async () => {
    const app = await start(store);
    const owner = await moveIn(app, MINI[0]);
    for (const place of KINDS) {
      const { value, expiresAt } = store.entries.get(owner.keys[place])!;
      const made = [
        value.subarray(0, 31),
        value.subarray(0, -1),
        Buffer.alloc(0),
        Buffer.concat([value, value]),
        randomBytes(value.length),
      ];
      for (const each of [...made, Buffer.from('{"token":"x","openid":"x"}')]) {
        store.entries.set(owner.keys[place], { value: each, expiresAt });
        expect(await works[place](await start(store), owner)).toBe(false);
      }
      store.entries.set(owner.keys[place], { value, expiresAt });
    }
  });

  it('P7 can restore an older record, which gives the same session as before or none', async () => {
    const app = await start(store);
    const { session_rd, session, user } = await moveIn(app, MINI[0]);
    const key = `wx:s:${session.id}`;
    const old = store.entries.get(key)!;
    const next = await app.get(SessionService).refresh(session_rd);
    store.entries.set(key, old);
    const found = await app.get(SessionService).find(session_rd);
    expect(found.openid).toBe(user.openid(MINI[0]));
    expect(await status(app, next.session_rd)).toBe(401);
  });
});

describe('encryption keys', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id, key: randomBytes(32) })) as [
    WechatEncryptionKey,
    WechatEncryptionKey,
    WechatEncryptionKey,
  ];
  const rings = [[a], [b], [a, b], [b, a], [a, b, c], [c, a], []];
  const nameOf = (ring: WechatEncryptionKey[]): string =>
    ring.map(({ id }) => id).join('') || 'derived';
  /** The first key encrypts. Without keys, one is derived from the AppSecret. */
  const sealing = (ring: WechatEncryptionKey[]): string => ring[0]?.id ?? 'derived';
  const opens = (ring: WechatEncryptionKey[], id: string): boolean =>
    ring.length === 0 ? id === 'derived' : ring.some((key) => key.id === id);
  const cases = rings.flatMap((one) =>
    rings.map((other) => [nameOf(one), nameOf(other), one, other] as const),
  );

  /** Starts an instance for each list of keys, on one store. */
  const apps = new Map<string, TeamApp>();
  beforeAll(async () => {
    const store = new MapStore();
    for (const ring of rings) apps.set(nameOf(ring), await start(store, ring));
  });
  const under = (...ring: WechatEncryptionKey[]): TeamApp => apps.get(nameOf(ring))!;

  it.each(cases)(
    'S5 for a login with %s and a request with %s: 200 if the key is known, else 401, never 500',
    async (_, __, one, other) => {
      const [first, second] = [under(...one), under(...other)];
      const { session_rd } = await login(first, wechat.users.create());
      const isKept = opens(other, sealing(one));
      expect([await status(first, session_rd), await status(second, session_rd)]).toEqual([
        200,
        isKept ? 200 : 401,
      ]);
      const refreshed = await second.get(SessionService).refresh(session_rd).catch(({ code }) => code as string); // prettier-ignore
      if (typeof refreshed === 'string')
        return expect([isKept, refreshed]).toEqual([false, 'ERR_WECHAT_SESSION']);
      expect(await status(second, refreshed.session_rd)).toBe(200);
      expect(await status(first, refreshed.session_rd)).toBe(
        opens(one, sealing(other)) ? 200 : 401,
      );
    },
  );

  it('P8 rotate without a logout: add the new key first, and remove the old one when its sessions have expired', async () => {
    const { session_rd } = await login(under(a), wechat.users.create());
    const next = await under(b, a).get(SessionService).refresh(session_rd);
    expect([
      await status(under(b, a), session_rd),
      await status(under(b), next.session_rd),
    ]).toEqual([200, 200]);
    expect(await status(under(b), session_rd)).toBe(401);
  });
});
