import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ConfigError, readConfig } from '../../apps/sample/src/config.js';
import { copyFiles } from '../../apps/sample/src/files/copy.js';
import { FileStorage } from '../../apps/sample/src/files/file-storage.js';
import type { FileStore } from '../../apps/sample/src/files/file-store.js';
import { FolderStore } from '../../apps/sample/src/files/folder-store.js';
import { openStore } from '../../apps/sample/src/files/open-store.js';
import { Scratch } from '../../apps/sample/src/files/scratch.js';
import { StorageUnavailableError } from '../../apps/sample/src/files/storage-errors.js';
import { SweepJob } from '../../apps/sample/src/files/sweep-job.js';
import { RecordingsService } from '../../apps/sample/src/recordings/recordings.service.js';
import type { User } from '../../apps/sample/src/users/user.entity.js';
import { mp3, wav } from '../support/audio.js';
import { createAppDatabase } from '../support/databases.js';
import type { AppDatabase } from '../support/databases.js';
import { file, uploadTo } from '../support/multipart.js';
import { PNG_PICTURE } from '../support/pictures.js';
import { until } from '../support/redis.js';
import { TestS3 } from '../support/s3.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';
import { storedOf } from '../support/stored.js';

const APP = { WECHAT_MINI_APP_ID: 'wx5a4db0c1e2f37608', WECHAT_MINI_APP_SECRET: 'x'.repeat(32) };

let s3: TestS3;
beforeAll(async () => {
  s3 = await TestS3.start();
});
afterEach(() => s3.pass());
afterAll(() => s3.close());

const storeOf = (env: Record<string, string>): Promise<FileStore> =>
  openStore(readConfig({ ...APP, ...env }).storage);

describe('STORAGE_URL', () => {
  const problems = (env: Record<string, string>): string[] => {
    try {
      readConfig({ ...APP, ...env });
      return [];
    } catch (error) {
      return (error as ConfigError).problems;
    }
  };
  const storage = (STORAGE_URL: string) => readConfig({ ...APP, STORAGE_URL }).storage;

  it('names a folder or a bucket', () => {
    expect(storage('')).toEqual({ dir: './var/uploads' });
    expect(storage('file:')).toEqual({ dir: './var/uploads' });
    expect(storage('file:/mnt/uploads')).toEqual({ dir: '/mnt/uploads' });
    expect(storage('file:///mnt/uploads')).toEqual({ dir: '/mnt/uploads' });
    expect(storage('s3://shop-1250000000/a/b/?region=ap-guangzhou')).toMatchObject({
      bucket: 'shop-1250000000',
      prefix: 'a/b/',
      region: 'ap-guangzhou',
      pathStyle: false,
    });
  });

  it.each([
    ['http://127.0.0.1:9000', '', true],
    ['http://minio:9000', '', true],
    ['https://cos.ap-guangzhou.myqcloud.com', '', false],
    ['https://minio.example.com', '', false],
    ['https://minio.example.com', '&path-style=on', true],
  ])('has the bucket in the path of %s%s: %s', (endpoint, more, pathStyle) => {
    expect(storage(`s3://bucket?endpoint=${endpoint}${more}`)).toMatchObject({
      endpoint,
      pathStyle,
    });
  });

  it.each([
    's3://',
    's3://B',
    's3://key:canary@bucket',
    's3://bucket?endpoint=canary',
    's3://bucket?endpoint=https://canary:canary@host',
    's3://bucket?endpoint=https://:canary@host',
    's3://bucket?region=',
    's3://bucket?secret=canary',
    's3://bucket/ä',
    'https://canary.example',
    'canary',
  ])('is refused if it is %s, without its value in the message', (STORAGE_URL) => {
    expect(problems({ STORAGE_URL })).toEqual([expect.stringMatching(/^STORAGE_URL must be /)]);
    expect(problems({ STORAGE_URL }).join()).not.toContain('canary');
  });

  it('is not the trash of another storage, whose sweep would delete its files', () => {
    for (const STORAGE_URL of ['s3://bucket/trash', 's3://bucket/app/trash/', 'file:/mnt/trash'])
      expect(problems({ STORAGE_URL })).toEqual([expect.stringMatching(/must not end with trash/)]);
    expect(problems({ STORAGE_URL: 's3://bucket/trashes' })).toEqual([]);
  });

  it('needs both parts of the credentials, and a bucket for redirects', () => {
    expect(problems({ STORAGE_ACCESS_KEY_ID: 'canary' })).toHaveLength(1);
    expect(problems({ STORAGE_REDIRECT: 'on' })).toHaveLength(1);
    expect(problems({ STORAGE_REDIRECT: 'canary', STORAGE_URL: 's3://bucket' })).toHaveLength(1);
    const { storage: config } = readConfig({
      ...APP,
      ...s3.env(),
      STORAGE_SECRET_ACCESS_KEY: 'canary',
    });
    expect(JSON.stringify(config)).not.toContain('canary');
  });
});

describe('a bucket that cannot be used', () => {
  const reasonOf = async (env: Record<string, string>): Promise<string | undefined> => {
    const store = await storeOf(env);
    const error = await store.read('x').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageUnavailableError);
    return (error as StorageUnavailableError).reason;
  };

  it.each<[string, RegExp, () => Record<string, string>]>([
    ['is missing', /the bucket does not exist/, () => s3.env('missing')],
    [
      'belongs to another key',
      /refuses the credentials. Check STORAGE_ACCESS_KEY_ID/,
      () => ({ ...s3.env(), STORAGE_ACCESS_KEY_ID: 'canary' }),
    ],
    [
      'is not reachable',
      /cannot be reached \(ECONNREFUSED\). Check `endpoint`/,
      () => ({ ...s3.env(), STORAGE_URL: 's3://bucket?endpoint=http://127.0.0.1:1' }),
    ],
  ])('%s: the reason says what to do', async (_, reason, env) => {
    expect(await reasonOf(env())).toMatch(reason);
  });

  it.each([
    [403, 'SignatureDoesNotMatch', /refuses the credentials/], // s3rver accepts every signature
    [403, 'RequestTimeTooSkewed', /the clock .* NTP/],
    [403, 'AccessDenied', /s3:ListBucket/],
    [301, 'PermanentRedirect', /another region/],
    [418, 'Unknown', /responded with 418 Unknown/],
  ])('responds with %i %s: the reason says what to do', async (status, code, reason) => {
    s3.fail({ status, code });
    expect(await reasonOf(s3.env())).toMatch(reason);
  });

  it('breaks off in the middle of a file: an error with a reason, too', async () => {
    s3.fail('cut off');
    const content = await (await storeOf(s3.env())).read('x');
    await expect(text(content!)).rejects.toMatchObject({
      status: 503,
      reason: expect.stringMatching(/^STORAGE_URL \(s3:/),
    });
  });

  it('is dead while two instances start: both start, and neither waits for the other', async () => {
    const database = await createAppDatabase();
    s3.fail('dead');
    const apps = await Promise.all(
      [1, 2].map(() => start({ database: database.config, env: s3.env('uploads/two') })),
    );
    for (const app of apps)
      expect((await app.call('GET /health/ready')).body.data.status).toBe('degraded');
    s3.pass();
    await Promise.all(apps.map((app) => app.close()));
    await database.remove();
  });

  it('does not stop the start: one sentence in the log, uploads are 503, and all else works', async () => {
    const s = await start({ env: { LOG_LEVEL: 'error', ...s3.env('missing') } });
    const { session_rd: token } = await s.login();
    const sentences = () => s.log.map((line) => JSON.parse(line).msg);
    expect(sentences()).toEqual([
      expect.stringMatching(/^STORAGE_URL \(s3:\/\/missing\): the bucket does not exist/),
    ]);
    const { status, body } = await uploadTo(s.url)('POST /recordings', token, [file(mp3(1000))]);
    expect([status, body.error]).toEqual([503, 'ERR_STORE_UNAVAILABLE']);
    expect((await s.call('GET /me', { token })).status).toBe(200);
    expect((await s.call('GET /health/ready')).body.data.status).toBe('degraded');
    await s.close();
  });
});

describe('files in a bucket', () => {
  let s: Started;
  let token: string;
  let database: AppDatabase;
  beforeAll(async () => {
    database = await createAppDatabase();
    const env = { LOG_LEVEL: 'warn', STORAGE_REDIRECT: 'on', ...s3.env() };
    s = await start({ database: database.config, env });
  });
  beforeEach(async () => {
    token = (await s.login()).session_rd;
    s.log.splice(0);
  });
  afterAll(async () => {
    await s.close();
    await database.remove();
  });
  const upload = (sound = mp3(1000)) => uploadTo(s.url)('POST /recordings', token, [file(sound)]);
  const state = async () => (await s.call('GET /health/ready')).body.data.status;
  const parts = () => readdir(join(s.uploads, 'parts'));

  it('are downloaded at a signed address that is valid for five minutes', async () => {
    const { id } = (await upload(wav(1000))).body.data;
    const { status, headers } = await s.call(`GET /recordings/${id}/content`, { token });
    expect([status, headers.get('cache-control')]).toEqual([302, 'private, no-store']);
    const head = await s.call(`HEAD /recordings/${id}/content`, { token });
    expect([head.status, head.headers.get('content-length')]).toEqual([
      200,
      String(wav(1000).length),
    ]);
    const address = headers.get('location') ?? '';
    expect(new URL(address).searchParams.get('X-Amz-Expires')).toBe('300');
    const played = await fetch(address, { headers: { range: 'bytes=10-99' } });
    expect([played.status, played.headers.get('content-type')]).toEqual([206, 'audio/wav']);
    expect(Buffer.from(await played.arrayBuffer()).equals(wav(1000).subarray(10, 100))).toBe(true);
    const expired = address.replace(/X-Amz-Date=\d{8}/, 'X-Amz-Date=20260101');
    expect((await fetch(expired)).status).toBe(403);

    const picture = await uploadTo(s.url)('PUT /me/avatar', token, [file(PNG_PICTURE)]);
    const avatar = await s.call(`GET ${picture.body.data.avatarUrl}`);
    expect([avatar.status, avatar.headers.get('cache-control')]).toEqual([
      302,
      'private, max-age=240',
    ]);
  });

  it('are stored although the storage is overloaded for a moment, and 503 if it stays so', async () => {
    s3.fail({ status: 503, code: 'SlowDown' }, 2, /^PUT/);
    expect((await upload()).status).toBe(201);
    s3.fail({ status: 503, code: 'SlowDown' }, Infinity, /^PUT/);
    const { status, headers, body } = await upload();
    expect([status, headers.get('retry-after'), body.error]).toEqual([
      503,
      '1',
      'ERR_STORE_UNAVAILABLE',
    ]);
    expect(s.log.join()).toContain('responded with 503 SlowDown');
    expect(await parts()).toEqual([]);
  });

  it('are 503 within the deadline while the storage is dead, and nothing else is affected', async () => {
    const { id } = (await upload()).body.data;
    const before = (await s.call('GET /recordings', { token })).body.data;
    s3.fail('dead');
    const begun = performance.now();
    const [stored, read] = await Promise.all([
      upload(),
      s.call(`GET /recordings/${id}/content`, { token }),
      until(async () => (await state()) === 'degraded'),
    ]);
    expect([stored.status, read.status]).toEqual([503, 503]);
    expect(performance.now() - begun).toBeLessThan(9000);
    expect((await s.call('GET /recordings', { token })).body.data).toEqual(before);
    expect((await s.call('GET /health/ready')).status).toBe(200);
    s3.pass();
    await until(async () => (await state()) === 'ok');
    expect((await upload()).status).toBe(201);
    expect(await parts()).toEqual([]);
  });

  it('use no connection to the storage after the client has left, even before the first byte is read', async () => {
    const { id } = (await upload(wav(600_000, 16))).body.data;
    const store = await storeOf(s3.env());
    const contents = await Promise.all([1, 2, 3].map(() => store.read(`recordings/${id}`)));
    expect(s3.unread).toBe(3);
    for (const content of contents) content!.destroy();
    await until(() => s3.unread === 0);
  });

  it('control: keep the connection if only the generator ends the response', async () => {
    const body = Readable.from([Buffer.alloc(1)]);
    const passOn = async function* () {
      try {
        yield* body;
      } finally {
        body.destroy();
      }
    };
    const content = Readable.from(passOn());
    await once(content.destroy(), 'close');
    expect(body.destroyed).toBe(false);
  });

  it('that were stored by a process that died before the row are found by the sweep, page by page', async () => {
    const { write, age, names } = storedOf(s, s3);
    const { id } = (await upload()).body.data;
    const orphans = Array.from({ length: 25 }, (_, n) => n.toString(16).padStart(32, '0'));
    for (const name of orphans) await write(`avatars/${name}`);
    for (const name of orphans) await age(`avatars/${name}`, 1);
    await write('avatars/young');
    const requests = s3.requests.length;
    expect((await s.app.get(SweepJob).runNow()).orphans).toBe(25);
    const heads = s3.requests.slice(requests).filter((line) => line.startsWith('HEAD'));
    expect(heads).toEqual(['HEAD /uploads/app/.clock']); // for the time of the bucket, and none for a file
    expect(await names('avatars')).toContain('young');
    expect(await names('recordings')).toContain(id);
    expect((await names('trash/avatars')).length).toBe(25);
  });

  it('of another storage below their folder are not touched by the sweep', async () => {
    const { write, age, names } = storedOf(s, s3);
    for (const key of ['recordings/recordings/other', 'recordings/.folder-id']) {
      await write(key);
      await age(key, 100);
    }
    expect((await s.app.get(SweepJob).runNow()).orphans).toBe(0);
    expect(await names('recordings/recordings')).toEqual(['other']);
  });

  it('stay if their row was written after the sweep had read the rows', async () => {
    const { age, names } = storedOf(s, s3);
    const { id } = (await upload()).body.data;
    await age(`recordings/${id}`, 1);
    jest.spyOn(s.app.get(RecordingsService), 'page').mockResolvedValue([]);
    await s.app.get(SweepJob).runNow();
    jest.restoreAllMocks();
    expect(await names('recordings')).toContain(id);
  });

  it('stay if the connection to the database is lost after the row was committed', async () => {
    const service = s.app.get(RecordingsService) as any;
    const insert = service.insert.bind(service);
    jest.spyOn(service, 'insert').mockImplementation(async (...row) => {
      await insert(...row);
      throw new Error('Connection terminated unexpectedly');
    });
    expect((await upload()).status).toBe(503);
    jest.restoreAllMocks();
    const [{ id }] = (await s.call('GET /recordings', { token })).body.data;
    expect((await s.call(`HEAD /recordings/${id}/content`, { token })).status).toBe(200);
  });

  it('are removed with their row, also by an id in capital letters', async () => {
    const { id } = (await upload()).body.data;
    const { status } = await s.call(`DELETE /recordings/${id.toUpperCase()}`, { token });
    expect([status, await storedOf(s, s3).names('recordings')]).toEqual([
      200,
      expect.not.arrayContaining([id]),
    ]);
  });

  it('do not delay the deletion of their account while the storage is dead', async () => {
    for (let n = 0; n < 20; n++) expect((await upload()).status).toBe(201);
    const { id } = (await s.call('GET /me', { token })).body.data;
    s3.fail('dead');
    const begun = performance.now();
    await s.app.get(RecordingsService).deleteAll({ id } as User);
    expect((await s.call('GET /recordings', { token })).body.data).toEqual([]);
    expect(performance.now() - begun).toBeLessThan(9000); // the deadline of a call is 5 s
  });

  it('leave no secret in the log', async () => {
    s3.fail({ status: 403, code: 'SignatureDoesNotMatch' });
    await upload();
    const log = s.log.join();
    expect(log).toContain('STORAGE_ACCESS_KEY_ID');
    expect(log).not.toMatch(/S3RVER|Signature=|canary/);
  });

  it('belong to one database: another one refuses uploads and changes nothing', async () => {
    await upload();
    const { names } = storedOf(s, s3);
    const before = await names('recordings');
    const other = await start({ env: { LOG_LEVEL: 'warn', ...s3.env() } });
    await expect(other.app.get(SweepJob).runNow()).rejects.toThrow(StorageUnavailableError);
    expect(other.log.join()).toMatch(/s3:\/\/uploads\/app\) belongs to another database/);
    const { session_rd } = await other.login();
    const refused = await uploadTo(other.url)('POST /recordings', session_rd, [file(mp3(1000))]);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '60']);
    expect(await names('recordings')).toEqual(before);
    await other.close();
  });
});

describe('npm run files -- copy', () => {
  let root: string;
  let from: FileStore;
  let to: FileStore;
  const lines: string[] = [];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'nestjs-wechat-copy-'));
    from = new FolderStore(join(root, 'uploads'));
    await from.create();
    to = await storeOf(s3.env('uploads/copies'));
    lines.splice(0);
    await writeFile(join(root, 'uploads/.folder-id'), 'f4b0e7c5-0000-4000-8000-000000000000\n');
    for (let n = 0; n < 20; n++)
      await writeFile(join(root, 'uploads/recordings', `${n}`.padStart(3, '0')), `sound ${n}`);
  });
  afterEach(() => rm(root, { recursive: true }));
  const copy = async () => {
    const scratch = new Scratch(join(root, 'parts'));
    await scratch.create();
    await copyFiles({ from, to, scratch, report: (line) => void lines.push(line) });
  };
  const contentOf = async (key: string) => {
    const content = await to.read(key);
    return content && text(content);
  };

  it('continues after an interruption, verifies each file, and deletes nothing', async () => {
    s3.fail({ status: 500, code: 'InternalError' }, Infinity, /^PUT .*copying-01/);
    await expect(copy()).rejects.toThrow(StorageUnavailableError);
    expect(await contentOf('recordings/015')).toBeUndefined();
    s3.pass();
    await copy();
    for (let n = 0; n < 20; n++)
      expect(await contentOf(`recordings/${`${n}`.padStart(3, '0')}`)).toBe(`sound ${n}`);
    expect(lines.filter((line) => line.startsWith('recordings')).at(-1)).toMatch(
      /^recordings: \d+ copied, (1?\d|20) were there$/,
    );
    expect(await contentOf('.folder-id')).toMatch(/^f4b0e7c5/);
    expect((await readdir(join(root, 'uploads/recordings'))).length).toBe(20);
    expect(await readdir(join(root, 'parts'))).toEqual([]);

    await copy();
    expect(lines.at(-2)).toBe('recordings: 0 copied, 20 were there');
  });

  it('refuses a bucket of another database', async () => {
    await copy();
    await writeFile(join(root, 'uploads/.folder-id'), '00000000-0000-4000-8000-000000000000\n');
    await expect(copy()).rejects.toThrow('belongs to another database');
    expect(await readFile(join(root, 'uploads/.folder-id'), 'utf8')).toMatch(/^0/);
  });

  it('leaves nothing for ever if it is interrupted and the file is then deleted', async () => {
    const app = await start({ env: s3.env('uploads/interrupted') });
    to = await storeOf(s3.env('uploads/interrupted'));
    await writeFile(join(root, 'uploads/.folder-id'), (await contentOf('.folder-id')) ?? '');
    await writeFile(join(root, 'uploads/recordings/000'), 'sound');
    const { names } = storedOf(app);
    s3.fail({ status: 500, code: 'InternalError' }, Infinity, /^GET .*copying-000/);
    await expect(copy()).rejects.toThrow(StorageUnavailableError);
    s3.pass();
    await rm(join(root, 'uploads/recordings/000'));
    await copy();
    const sweep = async (now: number) => {
      jest.spyOn(app.app.get(FileStorage), 'now').mockResolvedValue(now);
      await app.app.get(SweepJob).runNow();
      return names('trash/recordings');
    };
    expect(await sweep(Date.now())).toContain('copying-000'); // another copy may be writing it now
    expect(await sweep(Date.now() + 31 * 86_400_000)).not.toContain('copying-000');
    jest.restoreAllMocks();
    await app.close();
  });

  it('gives no name to a file whose content arrives changed', async () => {
    const put = to.put.bind(to);
    await writeFile(join(root, 'uploads/recordings/100'), 'sound');
    jest.spyOn(to, 'put').mockImplementation(async (key, part) => {
      if (key.includes('100')) await writeFile(part.path, 'SOUND');
      return put(key, part);
    });
    await expect(copy()).rejects.toThrow('has another content');
    expect(await contentOf('recordings/100')).toBeUndefined();
  });
});
