import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hash,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import { AccessTokenService, MobileOAuthService, WechatStore } from 'nestjs-wechat';
import type { WechatModuleOptions } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const STABLE = '/cgi-bin/stable_token';
const INFO = '/sns/userinfo';
const HOUR_MS = 3_600_000;

/** A key of version 0.1.0. Its format is written here again, so that a change of the library's format fails this test. */
class OldKey {
  constructor(
    private readonly id: string,
    private readonly secret: string | Buffer,
  ) {}

  /** The bytes of a record: key id (4), nonce (12), tag (16), ciphertext. The store key is the additional data. */
  seal(storeKey: string, record: object): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.derive('seal'), nonce);
    cipher.setAAD(Buffer.from(storeKey));
    const ciphertext = Buffer.concat([cipher.update(JSON.stringify(record)), cipher.final()]);
    const keyId = hash('sha256', `nestjs-wechat/v1/key/${this.id}`, 'buffer').subarray(0, 4);
    return Buffer.concat([keyId, nonce, cipher.getAuthTag(), ciphertext]);
  }

  open(storeKey: string, sealed: Buffer): object {
    const decipher = createDecipheriv('aes-256-gcm', this.derive('seal'), sealed.subarray(4, 16));
    decipher.setAAD(Buffer.from(storeKey)).setAuthTag(sealed.subarray(16, 32));
    const text = Buffer.concat([decipher.update(sealed.subarray(32)), decipher.final()]);
    return JSON.parse(text.toString()) as object;
  }

  /** The token of a mobile login: selector (8), secret (16), MAC (8). Its record has a hash of the selector as its id. */
  mobileToken(): { token: string; id: string; secret: string } {
    const random = randomBytes(24);
    const mac = createHmac('sha256', this.derive('check')).update('mot').update(random).digest();
    return {
      token: `mot_${Buffer.concat([random, mac.subarray(0, 8)]).toString('base64url')}`,
      id: hash('sha256', random.subarray(0, 8), 'buffer').subarray(0, 12).toString('base64url'),
      secret: random.subarray(8).toString('base64url'),
    };
  }

  private derive(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.secret, '', `nestjs-wechat/v1/${purpose}`, 32));
  }
}

const CONFIGURED = { id: 'k1', key: randomBytes(32) };

describe.each<[string, Pick<WechatModuleOptions, 'encryptionKeys'>]>([
  ['a key that is derived from the AppSecret', {}],
  ['a configured encryption key', { encryptionKeys: [CONFIGURED] }],
])('a record of version 0.1.0, sealed with %s,', (_, options) => {
  let wechat: WechatSandbox;
  let app: TeamApp;

  beforeEach(async () => {
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat, options));
  });
  afterEach(async () => {
    await closeTeamApps();
    await wechat.close();
  });

  const appOf = (kind: string) => wechat.apps.find((one) => one.kind === kind)!;
  const keyOf = ({ appId, secret }: { appId: string; secret: string }): OldKey =>
    options.encryptionKeys ? new OldKey(CONFIGURED.id, CONFIGURED.key) : new OldKey(appId, secret);
  const store = () => app.get(WechatStore);
  const oauth = () => app.get(MobileOAuthService);

  /** A mobile login as 0.1.0 stored it after it had fetched the profile. */
  const oldLogin = async () => {
    const mobile = appOf('mobile');
    const user = wechat.users.create({ nickName: '小红' });
    const { code } = await user.authorize();
    const query = new URLSearchParams({
      appid: mobile.appId,
      secret: mobile.secret,
      code,
      grant_type: 'authorization_code',
    });
    const reply = (await (
      await fetch(`${wechat.url}/sns/oauth2/access_token?${query.toString()}`)
    ).json()) as Record<string, string>;
    const { token, id, secret } = keyOf(mobile).mobileToken();
    const [openid, unionid] = [user.openid(mobile.appId), user.unionid(mobile.appId)];
    const grant = {
      openid,
      accessToken: reply['access_token'],
      accessTokenExpiresAt: wechat.clock.now() + 2 * HOUR_MS,
      refreshToken: reply['refresh_token'],
      scope: 'snsapi_userinfo',
      unionid,
    };
    const userInfo = { openId: openid, nickname: 'old', sex: 0, province: '', city: '', country: '', avatar: '', unionId: unionid }; // prettier-ignore
    const record = { appId: mobile.appId, openid, unionid, secret, grant, loginExpiresAt: wechat.clock.now() + HOUR_MS, userInfo }; // prettier-ignore
    return { mobile, token, storeKey: `wx:m:${id}`, record, openid, unionid };
  };

  it('is a mobile login whose token stays valid, and whose profile is fetched again', async () => {
    const { mobile, token, storeKey, record, openid, unionid } = await oldLogin();
    await store().add(storeKey, keyOf(mobile).seal(storeKey, record), HOUR_MS);
    expect(await oauth().find(token)).toEqual({ appId: mobile.appId, openid, unionid });
    expect(await oauth().isAuthorized(token)).toBe(true);
    expect(await oauth().getUserInfo(token)).toMatchObject({ openid, nickName: '小红' });
    expect(wechat.requestsTo(INFO)).toHaveLength(1);
  });

  it('is a mobile login that 0.1.0 can still open after this version has changed it', async () => {
    const { mobile, token, storeKey, record } = await oldLogin();
    await store().add(storeKey, keyOf(mobile).seal(storeKey, record), HOUR_MS);
    await oauth().getUserInfo(token);
    const sealed = (await store().get(storeKey))!;
    expect(keyOf(mobile).open(storeKey, sealed)).toMatchObject(record);
  });

  it('control: is refused if it was sealed for another store key or with another key', async () => {
    const { mobile, token, storeKey, record } = await oldLogin();
    const forgeries = [
      keyOf(mobile).seal(`${storeKey}x`, record),
      new OldKey(options.encryptionKeys ? CONFIGURED.id : mobile.appId, 'x').seal(storeKey, record),
    ];
    for (const sealed of forgeries) {
      await store().add(storeKey, sealed, HOUR_MS);
      await expect(oauth().find(token)).rejects.toMatchObject({ code: 'ERR_WECHAT_SESSION' });
      await store().remove(storeKey);
    }
  });

  it('is an access token that is used without a fetch, and that 0.1.0 can open when this version has renewed it', async () => {
    const { appId, secret } = appOf('mini-program');
    const storeKey = `wx:at:${appId}`;
    const old = { token: 'stored-by-0.1.0', expiresAt: wechat.clock.now() + HOUR_MS };
    const key = keyOf({ appId, secret });
    await store().add(storeKey, key.seal(storeKey, old), HOUR_MS);
    expect(await app.get(AccessTokenService).get()).toBe(old.token);
    expect(wechat.requestsTo(STABLE)).toHaveLength(0);
    const renewed = await app.get(AccessTokenService).renew(appId, old.token);
    expect(renewed).toBe(wechat.accessTokens.current(appId));
    expect(key.open(storeKey, (await store().get(storeKey))!)).toEqual({
      token: renewed,
      expiresAt: expect.any(Number),
    });
  });
});
