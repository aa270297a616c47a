import { readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UploadFolders } from '../../apps/sample/src/files/upload-folders.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { file, uploadTo } from '../support/multipart.js';
import { GIF_PICTURE, JPEG_PICTURE, PNG_PICTURE, WEBP_PICTURE } from '../support/pictures.js';
import { start } from '../support/start.js';
import type { Login, Started } from '../support/start.js';

const MB = 1024 * 1024;
const AVATAR = /^\/avatars\/[0-9a-f]{32}\.[a-z]+$/;

describeOnEachDatabase('a profile as it is today', (database) => {
  let s: Started;
  let me: Login;
  beforeAll(async () => {
    s = await start({ database: database() });
  });
  beforeEach(async () => {
    me = await s.login();
  });
  afterAll(() => s.close());

  const files = () => readdir(join(s.uploads, 'avatars'));
  const upload = (route: string, ...parts: Parameters<typeof file>[]) =>
    uploadTo(s.url)(
      route,
      me.session_rd,
      parts.map((one) => file(...one)),
    );

  it.each(['PATCH /me', 'PUT /me'])('takes a name: %s', async (route) => {
    for (const nickName of ['小明', '🎸', 'x'.repeat(64), "O'Brien <b>", 'a b']) {
      const { status, body } = await s.call(route, {
        token: me.session_rd,
        body: { nickName, phoneNumber: '1', id: 'x', unionid: 'x' },
      });
      expect([status, body.data]).toEqual([
        200,
        { ...me['user'], nickName, updatedAt: expect.any(String) },
      ]);
    }
    for (const body of [{}, { other: 1 }, undefined])
      expect(
        (await s.call(route, { token: me.session_rd, body })).body.data?.nickName ?? 'a b',
      ).toBe('a b');
  });

  it.each(['PATCH /me', 'PUT /me'])('refuses what is no name: %s', async (route) => {
    for (const nickName of [
      '',
      'x'.repeat(65),
      7,
      ['x'],
      { a: 1 },
      'a\u0000b',
      'a\nb',
      'a\u2028b',
      '\ud83c',
    ]) {
      const { status, body } = await s.call(route, { token: me.session_rd, body: { nickName } });
      expect([nickName, status, body.error]).toEqual([nickName, 400, 'ERR_BAD_REQUEST']);
    }
    expect((await s.call('GET /me', { token: me.session_rd })).body.data).toEqual(me['user']);
  });

  it.each([
    ['PUT /me/avatar', 'png', PNG_PICTURE, 'image/png'],
    ['POST /me/avatar', 'jpg', JPEG_PICTURE, 'image/jpeg'],
    ['PUT /me/avatar', 'webp', WEBP_PICTURE, 'image/webp'],
    ['POST /me/avatar', 'gif', GIF_PICTURE, 'image/gif'],
  ])('takes a picture: %s, %s', async (route, extension, picture, type) => {
    const { status, body } = await upload(route, [picture, 'http://tmp/../x.exe']);
    expect([status, body.data]).toEqual([
      200,
      { ...me['user'], avatarUrl: expect.stringMatching(AVATAR), updatedAt: expect.any(String) },
    ]);
    const shown = await fetch(s.url + body.data.avatarUrl);
    expect([shown.status, shown.headers.get('content-type')]).toEqual([200, type]);
    expect(Object.fromEntries(shown.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-disposition': `inline; filename="${body.data.avatarUrl.slice('/avatars/'.length)}"`,
    });
    expect(body.data.avatarUrl.endsWith(`.${extension}`)).toBe(true);
    expect(Buffer.from(await shown.arrayBuffer()).equals(picture)).toBe(true);
  });

  it('shows a new picture under a new name, and the old one no more', async () => {
    const [first, second] = [
      await upload('PUT /me/avatar', [PNG_PICTURE]),
      await upload('PUT /me/avatar', [PNG_PICTURE]),
    ];
    expect(first.body.data.avatarUrl).not.toBe(second.body.data.avatarUrl);
    expect((await s.call(`GET ${first.body.data.avatarUrl}`)).status).toBe(404);
    expect((await s.call(`GET ${second.body.data.avatarUrl}`)).status).toBe(200);
    expect((await files()).filter((name) => first.body.data.avatarUrl.endsWith(name))).toEqual([]);
  });

  it('gives the picture up for the one that WeChat signed', async () => {
    const user = s.wechat.users.create();
    me = await s.login(user);
    const { avatarUrl } = (await upload('PUT /me/avatar', [PNG_PICTURE])).body.data;
    const { body } = await s.call('PUT /me/profile', {
      token: me.session_rd,
      body: await user.getUserInfo(),
    });
    expect(body.data.avatarUrl).toBe(user.avatarUrl);
    expect([
      (await s.call(`GET ${avatarUrl}`)).status,
      (await files()).some((name) => avatarUrl.endsWith(name)),
    ]).toEqual([404, false]);
  });

  it('cannot take somebody else’s picture away by naming it', async () => {
    const { avatarUrl } = (await upload('PUT /me/avatar', [PNG_PICTURE])).body.data;
    const wechat = s.wechat.users.create();
    const thief = await s.login(wechat);
    const profile = {
      ...(await wechat.getUserInfo()),
      ...wechat.encrypt({ openId: wechat.openid(), nickName: 'x', avatarUrl }),
    };
    await s.call('PUT /me/profile', { token: thief.session_rd, body: profile });
    await uploadTo(s.url)('PUT /me/avatar', thief.session_rd, [file(PNG_PICTURE)]);
    expect((await s.call(`GET ${avatarUrl}`)).status).toBe(200);
  });

  it.each<[string, number, Parameters<typeof file>[]]>([
    ['a text named x.png', 415, [['no picture', 'x.png']]],
    [
      'an SVG',
      415,
      [['<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 'x.svg']],
    ],
    ['a page', 415, [['<!doctype html>', 'x.png']]],
    ['a TIFF', 415, [[Buffer.from('49492a0008000000', 'hex'), 'x.png']]],
    ['nothing in it', 415, [['', 'x.png']]],
    [
      '2 MB and one byte',
      413,
      [[Buffer.concat([PNG_PICTURE, Buffer.alloc(2 * MB - PNG_PICTURE.length + 1)])]],
    ],
    ['two pictures', 400, [[PNG_PICTURE], [PNG_PICTURE]]],
    ['no picture', 400, []],
  ])('refuses %s: %i, and keeps nothing', async (_, status, parts) => {
    const before = await files();
    const answer = await upload('PUT /me/avatar', ...parts);
    expect([answer.status, answer.body.error, await files()]).toEqual([
      status,
      'ERR_BAD_REQUEST',
      before,
    ]);
  });

  it('takes 2 MB to the byte', async () => {
    expect(
      (
        await upload('PUT /me/avatar', [
          Buffer.concat([PNG_PICTURE, Buffer.alloc(2 * MB - PNG_PICTURE.length)]),
        ])
      ).status,
    ).toBe(200);
  });

  it.each([
    'x',
    '..%2f..%2fetc%2fpasswd',
    '%00',
    '0'.repeat(32),
    `${'0'.repeat(32)}.png`,
    'constructor',
  ])('shows no picture named %s', async (name) => {
    expect((await s.call(`GET /avatars/${name}`)).status).toBe(404);
  });

  it('keeps the address of a picture whose file is missing, and shows it again when the file is back', async () => {
    const { avatarUrl } = (await upload('PUT /me/avatar', [PNG_PICTURE])).body.data;
    const path = join(s.uploads, avatarUrl);
    await rename(path, join(s.uploads, 'elsewhere'));
    const folders = s.app.get(UploadFolders);
    await folders.onModuleInit(); // the next start
    await folders.reconcile();
    expect((await s.call(`GET ${avatarUrl}`)).status).toBe(404);
    expect((await s.call('GET /me', { token: me.session_rd })).body.data.avatarUrl).toBe(avatarUrl);
    await rename(join(s.uploads, 'elsewhere'), path);
    expect((await s.call(`GET ${avatarUrl}`)).status).toBe(200);
  });

  it('leaves one file of thirty uploads at once', async () => {
    const before = await files();
    const responses = await Promise.all(
      Array.from({ length: 30 }, () => upload('PUT /me/avatar', [PNG_PICTURE])),
    );
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
    const { avatarUrl } = (await s.call('GET /me', { token: me.session_rd })).body.data;
    expect(new Set(await files())).toEqual(new Set([...before, basename(avatarUrl)]));
  });

  it('needs a session', async () => {
    for (const route of ['PATCH /me', 'PUT /me', 'PUT /me/avatar', 'POST /me/avatar'])
      expect((await s.call(route, { body: {} })).status).toBe(401);
  });
});
