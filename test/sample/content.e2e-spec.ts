import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { ContentOperator } from '../../apps/sample/src/content/content-operator.js';
import { m4a, mp3 } from '../support/audio.js';
import { startContentApp } from '../support/content-app.js';
import type { Author, ContentApp } from '../support/content-app.js';
import { describeOnEachDatabase } from '../support/databases.js';
import type { AppResponse } from '../support/http.js';
import { registered } from '../support/people.js';
import { JPEG_PICTURE, PNG_PICTURE } from '../support/pictures.js';
import { withStart } from '../support/profiles.js';

const SOUND = mp3(1000);
/** Of one user in a day. */
const CHECKS = 6;

describeOnEachDatabase('content of users', (database) => {
  let s: ContentApp;
  let me: Author;
  beforeAll(async () => {
    s = await startContentApp({
      database: database(),
      env: { CONTENT_CHECK_LIMIT: String(CHECKS) },
    });
  });
  beforeEach(async () => {
    s.wechat.contentVerdict('*', {});
    me = await s.author();
  });
  afterEach(() => s.wechat.clear());
  afterAll(() => s.close());

  const pictures = () => readdir(join(s.uploads, 'avatars'));
  const rename = (nickName: string | null, route = 'PATCH /me') =>
    s.call(route, { token: me.session_rd, body: { nickName } });
  const avatarUrl = async (): Promise<string | null> => (await me.get('/me')).body.data.avatarUrl;
  const record = async (sound = SOUND): Promise<string> =>
    (await me.upload('POST /recordings', sound)).body.data.id;
  const share = (id: string) => s.call(`POST /recordings/${id}/share`, { token: me.session_rd });
  const statusOf = async (id: string): Promise<string> =>
    (await me.get(`/recordings/${id}`)).body.data.status;

  it.each(['PATCH /me', 'PUT /me'])('checks a name before it is saved: %s', async (route) => {
    expect((await rename('小明', route)).body.data.nickName).toBe('小明');
    for (const suggest of ['risky', 'review'] as const) {
      s.wechat.contentVerdict('*', { suggest });
      const { status, body } = await rename('other', route);
      expect([status, body.error]).toEqual([400, 'ERR_CONTENT_REFUSED']);
    }
    expect((await me.get('/me')).body.data.nickName).toBe('小明');
    expect((await me.get('/me/content')).body.data).toEqual([
      { kind: 'nickname', status: 'ok', checkedAt: expect.any(String) },
    ]);
  });

  it('publishes the name that WeChat has signed, and not the encrypted one, whose first letters a client can change', async () => {
    const { session_rd: token } = me;
    const forged = withStart(
      await me.wechat.getUserProfile(),
      '{"nickName":"微',
      '{"nickName":"骂',
    );
    const decode = `POST /wx/mini/v1/${s.wechat.apps[0]?.appId}/decode`;
    const { body: control } = await s.call(decode, { token, body: forged }); // the changed data decrypts
    expect(control.data.nickName).toBe('骂信用户');
    const { body } = await s.call('PUT /me/profile', { token, body: forged });
    expect(body.data.nickName).toBe('微信用户');
  });

  it('removes a name without a check', async () => {
    await rename('小明');
    s.wechat.always('/wxa/msg_sec_check', { status: 500 });
    const { status, body } = await rename(null);
    expect([status, body.data.nickName]).toEqual([200, null]);
  });

  it('saves no name if WeChat is down, or has not seen the user for two hours', async () => {
    s.wechat.always('/wxa/msg_sec_check', { status: 500 });
    const down = await rename('a');
    s.wechat.clear();
    s.wechat.contentVerdict('*', { errcode: 61010 });
    const away = await rename('a');
    expect([down.status, down.body.error]).toEqual([503, 'ERR_WECHAT_UNAVAILABLE']);
    expect([away.status, away.body.error]).toEqual([409, 'ERR_WECHAT_NOT_VISITED']);
    expect((await me.get('/me')).body.data.nickName).toBeNull();
  });

  it('takes only so many files and names of one user in a day, and asks WeChat about no more', async () => {
    const times = async (count: number, call: () => Promise<AppResponse>): Promise<number[]> => {
      const statuses: number[] = [];
      for (let i = 0; i < count; i++) statuses.push((await call()).status);
      return statuses;
    };
    const all = Array.from({ length: CHECKS }, () => 200);
    expect(await times(CHECKS, () => me.upload('PUT /me/avatar', PNG_PICTURE))).toEqual(all);
    const over = await me.upload('POST /recordings', SOUND);
    expect([over.status, over.body.error]).toEqual([429, 'ERR_WECHAT_RATE_LIMIT']);
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(86_000);
    expect((await me.get('/recordings')).body.data).toEqual([]);
    expect(await times(CHECKS + 1, () => rename('小明'))).toEqual([...all, 429]);
    expect((await (await s.author()).upload('PUT /me/avatar', PNG_PICTURE)).status).toBe(200);
    await s.pass('1d');
    expect((await me.upload('PUT /me/avatar', PNG_PICTURE)).status).toBe(200);
  });

  it('takes no more files of a user who deletes the account and logs in again', async () => {
    for (let n = 0; n < CHECKS; n++) await me.upload('PUT /me/avatar', PNG_PICTURE);
    await s.call('DELETE /account', { token: await registered(s, me) });
    const again = await s.author(me.wechat);
    expect(again.isNewUser).toBe(true);
    expect((await again.upload('PUT /me/avatar', PNG_PICTURE)).status).toBe(429);
  });

  it('refuses a name at the registration, and keeps the ticket', async () => {
    const { registrationTicket } = (await me.withPhone('POST /auth/phone-login')).body.data;
    const register = (profile: object) =>
      s.call('POST /auth/register', {
        token: me.session_rd,
        body: { registrationTicket, ...profile },
      });
    s.wechat.contentVerdict('*', { suggest: 'risky' });
    expect((await register({ nickName: 'x' })).body.error).toBe('ERR_CONTENT_REFUSED');
    s.wechat.contentVerdict('*', {});
    const foreign = await register({ avatarUrl: 'https://example.com/a.jpg' });
    expect([foreign.status, foreign.body.error]).toEqual([400, 'ERR_BAD_REQUEST']);
    const { status, body } = await register({ nickName: '小明' });
    expect([status, body.data.user.nickName, body.data.user.avatarUrl]).toEqual([
      200,
      '小明',
      null,
    ]);
  });

  it('shows the old picture until the new one has passed', async () => {
    const first = await me.upload('PUT /me/avatar', PNG_PICTURE);
    expect([first.status, first.body.data.avatarUrl]).toEqual([200, null]);
    expect(await me.statusOf('avatar')).toBe('checking');
    await s.ask();
    await s.pass('2s');
    const old = await avatarUrl();
    expect(old).toMatch(/\/avatars\/[0-9a-f]{32}\.jpg$/);
    expect(await me.statusOf('avatar')).toBe('ok');

    await me.upload('PUT /me/avatar', JPEG_PICTURE);
    expect(await avatarUrl()).toBe(old);
    await s.ask();
    await s.pass('2s');
    expect(await avatarUrl()).not.toBe(old);
    expect((await s.call(`GET ${new URL(old!).pathname}`)).status).toBe(404);
  });

  it('deletes a blocked picture and keeps the old one', async () => {
    await me.upload('PUT /me/avatar', PNG_PICTURE);
    await s.ask();
    await s.pass('2s');
    const old = await avatarUrl();
    const before = await pictures();
    s.wechat.contentVerdict('*', { suggest: 'risky' });
    await me.upload('PUT /me/avatar', JPEG_PICTURE);
    expect(await pictures()).toHaveLength(before.length + 1);
    await s.ask();
    await s.pass('2s');
    expect([await me.statusOf('avatar'), await avatarUrl()]).toEqual(['blocked', old]);
    expect(await pictures()).toEqual(before);
  });

  it('shares a recording only after it has passed, with ranges', async () => {
    const id = await record();
    const early = await share(id);
    expect([early.status, early.body.error]).toEqual([409, 'ERR_CONTENT_CHECKING']);
    expect((await me.get(`/recordings/${id}/content`)).status).toBe(200);
    await s.ask();
    await s.pass('2s');
    const { url } = (await share(id)).body.data;
    expect((await share(id)).body.data.url).toBe(url);
    const part = await fetch(url, { headers: { range: 'bytes=0-9' } });
    expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 10]);
    expect((await fetch(`${url.slice(0, -1)}x`)).status).toBe(404);
    await s.call(`DELETE /recordings/${id}`, { token: me.session_rd });
    expect((await fetch(url)).status).toBe(404);
  });

  it('blocks a recording for everyone, its owner included', async () => {
    s.wechat.contentVerdict('*', { suggest: 'risky' });
    const id = await record();
    await s.ask();
    await s.pass('2s');
    for (const { status, body } of [await share(id), await me.get(`/recordings/${id}/content`)])
      expect([status, body.error]).toEqual([403, 'ERR_CONTENT_BLOCKED']);
  });

  it('never shares a file that WeChat cannot check', async () => {
    const id = await record(m4a(1000));
    expect(await statusOf(id)).toBe('unchecked');
    expect((await share(id)).body.error).toBe('ERR_CONTENT_UNSUPPORTED');
  });

  it('gives WeChat the file under a random name, until the verdict', async () => {
    await record();
    await s.ask();
    const [asked] = s.wechat.requestsTo('/wxa/media_check_async').slice(-1);
    const { media_url: url } = asked!.body as { media_url: string };
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('x-robots-tag')]).toEqual([200, 'noindex']);
    expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(SOUND);
    await s.pass('2s');
    expect((await fetch(url)).status).toBe(404);
  });

  it('takes a verdict that arrives before the response, and a second one without effect', async () => {
    s.wechat.contentVerdict('*', { suggest: 'pass', before: true });
    const id = await record();
    await s.ask();
    expect(await statusOf(id)).toBe('ok');
    s.wechat.contentVerdict(await s.lastTraceId(), { suggest: 'risky' });
    await s.wechat.settle();
    expect(await statusOf(id)).toBe('ok');
  });

  it('ignores a verdict on something deleted', async () => {
    const id = await record();
    await s.ask();
    await s.call(`DELETE /recordings/${id}`, { token: me.session_rd });
    await s.pass('2s');
    expect((await me.get('/me/content')).body.data).toEqual([]);
  });

  it('asks twice more if no verdict comes, and then leaves it to a person', async () => {
    s.wechat.everyDelivery({ drop: true });
    const asks = s.asked();
    const id = await record();
    await s.ask();
    for (const expected of [1, 2, 3]) {
      expect([await statusOf(id), s.asked() - asks]).toEqual(['checking', expected]);
      await me.wechat.login(); // WeChat checks only content of users who were there lately
      await s.pass('39m');
      expect(s.asked()).toBe(asks + expected);
      await s.pass('61s');
    }
    expect([await statusOf(id), s.asked() - asks]).toEqual(['review', 3]);
  });

  it.each([
    ['429', { errcode: 87020 }],
    ['no response', { status: 500 }],
  ])('asks again after 1, 10 and 40 minutes: %s', async (_title, fault) => {
    s.wechat.always('/wxa/media_check_async', fault);
    const id = await record();
    await s.ask();
    for (const pause of ['59s', '2s', '10m', '40m']) {
      expect(await statusOf(id)).toBe('checking');
      await s.pass(pause);
    }
    expect(await statusOf(id)).toBe('review');
  });

  it('leaves the content of a user who has gone to a person', async () => {
    const id = await record();
    s.wechat.clock.advance('3h');
    await s.ask();
    expect(await statusOf(id)).toBe('review');
    expect((await share(id)).body.error).toBe('ERR_CONTENT_CHECKING');
  });

  it('publishes what a person approves, and hides what a person blocks', async () => {
    const operator = s.app.get(ContentOperator);
    s.wechat.contentVerdict('*', { suggest: 'review' });
    await me.upload('PUT /me/avatar', PNG_PICTURE);
    await s.ask();
    await s.pass('2s');
    const line = (await operator.list()).split('\n').at(-1)!;
    const [id = ''] = line.split('  ');
    expect([line.includes('  avatar  avatars/'), await avatarUrl()]).toEqual([true, null]);
    expect(await operator.approve(id)).toBe(`${id} is now ok.`);
    expect([await me.statusOf('avatar'), await avatarUrl()]).toEqual([
      'ok',
      expect.stringContaining('/avatars/'),
    ]);
    expect(await operator.block(id)).toBe(`${id} is now blocked.`);
    expect(await operator.approve(id)).toBe(`${id} is unchanged: blocked.`);
    expect([await me.statusOf('avatar'), await avatarUrl()]).toEqual(['blocked', null]);
  });

  it('deletes the pictures under check with the account', async () => {
    const before = await pictures();
    await me.upload('PUT /me/avatar', PNG_PICTURE);
    const token = await registered(s, me);
    await s.call('DELETE /account', { token });
    expect(await pictures()).toEqual(before);
  });
});

describe('content that is not checked', () => {
  it('is ok at once, and is checked and hidden from the start on that turns the check on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-content-'));
    const wechat = await startWechatSandbox();
    const startWith = (CONTENT_CHECK: string): Promise<ContentApp> =>
      startContentApp({
        wechat,
        database: { dir: join(folder, 'db') },
        env: { CONTENT_CHECK, UPLOAD_DIR: join(folder, 'uploads') },
      });
    const off = await startWith('off');
    const user = wechat.users.create();
    const before = await off.author(user);
    const { avatarUrl } = (await before.upload('PUT /me/avatar', PNG_PICTURE)).body.data;
    expect(avatarUrl).toMatch(/jpg$/);
    const { id } = (await before.upload('POST /recordings', SOUND)).body.data;
    const { url } = (await off.call(`POST /recordings/${id}/share`, { token: before.session_rd }))
      .body.data;
    expect((await before.get('/me/content')).body.data).toEqual([
      { kind: 'avatar', status: 'ok' },
      { kind: 'recording', id, status: 'ok' },
    ]);
    await off.close();

    const on = await startWith('on');
    const after = await on.author(user);
    const shared = () => on.call(`GET ${new URL(url).pathname}`);
    expect([after.user.avatarUrl, (await shared()).status]).toEqual([null, 404]);
    await on.ask();
    await on.pass('2s');
    expect((await after.get('/me')).body.data.avatarUrl).toMatch(/jpg$/);
    expect((await shared()).status).toBe(200);
    await on.close();
    await wechat.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('has checked names only with text', async () => {
    const text = await startContentApp({ env: { CONTENT_CHECK: 'text' } });
    const me = await text.author();
    const { body } = await text.call('PATCH /me', {
      token: me.session_rd,
      body: { nickName: '敏感词' },
    });
    expect(body.error).toBe('ERR_CONTENT_REFUSED');
    await me.upload('POST /recordings', SOUND);
    expect(await me.statusOf('recording')).toBe('ok');
    await text.close();
  });
});

describe('verdicts without encryption', () => {
  it('set the status and delete no file', async () => {
    const s = await startContentApp({ push: 'plain' });
    const me = await s.author();
    s.wechat.contentVerdict('*', { suggest: 'risky' });
    await me.upload('PUT /me/avatar', PNG_PICTURE);
    await s.ask();
    await s.pass('2s');
    expect(await me.statusOf('avatar')).toBe('blocked');
    expect(await readdir(join(s.uploads, 'avatars'))).toHaveLength(1);
    await s.close();
  });
});
