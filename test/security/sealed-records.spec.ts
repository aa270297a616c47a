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

/** The sandbox's clock and the store's stand beside each other here, so data of any age will do. */
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

describe('who writes to the store', () => {
  let store: MapStore;
  beforeEach(() => {
    store = new MapStore();
  });
  afterEach(closeTeamApps);

  /** Everything that one user, or one app, has in the store. */
  interface Owner {
    user: SandboxUser;
    session_rd: string;
    session: WechatSession;
    mobile: string;
    appId: string;
    accessToken: string;
    /** Of each kind of record, where it lies. */
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
  /** Whether an owner still gets what the record of this kind stands for. */
  const works: Record<Kind, (app: TeamApp, owner: Owner) => Promise<boolean>> = {
    session: async (app, { session_rd }) => (await status(app, session_rd)) === 200,
    user: async (app, { session, user, appId }) => {
      const data = await user.getUserInfo(appId);
      const crypto = app.get(CryptoService);
      return crypto.decryptOpenData(session, data).then(() => true, () => false); // prettier-ignore
    },
    accessToken: async (app, { appId, accessToken }) => {
      const asked = wechat.requestsTo('/cgi-bin/stable_token').length;
      expect(await app.get(AccessTokenService).get(appId)).toBe(accessToken); // of the store, or of WeChat: never another app's
      return wechat.requestsTo('/cgi-bin/stable_token').length === asked;
    },
    mobileLogin: async (app, { mobile }) => app.get(MobileOAuthService).find(mobile).then(() => true, () => false), // prettier-ignore
  };

  it.each(KINDS.flatMap((kind) => KINDS.map((place) => [kind, place] as const)))(
    'P7 gets nowhere with the %s of one put where the %s of another lies',
    async (kind, place) => {
      const app = await start(store);
      const [thief, victim] = [await moveIn(app, MINI[0]), await moveIn(app, MINI[1])];
      const cold = await start(store); // knows no access token yet, and no session
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

  it('P7 gets nowhere with records of his own making: shortened, empty, lengthened, random', async () => {
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

  it('P7 can bring back what was there before, and that is all: a record replayed is the login it was, or none', async () => {
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

describe('keys', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id, key: randomBytes(32) })) as [
    WechatEncryptionKey,
    WechatEncryptionKey,
    WechatEncryptionKey,
  ];
  const rings = [[a], [b], [a, b], [b, a], [a, b, c], [c, a], []];
  const nameOf = (ring: WechatEncryptionKey[]): string =>
    ring.map(({ id }) => id).join('') || 'derived';
  /** The first key seals; none configured is a key derived from the app's secret. */
  const sealing = (ring: WechatEncryptionKey[]): string => ring[0]?.id ?? 'derived';
  const opens = (ring: WechatEncryptionKey[], id: string): boolean =>
    ring.length === 0 ? id === 'derived' : ring.some((key) => key.id === id);
  const cases = rings.flatMap((one) =>
    rings.map((other) => [nameOf(one), nameOf(other), one, other] as const),
  );

  /** One instance for each ring; they share a store. */
  const apps = new Map<string, TeamApp>();
  beforeAll(async () => {
    const store = new MapStore();
    for (const ring of rings) apps.set(nameOf(ring), await start(store, ring));
  });
  const under = (...ring: WechatEncryptionKey[]): TeamApp => apps.get(nameOf(ring))!;

  it.each(cases)(
    'S5 logged in under %s, seen under %s: in while the key is there, 401 without it, never 500',
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

  it('P8 go round without a logout: new key first, old key out once the logins are over', async () => {
    const { session_rd } = await login(under(a), wechat.users.create());
    const next = await under(b, a).get(SessionService).refresh(session_rd);
    expect([
      await status(under(b, a), session_rd),
      await status(under(b), next.session_rd),
    ]).toEqual([200, 200]);
    expect(await status(under(b), session_rd)).toBe(401);
  });
});
