import { SchedulerRegistry } from '@nestjs/schedule';
import { getRepositoryToken } from '@nestjs/typeorm';
import { StoreUnavailableError, WechatStore } from 'nestjs-wechat';
import type { Repository } from 'typeorm';
import { AccountPush } from '../../apps/sample/src/account/account-push.entity.js';
import { ACCOUNT_JOB, AccountPushes } from '../../apps/sample/src/account/account-pushes.js';
import { mp3 } from '../support/audio.js';
import { startContentApp } from '../support/content-app.js';
import type { Author, ContentApp } from '../support/content-app.js';
import { person, registered } from '../support/people.js';
import { PNG_PICTURE } from '../support/pictures.js';
import type { StartOptions } from '../support/start.js';

/** Two mini programs for which WeChat returns no unionid. */
const APPS = ['a', 'b'].map((name) => ({
  appId: `wx${name.repeat(16)}`,
  secret: name.repeat(32),
  kind: 'mini-program' as const,
  openPlatform: false as const,
}));
const CANCEL = { Event: 'user_authorization_cancellation' };
const revoke = (RevokeInfo: string) => ({ Event: 'user_authorization_revoke', RevokeInfo });

describe.each([
  ['encrypted', true],
  ['plain', 'plain'],
] as [string, StartOptions['push']][])('pushes about users, %s', (mode, push) => {
  let s: ContentApp;
  let me: Author;
  let appToken: string;
  beforeAll(async () => {
    s = await startContentApp({
      push,
      sandbox: { apps: APPS },
      env: { CONTENT_CHECK: 'off', LOG_LEVEL: 'warn' },
    });
    s.app.get(SchedulerRegistry).deleteInterval(ACCOUNT_JOB);
  });
  beforeEach(async () => {
    me = await s.author();
    appToken = await registered(s, me);
    await s.call('PATCH /me', { token: me.session_rd, body: { nickName: '小明' } });
    await me.upload('PUT /me/avatar', PNG_PICTURE);
    await me.upload('POST /recordings', mp3(1000));
  });
  afterAll(() => s.close());

  const arrive = async (content: object): Promise<void> => {
    const appId = s.wechat.apps[0]?.appId ?? '';
    const { attempts } = await s.wechat.push(appId, { OpenID: me.wechat.openid(), ...content });
    expect(attempts.at(-1)?.status).toBe(200);
  };
  const work = (): Promise<void> => s.app.get(AccountPushes).run();
  const receive = async (content: object): Promise<void> => {
    await arrive(content);
    await work();
  };
  /** What the account has: name, picture, phone number, recordings. */
  const owned = async (): Promise<boolean[]> => {
    const { nickName, avatarUrl, phoneNumber } = (await me.get('/me')).body.data;
    const recordings = (await me.get('/recordings')).body.data.length > 0;
    return [nickName !== null, avatarUrl !== null, phoneNumber !== null, recordings];
  };
  const isPlain = mode === 'plain'; // the control: nothing is deleted

  it.each([
    ['6', [false, false, true, true]],
    ['20', [false, false, true, true]],
    ['8', [true, true, false, true]],
    ['5', [true, true, true, false]],
    ['1', [true, true, true, true]],
  ])('revoke with RevokeInfo %s', async (code, expected) => {
    await receive(revoke(code));
    expect(await owned()).toEqual(isPlain ? [true, true, true, true] : expected);
  });

  it('a revoked phone number: the WeChat user of another app that joined by it leaves the account', async () => {
    const other = APPS[1]!.appId;
    const { phoneNumber } = me.wechat;
    const joined = await person(s, s.wechat.users.create({ phoneNumber }), other);
    expect((await joined.withPhone('POST /auth/phone-login')).body.data.linked).toBe(true);
    await receive(revoke('8'));
    expect((await s.call('GET /me', { token: joined.session_rd })).status).toBe(
      isPlain ? 200 : 401,
    );
    const again = await person(s, joined.wechat, other);
    expect(again['user'].id === me['user'].id).toBe(isPlain);
  });

  it('cancellation', async () => {
    await receive(CANCEL);
    expect((await me.get('/me')).status).toBe(isPlain ? 200 : 401);
    if (isPlain) expect(s.log.join('')).toContain('安全模式');
  });

  it('a cancellation during an outage of the store deletes no account of a later login', async () => {
    jest.spyOn(s.app.get(WechatStore), 'remove').mockRejectedValue(new StoreUnavailableError());
    await receive(CANCEL);
    jest.restoreAllMocks();
    const again = await person(s, me.wechat);
    expect(again.isNewUser).toBe(!isPlain);
    s.wechat.clock.advance('10m');
    await s.app.get(AccountPushes).run();
    expect((await s.call('GET /me', { token: again.session_rd })).status).toBe(200);
  });

  it('a late job deletes nothing that was added after the push', async () => {
    const token = me.session_rd;
    for (const code of ['5', '6', '8']) await arrive(revoke(code));
    await s.call('PATCH /me', { token, body: { nickName: 'new' } });
    await me.upload('PUT /me/avatar', PNG_PICTURE);
    await me.withPhone('PUT /me/phone');
    const { id } = (await me.upload('POST /recordings', mp3(1000))).body.data;
    await work();
    expect(await owned()).toEqual([true, true, true, true]);
    const left = (await me.get('/recordings')).body.data;
    expect(left.map((one: { id: string }) => one.id === id)).toEqual(
      isPlain ? [true, false] : [true],
    );
  });

  it('a repeated job deletes no recording that was added after the push', async () => {
    const rows = s.app.get<Repository<AccountPush>>(getRepositoryToken(AccountPush));
    jest.spyOn(rows, 'delete').mockRejectedValueOnce(new Error('the process was killed'));
    await receive(revoke('5'));
    jest.restoreAllMocks();
    expect(await owned()).toEqual([true, true, true, isPlain]);
    await me.upload('POST /recordings', mp3(1000));
    s.wechat.clock.advance('61s');
    await work();
    expect([await owned(), await rows.count()]).toEqual([[true, true, true, true], 0]);
  });

  it('a late cancellation deletes no account that is newer', async () => {
    await arrive(CANCEL);
    await s.call('DELETE /account', { token: appToken });
    const again = await person(s, me.wechat);
    expect(again.isNewUser).toBe(true);
    await work();
    expect((await s.call('GET /me', { token: again.session_rd })).status).toBe(200);
  });

  it('a modified profile is stale until a name is saved', async () => {
    await receive({ Event: 'user_info_modified' });
    expect((await me.get('/me')).body.data.profileStale).toBe(true);
    await s.call('PATCH /me', { token: me.session_rd, body: { nickName: 'new' } });
    expect((await me.get('/me')).body.data.profileStale).toBeUndefined();
    expect(await owned()).toEqual([true, true, true, true]);
  });

  it('of which many are plain warn once an hour', async () => {
    const warnings = () => s.log.filter((line) => line.includes('安全模式')).length;
    for (const code of ['6', '8', '5']) await receive(revoke(code));
    const before = warnings();
    s.wechat.clock.advance('1h');
    // Other codes: an equal push within the same second of real time is a repeat.
    await receive(revoke('20'));
    await receive(revoke('1'));
    expect([before, warnings()]).toEqual(isPlain ? [1, 2] : [0, 0]);
  });

  it('pushes about an unknown user change nothing', async () => {
    await receive({ ...CANCEL, OpenID: 'unknown' });
    expect(await owned()).toEqual([true, true, true, true]);
  });
});
