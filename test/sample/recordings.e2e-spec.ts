import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileTypeFromBuffer } from 'file-type';
import { parseBuffer } from 'music-metadata';
import { DataSource } from 'typeorm';
import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { FileStorage } from '../../apps/sample/src/files/file-storage.js';
import { FolderStore } from '../../apps/sample/src/files/folder-store.js';
import { SweepJob } from '../../apps/sample/src/files/sweep-job.js';
import { Uploads } from '../../apps/sample/src/files/uploads.js';
import { checkQuota } from '../../apps/sample/src/recordings/recording-quota.js';
import { Recording } from '../../apps/sample/src/recordings/recording.entity.js';
import { RecordingsService } from '../../apps/sample/src/recordings/recordings.service.js';
import { aac, id3, m4a, mp3, taggedWav, wav } from '../support/audio.js';
import { describeOnEachDatabase } from '../support/databases.js';
import { until } from '../support/redis.js';
import { BOUNDARY, file, multipart, uploadTo } from '../support/multipart.js';
import type { Part } from '../support/multipart.js';
import { TestS3 } from '../support/s3.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';
import { storedOf } from '../support/stored.js';
import type { Stored } from '../support/stored.js';

const NOT_FOUND = {
  code: 404,
  msg: 'not found',
  data: null,
  success: false,
  error: 'ERR_NOT_FOUND',
};
const MISSING = {
  code: 410,
  msg: 'the file of this recording is missing; it may come back',
  data: null,
  success: false,
  error: 'ERR_FILE_MISSING',
};
const NO_ID = '5b0f6b1c-7f0e-4c55-9a57-3f2c7f6a1d20';
const MB = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/** Returns the longest delay of the event loop during `work`, in milliseconds. */
async function longestDelay(work: () => Promise<void>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  await sleep(20); // the monitor starts with its first tick
  await work();
  await sleep(20); // a late tick is counted when it occurs
  delay.disable();
  return delay.max / 1e6;
}

/** Starts an app. Each test has a new logged-in user. With a PostgreSQL server, the files are in a bucket. */
function given(database?: () => DatabaseConfig) {
  const context = {} as { s: Started; token: string; stored: Stored };
  let s3: TestS3 | undefined;
  beforeAll(async () => {
    const config = database?.();
    s3 = config && 'url' in config ? await TestS3.start() : undefined;
    context.s = await start({ database: config, env: { LOG_LEVEL: 'warn', ...s3?.env() } });
    context.stored = storedOf(context.s, s3);
  });
  beforeEach(async () => {
    context.token = (await context.s.login()).session_rd;
    context.s.log.splice(0);
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(async () => {
    await context.s.close();
    await s3?.close();
  });
  const upload = (route: string, token: string, parts: Part[] | Buffer) =>
    uploadTo(context.s.url)(route, token, parts);
  return {
    context,
    upload,
    files: () => context.stored.count(),
    record: async (sound = mp3(1000), ...fields: Part[]) =>
      (await upload('POST /recordings', context.token, [...fields, file(sound)])).body.data,
  };
}

describeOnEachDatabase('recordings', (database) => {
  const { context, upload, files, record } = given(database);
  /** Checks the files as a start of the app does, and compares them with their rows. */
  const restart = async () => {
    await context.s.app.get(FileStorage).onModuleInit();
    await context.s.app.get(SweepJob).runNow();
  };
  const sql = (query: string, ...values: unknown[]) =>
    context.s.app.get(DataSource).query(query, values);

  it.each([
    ['mp3', mp3(2000), 'audio/mpeg'],
    ['m4a', m4a(2000), 'audio/mp4'],
    ['aac', aac(2000), 'audio/aac'],
    ['wav', wav(2000), 'audio/wav'],
  ])('are stored, listed, played and deleted: %s', async (format, sound, type) => {
    const { status, body } = await upload('POST /recordings', context.token, [file(sound)]);
    const { id } = body.data;
    expect([status, body]).toEqual([
      201,
      {
        code: 200,
        msg: 'ok',
        data: {
          id: expect.any(String),
          format,
          fileSize: sound.length,
          duration: expect.any(Number),
          status: 'ok',
          createdAt: expect.any(String),
        },
        success: true,
      },
    ]);
    expect(Math.abs(body.data.duration - 2000)).toBeLessThan(100);
    expect((await context.s.call('GET /recordings', { token: context.token })).body.data).toEqual([
      body.data,
    ]);
    expect(
      (await context.s.call(`GET /recordings/${id}`, { token: context.token })).body.data,
    ).toEqual(body.data);

    const played = await fetch(`${context.s.url}/recordings/${id}/content`, {
      headers: { authorization: `Bearer ${context.token}` },
    });
    expect(Buffer.from(await played.arrayBuffer()).equals(sound)).toBe(true);
    expect(Object.fromEntries(played.headers)).toMatchObject({
      'content-type': type,
      'content-length': String(sound.length),
      'content-disposition': `inline; filename="${id}.${format}"`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-store',
      'accept-ranges': 'bytes',
    });

    const before = await files();
    expect(
      (await context.s.call(`DELETE /recordings/${id}`, { token: context.token })).body,
    ).toEqual({
      code: 200,
      msg: 'ok',
      data: null,
      success: true,
    });
    for (const route of [
      `GET /recordings/${id}`,
      `GET /recordings/${id}/content`,
      `DELETE /recordings/${id}`,
    ])
      expect((await context.s.call(route, { token: context.token })).body).toEqual(NOT_FOUND);
    expect([
      (await context.s.call('GET /recordings', { token: context.token })).body.data,
      await files(),
    ]).toEqual([[], before - 1]);
  });

  it('have the format of their content, independent of their name and type', async () => {
    for (const name of [
      '../../../etc/passwd',
      '/etc/cron.d/x',
      'C:\\\\x.wav',
      'x.txt',
      '.',
      '',
      'a'.repeat(300),
      '录音 🎤.mp3',
      'http://tmp/x.png',
    ]) {
      const { status, body } = await upload('POST /recordings', context.token, [
        { value: wav(500), filename: name, type: 'image/png' },
      ]);
      expect([name, status, body.data?.format]).toEqual([name, 201, 'wav']);
      expect(await context.stored.names('recordings')).toContain(body.data.id);
    }
  });

  it('are accepted from Android, which writes plain MP4, but not with a video track', async () => {
    expect((await record(m4a(1000, 'mp42'))).format).toBe('m4a');
    expect((await record(m4a(1000, 'isom'))).format).toBe('m4a');
    expect(
      (await upload('POST /recordings', context.token, [file(m4a(1000, 'isom', 'vide'))])).status,
    ).toBe(415);
  });

  it('are listed, the newest first', async () => {
    const ids = [];
    for (let n = 0; n < 3; n++) ids.unshift((await record()).id);
    expect(
      (await context.s.call('GET /recordings', { token: context.token })).body.data.map(
        ({ id }: { id: string }) => id,
      ),
    ).toEqual(ids);
  });

  describe('of another user', () => {
    it('are 404', async () => {
      const { id } = await record();
      const { session_rd: other } = await context.s.login();
      for (const route of [
        `GET /recordings/${id}`,
        `GET /recordings/${id}/content`,
        `HEAD /recordings/${id}/content`,
        `DELETE /recordings/${id}`,
        `GET /recordings/${NO_ID}`,
        'GET /recordings/1',
        'GET /recordings/%00',
        'GET /recordings/..%2f..%2fetc%2fpasswd/content',
      ]) {
        const { status, body } = await context.s.call(route, { token: other });
        expect([route, status, body]).toEqual([
          route,
          404,
          route.startsWith('HEAD') ? '' : NOT_FOUND,
        ]);
      }
      expect((await context.s.call('GET /recordings', { token: other })).body.data).toEqual([]);
      expect((await context.s.call(`GET /recordings/${id}`, { token: context.token })).status).toBe(
        200,
      );
    });

    it('are 401 without a session', async () => {
      const { id } = await record();
      const before = await files();
      for (const route of [
        'GET /recordings',
        `GET /recordings/${id}/content`,
        `DELETE /recordings/${id}`,
      ])
        expect((await context.s.call(route)).status).toBe(401);
      expect((await upload('POST /recordings', 'srd_unknown', [file(mp3(1000))])).status).toBe(401);
      expect(await files()).toBe(before);
    });
  });

  describe('after a failure', () => {
    it('leave no file if the client disconnects during the upload', async () => {
      const before = await files();
      const body = multipart([file(mp3(60_000))]);
      const head = `POST /recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${context.token}\r\nContent-Length: ${body.length}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`;
      for (const end of ['destroy', 'resetAndDestroy', 'end'] as const) {
        const socket = connect(Number(new URL(context.s.url).port), '127.0.0.1').on(
          'error',
          () => {},
        );
        socket.write(head);
        socket.write(body.subarray(0, 100_000));
        while ((await files()) === before) await sleep(5); // a part of it is on disk
        socket[end]();
        while ((await files()) > before) await sleep(5);
      }
      expect((await context.s.call('GET /recordings', { token: context.token })).body.data).toEqual(
        [],
      );
    });

    it('leave no file if the form ends before the file is open', async () => {
      const before = await files();
      const { open } = fs.promises;
      jest.spyOn(fs.promises, 'open').mockImplementationOnce(async (...path) => {
        await sleep(100);
        return open(...path);
      });
      const truncated = multipart([file(mp3(1000))]).subarray(0, 2000);
      expect((await upload('POST /recordings', context.token, truncated)).status).toBe(400);
      expect(await files()).toBe(before);
    });

    it('are 503 on a full disk, and leave no file', async () => {
      const before = await files();
      const { open } = fs.promises;
      jest.spyOn(fs.promises, 'open').mockImplementationOnce(() => open('/dev/full', 'w')); // the device of Linux that is always full
      const { status, headers, body } = await upload('POST /recordings', context.token, [
        file(mp3(60_000)),
      ]);
      expect([status, headers.get('retry-after'), body]).toEqual([
        503,
        '1',
        {
          code: 503,
          msg: 'files cannot be stored now; try again later',
          data: null,
          success: false,
          error: 'ERR_STORE_UNAVAILABLE',
        },
      ]);
      expect(context.s.log.join()).toContain('ENOSPC');
      jest.restoreAllMocks();
      expect([
        await files(),
        (await upload('POST /recordings', context.token, [file(mp3(1000))])).status,
      ]).toEqual([before, 201]);
    });

    it('are refused with 503 when the disk has less than 500 MB left', async () => {
      const free = (bytes: number, delay = 0) =>
        jest
          .spyOn(fs.promises, 'statfs')
          .mockImplementation(() =>
            sleep(delay, { bavail: bytes / 4096, bsize: 4096 } as fs.StatsFs),
          );
      const before = await files();
      free(520 * MB - 4096);
      const { status, headers, body } = await upload('POST /recordings', context.token, [
        file(mp3(1000)),
      ]);
      expect([status, headers.get('retry-after'), body.error, await files()]).toEqual([
        503,
        '60',
        'ERR_STORE_UNAVAILABLE',
        before,
      ]);
      free(520 * MB); // 500 MB and the largest file
      expect((await upload('POST /recordings', context.token, [file(mp3(1000))])).status).toBe(201);
      free(520 * MB, 300); // so that the uploads overlap
      const statuses = await Promise.all(
        [1, 2, 3].map(
          async () => (await upload('POST /recordings', context.token, [file(mp3(1000))])).status,
        ),
      );
      expect(statuses).toContain(503); // the three uploads could exceed the free space
    });

    it('leave no file if the database refuses the row', async () => {
      const before = await files();
      jest
        .spyOn(context.s.app.get(RecordingsService) as any, 'insert')
        .mockRejectedValue(new Error('boom'));
      expect((await upload('POST /recordings', context.token, [file(mp3(1000))])).status).toBe(500);
      expect(await files()).toBe(before);
    });

    it('are 401 and leave no file if the account is deleted during the upload', async () => {
      const { session_rd, user } = await context.s.login();
      const before = await files();
      const service = context.s.app.get(RecordingsService) as any;
      const insert = service.insert.bind(service);
      jest.spyOn(service, 'insert').mockImplementation(async (row) => {
        await sql('DELETE FROM users WHERE id = $1', user.id);
        return insert(row);
      });
      const { status, body } = await upload('POST /recordings', session_rd, [file(mp3(1000))]);
      expect([status, body.error, await files()]).toEqual([401, 'ERR_WECHAT_SESSION', before]);
    });

    it('are listed in pages, which new recordings do not move', async () => {
      const { session_rd: token, user } = await context.s.login();
      const rows = Array.from({ length: 7 }, (_, n) => ({
        id: randomUUID(),
        createdAt: `2026-11-20T08:00:00.00000${Math.floor(n / 2)}Z`, // pairs, a microsecond apart
      }));
      const insert = (row: { id: string; createdAt: string }) =>
        sql(
          `INSERT INTO recordings (id, user_id, format, file_size, duration, created_at) VALUES ($1, $2, 'mp3', 1, 1, $3)`,
          ...[row.id, user.id, row.createdAt],
        );
      for (const row of rows) await insert(row);
      const get = (query: string, as = token) =>
        context.s.call(`GET /recordings${query}`, { token: as });
      const ids = async (query: string): Promise<string[]> =>
        (await get(query)).body.data.map(({ id }: { id: string }) => id);
      const all = await ids('');
      expect(all.toSorted()).toEqual(rows.map(({ id }) => id).toSorted());

      const pages = [await ids('?limit=3')];
      await insert({ id: randomUUID(), createdAt: '2026-11-20T09:00:00Z' });
      while (pages.at(-1)!.length > 0)
        pages.push(await ids(`?limit=3&before=${pages.at(-1)!.at(-1)}`));
      expect(pages.map(({ length }) => length)).toEqual([3, 3, 1, 0]);
      expect(pages.flat()).toEqual(all);

      const { session_rd: stranger } = await context.s.login();
      for (const [query, as] of [
        [`?before=${all[0]}`, stranger],
        [`?before=${randomUUID()}`, token],
        ['?before=x', token],
        ['?limit=0', token],
        ['?limit=101', token],
      ] as const)
        expect([query, (await get(query, as)).status]).toEqual([query, 400]);
    });

    it('lose nothing after a crash: a file without a row moves to the trash, and a row without a file is 410', async () => {
      const { stored, s } = context;
      const [kept, lost] = [await record(), await record()];
      const part = (name: string) => join(s.uploads, 'parts', name);
      const old = new Date(Date.now() - 2 * 3600_000);
      await stored.write(`recordings/${NO_ID}`);
      for (const name of [NO_ID, kept.id]) await stored.age(`recordings/${name}`, 1);
      for (const name of [`${NO_ID}.part`, 'young.part']) await writeFile(part(name), 'x'); // of another instance
      await utimes(part(`${NO_ID}.part`), old, old);
      await stored.move(`recordings/${lost.id}`, lost.id);
      const call = (route: string) => s.call(route, { token: context.token });
      expect((await call(`GET /recordings/${lost.id}/content`)).body).toEqual(MISSING);
      expect((await call(`GET /recordings/${lost.id}`)).status).toBe(200); // no request has searched for the file yet

      await restart();

      const names = [...(await stored.names('recordings')), ...(await stored.parts())];
      expect(
        [NO_ID, `${NO_ID}.part`, 'young.part', kept.id].map((name) => names.includes(name)),
      ).toEqual([false, false, true, true]);
      expect(await stored.names('trash/recordings')).toContain(NO_ID);
      expect((await call('GET /recordings')).body.data).toEqual([lost, kept]);
      for (const route of [`GET /recordings/${lost.id}`, `GET /recordings/${lost.id}/content`])
        expect([route, (await call(route)).body]).toEqual([route, MISSING]);

      await stored.move(lost.id, `recordings/${lost.id}`); // the file is back
      expect((await call(`GET /recordings/${lost.id}`)).body.data).toEqual(lost);
      expect((await call(`GET /recordings/${lost.id}/content`)).status).toBe(200);
      await rm(part('young.part'));
    });

    it('stay if the clock of this machine is two hours ahead, while they wait for their row', async () => {
      const { stored, s } = context;
      const [{ id }, part] = [await record(), join(s.uploads, 'parts', 'young.part')];
      await writeFile(part, 'x');
      const [row] = await sql('SELECT * FROM recordings WHERE id = $1', id);
      await sql('DELETE FROM recordings WHERE id = $1', id); // it is not committed yet
      const { now } = Date;
      jest.spyOn(Date, 'now').mockImplementation(() => now() + 2 * 3600_000);
      await restart();
      expect(await stored.names('recordings')).toContain(id);
      expect(await stored.parts()).toEqual(['young.part']);
      jest.restoreAllMocks();
      await stored.names('recordings').catch(() => undefined); // S3 refuses one request; its client then knows the difference of the clocks
      await sql(
        'INSERT INTO recordings SELECT * FROM json_populate_record(null::recordings, $1)',
        row,
      );
      const { status } = await s.call(`GET /recordings/${id}/content`, { token: context.token });
      expect(status).toBe(200);
      await rm(part);
    });

    it('control: a sweep by the clock of this machine moves them to the trash', async () => {
      const { stored, s } = context;
      const { id } = await record();
      await sql('DELETE FROM recordings WHERE id = $1', id);
      jest.spyOn(s.app.get(FileStorage), 'now').mockResolvedValue(Date.now() + 2 * 3600_000);
      await restart();
      expect(await stored.names('trash/recordings')).toContain(id);
    });

    it('return from the trash when their row is back, and are deleted from it after UPLOAD_TRASH_AGE', async () => {
      const { stored } = context;
      const { id } = await record();
      const [row] = await sql('SELECT * FROM recordings WHERE id = $1', id);
      await stored.age(`recordings/${id}`, 1);
      await sql('DELETE FROM recordings WHERE id = $1', id); // as in an older copy of the database
      await restart();
      expect(await stored.names('trash/recordings')).toContain(id);
      await sql(
        'INSERT INTO recordings SELECT * FROM json_populate_record(null::recordings, $1)',
        row,
      );
      await restart();
      expect(
        (await context.s.call(`GET /recordings/${id}/content`, { token: context.token })).status,
      ).toBe(200);

      await stored.write('trash/recordings/forgotten');
      await stored.age('trash/recordings/forgotten', 29);
      await restart();
      expect(await stored.names('trash/recordings')).toContain('forgotten');
      await stored.age('trash/recordings/forgotten', 31);
      await restart();
      expect(await stored.names('trash/recordings')).not.toContain('forgotten');
    });
  });

  describe('in parts', () => {
    const size = 8044;
    let id: string;
    beforeEach(async () => {
      ({ id } = await record(wav(1000)));
    });
    const get = (headers: Record<string, string>, method = 'GET') =>
      fetch(`${context.s.url}/recordings/${id}/content`, {
        method,
        headers: { authorization: `Bearer ${context.token}`, ...headers },
      });

    it.each([
      ['bytes=0-99', 0, 99],
      ['bytes=100-', 100, size - 1],
      ['bytes=-100', size - 100, size - 1],
      ['bytes=0-', 0, size - 1],
      ['bytes=8000-999999', 8000, size - 1],
      ['bytes=-999999', 0, size - 1],
      [`bytes=${size - 1}-${size - 1}`, size - 1, size - 1],
    ])('%s is 206', async (range, from, to) => {
      const response = await get({ range });
      expect([
        response.status,
        response.headers.get('content-range'),
        response.headers.get('content-length'),
      ]).toEqual([206, `bytes ${from}-${to}/${size}`, String(to - from + 1)]);
      expect(
        Buffer.from(await response.arrayBuffer()).equals(wav(1000).subarray(from, to + 1)),
      ).toBe(true);
    });

    it.each([`bytes=${size}-`, 'bytes=99999-100000', 'bytes=-0'])('%s is 416', async (range) => {
      const response = await get({ range });
      expect([
        response.status,
        response.headers.get('content-range'),
        await response.json(),
      ]).toEqual([
        416,
        `bytes */${size}`,
        {
          code: 416,
          msg: expect.any(String),
          data: null,
          success: false,
          error: 'ERR_BAD_REQUEST',
        },
      ]);
    });

    it.each([
      'bytes=5-1',
      'bytes=',
      'bytes=-',
      'bytes=a-b',
      'lines=0-1',
      'bytes=0-1,5-9',
      'bytes=1e3-',
      `bytes=${'9'.repeat(400)}-`,
    ])('%s is not a valid range, so the whole file is sent', async (range) => {
      const response = await get({ range });
      expect([
        response.status,
        (await response.arrayBuffer()).byteLength,
        response.headers.has('content-range'),
      ]).toEqual([200, size, false]);
    });

    it('sends a part only if the file is the same: If-Range', async () => {
      const etag = (await get({})).headers.get('etag') ?? '';
      expect((await get({ range: 'bytes=0-9', 'if-range': etag })).status).toBe(206);
      expect((await get({ range: 'bytes=0-9', 'if-range': '"another"' })).status).toBe(200);
    });

    it('returns only the headers for HEAD', async () => {
      const response = await get({}, 'HEAD');
      expect([
        response.status,
        response.headers.get('content-length'),
        (await response.arrayBuffer()).byteLength,
      ]).toEqual([200, String(size), 0]);
    });
  });
});

describeOnEachDatabase('the quota of a user', (database) => {
  let s: Started;
  let token: string;
  const size = mp3(1000).length;
  beforeAll(async () => {
    s = await start({
      database: database(),
      env: { UPLOAD_QUOTA: '20KB', UPLOAD_MAX_FILES: '6' },
    });
  });
  afterEach(() => jest.restoreAllMocks());
  beforeEach(async () => {
    token = (await s.login()).session_rd;
  });
  afterAll(() => s.close());
  const upload = async (sound = mp3(1000)) =>
    uploadTo(s.url)('POST /recordings', token, [file(sound)]);
  const list = async () =>
    (await s.call('GET /recordings', { token })).body.data as { id: string; fileSize: number }[];
  const bytes = async () => (await list()).reduce((sum, { fileSize }) => sum + fileSize, 0);

  it('limits the bytes, returns the used and allowed amounts, and shrinks after a deletion', async () => {
    for (let n = 0; n < 4; n++) expect((await upload()).status).toBe(201);
    const { status, body } = await upload(mp3(2000));
    expect([status, body]).toEqual([
      409,
      {
        code: 409,
        msg: 'quota exceeded; delete recordings first',
        data: { used: { bytes: 4 * size, files: 4 }, allowed: { bytes: 20_480, files: 6 } },
        success: false,
        error: 'ERR_QUOTA',
      },
    ]);
    const [{ id } = { id: '' }] = await list();
    await s.call(`DELETE /recordings/${id}`, { token });
    expect((await upload(mp3(2000))).status).toBe(201);
  });

  it('limits the number of files, and refuses the next one before it is read', async () => {
    for (let n = 0; n < 6; n++) expect((await upload(mp3(200))).status).toBe(201);
    expect((await upload(Buffer.alloc(10))).body.error).toBe('ERR_QUOTA'); // not 415
  });

  it('is not exceeded by thirty parallel uploads, and refused uploads leave no file', async () => {
    const { count } = storedOf(s);
    const before = await count();
    const statuses = (await Promise.all(Array.from({ length: 30 }, () => upload()))).map(
      ({ status }) => status,
    );
    expect(statuses.filter((status) => status === 201)).toHaveLength(5); // of 4,032 bytes each
    expect(statuses.filter((status) => status === 409)).toHaveLength(25);
    expect(await bytes()).toBeLessThanOrEqual(20_480);
    expect(await count()).toBe(before + 5);
  });

  it('allows four uploads of a user at a time, so uploads that never end do not affect other users', async () => {
    const folder = join(s.uploads, 'parts');
    const other = (await s.login()).session_rd;
    jest
      .spyOn(fs.promises, 'statfs')
      .mockResolvedValue({ bavail: (620 * MB) / 4096, bsize: 4096 } as fs.StatsFs);
    const parts = async () =>
      (await readdir(folder)).filter((name) => name.endsWith('.part')).length;
    const head = `POST /recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: 9999999\r\n\r\n`;
    const sockets = Array.from({ length: 30 }, () => {
      const socket = connect(Number(new URL(s.url).port), '127.0.0.1').on('error', () => {});
      socket.write(head);
      socket.write(multipart([file(mp3(1000))]).subarray(0, 2000));
      return socket;
    });
    await until(async () => (await parts()) === 4);
    expect((await uploadTo(s.url)('POST /recordings', other, [file(mp3(1000))])).status).toBe(201);
    expect(await parts()).toBe(4);
    for (const socket of sockets) socket.destroy();
    await until(async () => (await parts()) === 0);
    expect((await upload()).status).not.toBe(503);
  });

  it('control: thirty reservations of one user block the uploads of all users', async () => {
    jest
      .spyOn(fs.promises, 'statfs')
      .mockResolvedValue({ bavail: (620 * MB) / 4096, bsize: 4096 } as fs.StatsFs);
    const reservations = await Promise.allSettled(
      Array.from({ length: 30 }, () => s.app.get(Uploads).reserve(20 * MB)),
    );
    const refused = reservations.filter(({ status }) => status === 'rejected');
    for (const one of reservations) if (one.status === 'fulfilled') one.value();
    expect(refused).toHaveLength(24);
  });

  it('control: is exceeded by parallel uploads if the files are counted before the insert', async () => {
    const { id: userId } = (await s.call('GET /me', { token })).body.data;
    const db = s.app.get(DataSource).manager;
    const naive = async () => {
      await checkQuota(db, userId, { bytes: 20_480, files: 6 }, size);
      await db.insert(Recording, {
        id: randomUUID(),
        userId,
        format: 'mp3',
        fileSize: size,
        duration: 1,
      });
    };
    await Promise.allSettled(Array.from({ length: 30 }, naive));
    expect(await bytes()).toBeGreaterThan(20_480);
  });

  it('is separate for each user', async () => {
    for (let n = 0; n < 4; n++) await upload();
    token = (await s.login()).session_rd;
    expect((await upload()).status).toBe(201);
  });
});

describe('the files of recordings', () => {
  const { context, upload, files, record } = given();

  describe('with values from the client', () => {
    it('have the duration and size of their content', async () => {
      const sound = mp3(3000);
      for (const [duration, fileSize] of [
        ['3000', String(sound.length)],
        ['3040.5', ''],
        ['600000', '1'],
        ['0', '20971520'],
      ]) {
        const fields = [
          { name: 'duration', value: duration! },
          { name: 'fileSize', value: fileSize! },
        ];
        expect(await record(sound, ...fields)).toMatchObject({
          duration: 3024,
          fileSize: sound.length,
        });
      }
      expect(context.s.log.map((line) => JSON.parse(line).msg)).toEqual([
        'A client reported wrong values for a recording: duration 600000, not 3024 ms.',
        `A client reported wrong values for a recording: fileSize 1, not ${sound.length} bytes.`,
        'A client reported wrong values for a recording: duration 0, not 3024 ms.',
        `A client reported wrong values for a recording: fileSize 20971520, not ${sound.length} bytes.`,
      ]);
    });

    it('accept further fields before and after the file, with any names', async () => {
      const parts = [
        { name: 'note', value: '你好' },
        { name: '__proto__', value: 'x' },
        { name: 'constructor', value: 'x' },
        file(mp3(1000)),
        { name: 'duration', value: '1000' },
        { name: 'user_id', value: 'someone' },
      ];
      expect((await upload('POST /recordings', context.token, parts)).status).toBe(201);
      expect(({} as { x?: unknown }).x).toBeUndefined();
    });

    it.each(['abc', '-1', '1e3', 'NaN', '1'.repeat(40), ' '])(
      'are refused with %j as a number',
      async (duration) => {
        const before = await files();
        const { status, body } = await upload('POST /recordings', context.token, [
          { name: 'duration', value: duration },
          file(mp3(1000)),
        ]);
        expect([status, body.error, await files()]).toEqual([400, 'ERR_BAD_REQUEST', before]);
      },
    );
  });

  describe('as phones write them', () => {
    it.each<[string, Buffer, Buffer]>([
      ['a few random bytes before the first frame', Buffer.from('00c3a97e0b', 'hex'), NOTHING],
      ['random bytes that look like another format', Buffer.from('a1b2c3d4e5', 'hex'), NOTHING],
      ['a block of zeros before the first frame', Buffer.alloc(4096), NOTHING],
      ['a block of zeros after the last frame', NOTHING, Buffer.alloc(3312)],
      ['both', Buffer.alloc(32_000), Buffer.alloc(500_000)],
    ])('have the duration of their audio: mp3 with %s', async (_, before, after) => {
      const sound = Buffer.concat([before, mp3(3096), after]);
      expect(await record(sound)).toMatchObject({
        format: 'mp3',
        duration: 3096,
        fileSize: sound.length,
      });
    });

    it('control: file-type does not detect the first, and music-metadata counts the zeros of the second', async () => {
      expect(await fileTypeFromBuffer(Buffer.concat([Buffer.alloc(4096), mp3(3096)]))).toBe(
        undefined,
      );
      const { format } = await parseBuffer(Buffer.concat([mp3(3096), Buffer.alloc(3312)]), {
        path: 'x.mp3',
        size: mp3(3096).length + 3312,
      });
      expect(Math.round((format.duration ?? 0) * 1000)).toBe(3924);
    });

    it('have the duration of their audio: aac with zeros at its end', async () => {
      expect(await record(Buffer.concat([aac(2000), Buffer.alloc(5000)]))).toMatchObject({
        format: 'aac',
        duration: (await record(aac(2000))).duration,
      });
    });

    it.each([
      ['amr', Buffer.concat([Buffer.from('#!AMR\n'), Buffer.alloc(3200, 0x3c)])],
      ['silk', Buffer.concat([Buffer.from('\x02#!SILK_V3'), Buffer.alloc(3200, 0x5a)])],
      [
        'raw PCM',
        Buffer.from(Int16Array.from({ length: 16_000 }, (_, n) => 9000 * Math.sin(n / 6)).buffer),
      ],
    ])('are 415 for %s, and the text names the formats to record', async (_, sound) => {
      const { status, body } = await upload('POST /recordings', context.token, [file(sound)]);
      expect([status, body.msg]).toEqual([
        415,
        "the file must be mp3, m4a, aac or wav; record with wx.getRecorderManager().start({ format: 'mp3' }), or 'aac' or 'wav'",
      ]);
    });
  });

  describe('that are invalid', () => {
    const refused = async (parts: Part[] | Buffer) => {
      const before = await files();
      const { status, body } = await upload('POST /recordings', context.token, parts);
      expect([body, await files()]).toEqual([
        {
          code: status,
          msg: expect.any(String),
          data: null,
          success: false,
          error: 'ERR_BAD_REQUEST',
        },
        before,
      ]);
      return status;
    };

    it.each<[string, number, () => Part[] | Buffer]>([
      ['a text named x.mp3', 415, () => [file('no sound at all, just text', 'x.mp3')]],
      [
        'a picture',
        415,
        () => [file(Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'x.mp3')],
      ],
      ['an HTML page', 415, () => [file('<!doctype html><script>alert(1)</script>', 'x.wav')]],
      ['an empty file', 400, () => [file('')]],
      ['11 minutes of wav', 400, () => [file(wav(660_000))]],
      ['11 minutes of mp3', 400, () => [file(mp3(660_000))]],
      ['11 minutes of aac', 400, () => [file(aac(660_000))]],
      ['11 minutes of m4a', 400, () => [file(m4a(660_000))]],
      ['no audio after the header', 400, () => [file(wav(0))]],
      ['a truncated header', 400, () => [file(wav(1000).subarray(0, 30))]],
      ['two files', 400, () => [file(mp3(1000)), file(mp3(1000))]],
      ['two files, the first one bad', 400, () => [file('text'), file(mp3(1000))]],
      ['no file', 400, () => [{ name: 'file', value: 'text' }]],
      ['a file in another field', 400, () => [{ ...file(mp3(1000)), name: 'audio' }]],
      ['no part', 400, () => []],
      ['an empty body', 400, () => Buffer.alloc(0)],
      ['a truncated form', 400, () => multipart([file(mp3(1000))]).subarray(0, 2000)],
      [
        'a form with another boundary',
        400,
        () =>
          Buffer.from(
            multipart([file(mp3(1000))])
              .toString('latin1')
              .replaceAll(BOUNDARY, 'other'),
            'latin1',
          ),
      ],
      [
        '20 MB and one byte',
        413,
        () => [file(Buffer.concat([mp3(1000), Buffer.alloc(20 * MB - mp3(1000).length + 1)]))],
      ],
      ['40 MB', 413, () => [file(Buffer.alloc(40 * MB))]],
    ])('are refused and not stored: %s, %i', async (_, status, parts) => {
      expect(await refused(parts())).toBe(status);
    });

    it('are accepted up to exactly 20 MB', async () => {
      const sound = Buffer.concat([wav(600_000), Buffer.alloc(20 * MB - wav(600_000).length)]); // players ignore bytes after the audio
      expect(await record(sound)).toMatchObject({
        format: 'wav',
        fileSize: 20 * MB,
        duration: 600_000,
      });
    });

    it.each([
      ['JSON', 'application/json', '{"file":"x"}', 415],
      ['another form', 'application/x-www-form-urlencoded', 'file=x', 415],
      ['multipart without a boundary', 'multipart/form-data', 'x', 415],
      ['multipart with an empty one', 'multipart/form-data; boundary=', 'x', 400],
    ])('are refused as a body that is %s: %s', async (_, type, sent, expected) => {
      const { status, body } = await context.s.call('POST /recordings', {
        token: context.token,
        headers: { 'content-type': type },
        body: sent,
      });
      expect([status, body.error]).toEqual([expected, 'ERR_BAD_REQUEST']);
    });

    it('are refused if millions of frames would take too long to read', async () => {
      const frame = Buffer.from([0xff, 0xf1, 0x6c, 0x40, 1, 0x1f, 0xfc, 0]);
      expect(
        await refused([file(Buffer.concat(Array.from({ length: 2 * MB }, () => frame)))]),
      ).toBe(400);
    });

    it('do not delay other requests if a file has 8 MB of tags', async () => {
      const tag = id3(8 * MB);
      const [tagged, inWav] = [Buffer.concat([tag, mp3(1000)]), taggedWav(1000, tag)];
      const uploads = async (): Promise<void> => {
        expect(await record(tagged)).toMatchObject({ format: 'mp3', duration: 1008 });
        expect(await refused([file(inWav)])).toBe(400);
        expect(await refused([file(Buffer.concat([tag, tagged]))])).toBe(400);
      };
      const control = await longestDelay(
        async () => void (await parseBuffer(tagged, { path: 'x.mp3' })),
      );
      await until(async () => (await longestDelay(uploads)) < control / 3); // a busy machine delays some of the uploads itself
    });

    it('are refused in another field, and the error names the right one', async () => {
      for (const name of ['audio', 'FILE', '', '__proto__'])
        expect(
          (await upload('POST /recordings', context.token, [{ ...file(mp3(1000)), name }])).body
            .msg,
        ).toBe('send the file in the field "file"');
    });

    it('are refused as multipart by all other routes', async () => {
      for (const route of [
        'POST /auth/login',
        'PUT /me/phone',
        'POST /auth/phone-login',
        'POST /auth/logout',
      ])
        expect((await upload(route, context.token, [file(mp3(1000))])).status).toBe(415);
    });
  });
});

it('the app does not start if it cannot create the upload folder', async () => {
  await expect(new FolderStore('/dev/null/uploads').create()).rejects.toThrow('/dev/null/uploads');
});
