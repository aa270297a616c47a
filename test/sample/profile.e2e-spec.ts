import { readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileTypeFromBuffer } from 'file-type';
import sharp from 'sharp';
import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { FileStorage } from '../../apps/sample/src/files/file-storage.js';
import { SweepJob } from '../../apps/sample/src/files/sweep-job.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { file, uploadTo } from '../support/multipart.js';
import {
  CAMERA,
  GIF_PICTURE,
  hugePng,
  jpeg,
  JPEG_HEADER,
  JPEG_PICTURE,
  png,
  PNG_PICTURE,
  progressiveJpeg,
  WEBP_PICTURE,
} from '../support/pictures.js';
import { signedProfile } from '../support/profiles.js';
import { start } from '../support/start.js';
import type { Login, Started } from '../support/start.js';

const MB = 1024 * 1024;
/** A PNG of one colour, made faster than `png` makes a large one. */
const plain = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: '#0a0' } })
    .png()
    .toBuffer();
const AVATAR = /^\/avatars\/[0-9a-f]{32}\.jpg$/;

let s: Started;
let me: Login;

/** Starts an app. Each test has a new logged-in user. */
function given(database?: () => DatabaseConfig): void {
  beforeAll(async () => {
    s = await start({ database: database?.() });
  });
  beforeEach(async () => {
    me = await s.login();
  });
  afterAll(() => s.close());
}

const files = async () => [
  ...(await readdir(join(s.uploads, 'avatars'))),
  ...(await readdir(join(s.uploads, 'parts'))),
];
const upload = (route: string, ...parts: Parameters<typeof file>[]) =>
  uploadTo(s.url)(
    route,
    me.session_rd,
    parts.map((one) => file(...one)),
  );

describeOnEachDatabase('a profile that the user edits', (database) => {
  given(database);

  it.each(['PATCH /me', 'PUT /me'])('accepts a name: %s', async (route) => {
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

  it.each(['PATCH /me', 'PUT /me'])('refuses an invalid name: %s', async (route) => {
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
      ' ',
      '\u3000\u200b\u00a0',
      '\u2800\u3164',
      'pay\u202egnp',
      '\u2066name\u2069',
    ]) {
      const { status, body } = await s.call(route, { token: me.session_rd, body: { nickName } });
      expect([nickName, status, body.error]).toEqual([nickName, 400, 'ERR_BAD_REQUEST']);
    }
    expect((await s.call('GET /me', { token: me.session_rd })).body.data).toEqual(me['user']);
  });

  it.each([
    ['PUT /me/avatar', 'png', PNG_PICTURE],
    ['POST /me/avatar', 'jpg', JPEG_PICTURE],
    ['PUT /me/avatar', 'webp', WEBP_PICTURE],
    ['POST /me/avatar', 'gif', GIF_PICTURE],
  ])('accepts a picture and stores it as JPEG: %s, %s', async (route, _, picture) => {
    const { status, body } = await upload(route, [picture, 'http://tmp/../x.exe']);
    expect([status, body.data]).toEqual([
      200,
      { ...me['user'], avatarUrl: expect.stringMatching(AVATAR), updatedAt: expect.any(String) },
    ]);
    const shown = await fetch(s.url + body.data.avatarUrl);
    expect([shown.status, shown.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    expect(Object.fromEntries(shown.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-disposition': `inline; filename="${body.data.avatarUrl.slice('/avatars/'.length)}"`,
    });
    const sent = Buffer.from(await shown.arrayBuffer());
    expect((await sharp(sent).metadata()).format).toBe('jpeg');
  });

  it('serves a new picture under a new name, and the old one no longer', async () => {
    const [first, second] = [
      await upload('PUT /me/avatar', [PNG_PICTURE]),
      await upload('PUT /me/avatar', [PNG_PICTURE]),
    ];
    expect(first.body.data.avatarUrl).not.toBe(second.body.data.avatarUrl);
    expect((await s.call(`GET ${first.body.data.avatarUrl}`)).status).toBe(404);
    expect((await s.call(`GET ${second.body.data.avatarUrl}`)).status).toBe(200);
    expect((await files()).filter((name) => first.body.data.avatarUrl.endsWith(name))).toEqual([]);
  });

  it('replaces the picture by the one that WeChat signed', async () => {
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

  it('cannot delete the picture of another user by sending its address', async () => {
    const { avatarUrl } = (await upload('PUT /me/avatar', [PNG_PICTURE])).body.data;
    const wechat = s.wechat.users.create();
    const thief = await s.login(wechat);
    const profile = signedProfile(wechat, { nickName: 'x', avatarUrl });
    await s.call('PUT /me/profile', { token: thief.session_rd, body: profile });
    await uploadTo(s.url)('PUT /me/avatar', thief.session_rd, [file(PNG_PICTURE)]);
    expect((await s.call(`GET ${avatarUrl}`)).status).toBe(200);
  });

  it('keeps the address of a picture whose file is missing, and serves it again when the file is back', async () => {
    const { avatarUrl } = (await upload('PUT /me/avatar', [PNG_PICTURE])).body.data;
    const path = join(s.uploads, avatarUrl);
    await rename(path, join(s.uploads, 'elsewhere'));
    await s.app.get(FileStorage).onModuleInit(); // the next start
    await s.app.get(SweepJob).runNow();
    expect((await s.call(`GET ${avatarUrl}`)).status).toBe(404);
    expect((await s.call('GET /me', { token: me.session_rd })).body.data.avatarUrl).toBe(avatarUrl);
    await rename(join(s.uploads, 'elsewhere'), path);
    expect((await s.call(`GET ${avatarUrl}`)).status).toBe(200);
  });

  it('stores one file after thirty parallel uploads', async () => {
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

describe('a picture that a user uploads', () => {
  given();

  it('removes the position and the camera from a photo, and rotates it upright', async () => {
    const photo = jpeg(400, 200, 6);
    const control = await sharp(photo).metadata(); // control: the photo contains both
    expect([control.orientation, photo.includes(CAMERA)]).toEqual([6, true]);
    expect(control.exif?.includes(Buffer.from([0, 0, 0, 31, 0, 0, 0, 1, 0, 0, 0, 14]))).toBe(true);

    const { avatarUrl } = (await upload('PUT /me/avatar', [photo])).body.data;
    const sent = Buffer.from(await (await fetch(s.url + avatarUrl)).arrayBuffer());
    const { width, height, orientation, exif, xmp, iptc, icc } = await sharp(sent).metadata();
    expect([width, height]).toEqual([200, 400]);
    expect([orientation, exif, xmp, iptc, icc]).toEqual(Array.from({ length: 5 }));
    expect(sent.includes(CAMERA)).toBe(false);
    const [red, , blue] = await sharp(sent)
      .extract({ left: 100, top: 20, width: 1, height: 1 })
      .raw()
      .toBuffer();
    expect([red! > 200, blue! < 50]).toEqual([true, true]); // the left half is above now
  });

  it('reduces the size of a large picture, and not of a small one', async () => {
    for (const [width, height, expected] of [
      [3000, 1500, [1024, 512]],
      [60, 30, [60, 30]],
    ] as const) {
      const { avatarUrl } = (await upload('PUT /me/avatar', [await plain(width, height)])).body
        .data;
      const sent = Buffer.from(await (await fetch(s.url + avatarUrl)).arrayBuffer());
      const metadata = await sharp(sent).metadata();
      expect([metadata.width, metadata.height]).toEqual(expected);
    }
  });

  it.each<[string, number, Parameters<typeof file>[]]>([
    ['a text named x.png', 415, [['no picture', 'x.png']]],
    [
      'an SVG',
      415,
      [['<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 'x.svg']],
    ],
    ['an HTML page', 415, [['<!doctype html>', 'x.png']]],
    ['a TIFF', 415, [[Buffer.from('49492a0008000000', 'hex'), 'x.png']]],
    ['an empty file', 415, [['', 'x.png']]],
    ['the header of a JPEG', 415, [[JPEG_HEADER]]],
    ['half a JPEG', 415, [[jpeg(600, 400).subarray(0, 5000)]]],
    ['half a PNG', 415, [[png(600, 400).subarray(0, 700)]]],
    ['half a WebP', 415, [[WEBP_PICTURE.subarray(0, 30)]]],
    ['half a GIF', 415, [[GIF_PICTURE.subarray(0, 30)]]],
    ['a small file that claims 60,000 × 60,000 pixels', 415, [[hugePng(60_000, 0)]]],
    ['16,000 × 16,000 pixels in a small file', 415, [[hugePng(16_000)]]],
    ['a picture in another field', 400, [[PNG_PICTURE, 'x.png', 'avatar']]],
    [
      '2 MB and one byte',
      413,
      [[Buffer.concat([PNG_PICTURE, Buffer.alloc(2 * MB - PNG_PICTURE.length + 1)])]],
    ],
    ['two pictures', 400, [[PNG_PICTURE], [PNG_PICTURE]]],
    ['no picture', 400, []],
  ])('refuses %s with %i, and stores nothing', async (_, status, parts) => {
    const before = await files();
    const response = await upload('PUT /me/avatar', ...parts);
    expect([response.status, response.body.error, await files()]).toEqual([
      status,
      'ERR_BAD_REQUEST',
      before,
    ]);
  });

  it('refuses a JPEG of thousands of scans before it is decoded, and accepts one of ten', async () => {
    const before = await files();
    const startedAt = performance.now();
    const response = await upload('PUT /me/avatar', [progressiveJpeg(2646)]);
    expect([response.status, response.body.error, await files()]).toEqual([
      415,
      'ERR_BAD_REQUEST',
      before,
    ]);
    const refusedAfter = performance.now() - startedAt;
    expect((await upload('PUT /me/avatar', [progressiveJpeg(7)])).status).toBe(200);
    const decodingAt = performance.now();
    const naive = sharp(progressiveJpeg(300)).timeout({ seconds: 1 }).resize(8).toBuffer();
    await Promise.allSettled([naive]);
    // control: the timeout of sharp does not end the decoding of 300 scans, and 2,646 take nine times as long
    expect(performance.now() - decodingAt).toBeGreaterThan(Math.max(2000, 2 * refusedAfter));
  });

  it('control: all of these have the first bytes of a picture', async () => {
    for (const picture of [
      JPEG_HEADER,
      jpeg(600, 400).subarray(0, 5000),
      png(600, 400).subarray(0, 700),
      hugePng(60_000, 0),
      hugePng(16_000),
    ])
      expect((await fileTypeFromBuffer(picture))?.mime).toMatch(/^image\//);
  });

  it('accepts exactly 2 MB', async () => {
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
  ])('is 404 for a picture with the name %s', async (name) => {
    expect((await s.call(`GET /avatars/${name}`)).status).toBe(404);
  });
});

describe('the address of a picture', () => {
  it.each(['https://api.example.com', 'https://api.example.com/'])(
    'is absolute if PUBLIC_URL is set: %s',
    async (PUBLIC_URL) => {
      const other = await start({ env: { PUBLIC_URL } });
      try {
        const { session_rd: token } = await other.login();
        const { body } = await uploadTo(other.url)('PUT /me/avatar', token, [file(PNG_PICTURE)]);
        const { avatarUrl } = body.data;
        expect(avatarUrl).toMatch(/^https:\/\/api\.example\.com\/avatars\/[0-9a-f]{32}\.jpg$/);
        expect((await other.call('GET /me', { token })).body.data.avatarUrl).toBe(avatarUrl);
        expect((await other.call(`GET ${new URL(avatarUrl).pathname}`)).status).toBe(200);
      } finally {
        await other.close();
      }
    },
  );
});
