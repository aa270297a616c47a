import promises, {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  utimes,
  writeFile,
} from 'node:fs/promises';
import os, { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { SchedulerRegistry } from '@nestjs/schedule';
import { DataSource } from 'typeorm';
import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { FileSweep } from '../../apps/sample/src/files/file-sweep.entity.js';
import { PARTS_JOB, Scratch } from '../../apps/sample/src/files/scratch.js';
import { StorageUnavailableError } from '../../apps/sample/src/files/storage-errors.js';
import { sortedNames } from '../../apps/sample/src/files/sorted-names.js';
import { SweepJob } from '../../apps/sample/src/files/sweep-job.js';
import { mp3 } from '../support/audio.js';
import { createOnPostgres, onPostgres } from '../support/databases.js';
import { file, uploadTo } from '../support/multipart.js';
import { PNG_PICTURE } from '../support/pictures.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';

const EMPTY_DATABASE: DatabaseConfig = { dir: 'memory://' };

onPostgres('the upload folder and the database', (bin) => {
  let root: string;
  let database: DatabaseConfig;
  let apps: Started[] = [];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'nestjs-wechat-folders-'));
    database = (await createOnPostgres(bin)).config;
  });
  afterEach(async () => {
    await stop();
    await rm(root, { recursive: true });
  });

  const stop = async () => {
    for (const app of apps.splice(0)) await app.close();
  };
  const startOn = async (of: DatabaseConfig, folder: string) => {
    const env = { LOG_LEVEL: 'warn', UPLOAD_DIR: join(root, folder) };
    const app = await start({ database: of, env });
    apps.push(app);
    return app;
  };
  const sweep = (app: Started) => app.app.get(SweepJob).runNow();
  const state = async (app: Started) => (await app.call('GET /health/ready')).body.data.status;
  const errors = (app: Started) =>
    app.log.map((line) => JSON.parse(line)).filter(({ level }) => level === 'error');
  const markerOf = async (folder: string) =>
    (await readFile(join(root, folder, '.folder-id'), 'utf8')).trim();
  const filesOf = async (folder: string) =>
    (await readdir(join(root, folder), { recursive: true })).toSorted();
  /** Creates uploads that are two hours old, so that no grace time protects them. Returns them with the session of their owner. */
  const fill = async (app: Started, folder: string) => {
    const { session_rd: token } = await app.login();
    const upload = uploadTo(app.url);
    const { id } = (await upload('POST /recordings', token, [file(mp3(1000))])).body.data;
    await upload('PUT /me/avatar', token, [file(PNG_PICTURE)]);
    const old = new Date(Date.now() - 2 * 3600_000);
    for (const kind of ['recordings', 'avatars'])
      for (const name of await readdir(join(root, folder, kind)))
        await utimes(join(root, folder, kind, name), old, old);
    return { token, id };
  };
  const count = async (app: Started) =>
    Number(
      (
        await app.app
          .get(DataSource)
          .query(
            'SELECT (SELECT count(*) FROM recordings WHERE missing_since IS NULL) + (SELECT count(avatar_file) FROM users) AS n',
          )
      )[0].n,
    );
  const upload = async (app: Started) =>
    uploadTo(app.url)('POST /recordings', (await app.login()).session_rd, [file(mp3(1000))]);

  it('lose no file if the database is empty, for example because DATABASE_URL is missing', async () => {
    await fill(await startOn(database, 'uploads'), 'uploads');
    await stop();
    const before = await filesOf('uploads');

    for (let starts = 0; starts < 2; starts++) {
      const app = await startOn(EMPTY_DATABASE, 'uploads');
      expect(await state(app)).toBe('degraded');
      expect(errors(app).map(({ msg }) => msg)).toEqual([
        expect.stringMatching(/UPLOAD_DIR .* belongs to another database.*Check DATABASE_URL/),
      ]);
      const { status, headers, body } = await upload(app);
      expect([status, headers.get('retry-after'), body.error]).toEqual([
        503,
        '60',
        'ERR_STORE_UNAVAILABLE',
      ]);
      await expect(sweep(app)).rejects.toThrow(StorageUnavailableError);
      await stop();
      expect(await filesOf('uploads')).toEqual(before);
    }

    const app = await startOn(database, 'uploads');
    expect([await state(app), await count(app), errors(app)]).toEqual(['ok', 2, []]);
    expect((await upload(app)).status).toBe(201);
  });

  it('control: a cleanup that deletes files without a row empties the folder', async () => {
    await fill(await startOn(database, 'uploads'), 'uploads');
    await stop();
    const rows = new Set<string>(); // an empty database
    for (const kind of ['recordings', 'avatars'])
      for (const name of await readdir(join(root, 'uploads', kind)))
        if (!rows.has(name)) await rm(join(root, 'uploads', kind, name));
    expect(await filesOf('uploads')).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/\/[0-9a-f]{8}/)]),
    );
  });

  it('lose no row if the volume is not mounted, also at the second start', async () => {
    const { id } = await fill(await startOn(database, 'uploads'), 'uploads');
    await stop();
    await rename(join(root, 'uploads'), join(root, 'volume'));

    for (let starts = 0; starts < 2; starts++) {
      const app = await startOn(database, 'uploads');
      expect([await state(app), await count(app)]).toEqual(['degraded', 2]);
      expect(errors(app).map(({ msg }) => msg)).toEqual([
        expect.stringMatching(/is not the folder of this database.*the volume is mounted/),
      ]);
      expect((await upload(app)).status).toBe(503);
      await expect(sweep(app)).rejects.toThrow(StorageUnavailableError);
      await stop();
    }

    await rm(join(root, 'uploads'), { recursive: true });
    await rename(join(root, 'volume'), join(root, 'uploads'));
    const app = await startOn(database, 'uploads');
    expect([await state(app), await count(app)]).toEqual(['ok', 2]);
    expect(await filesOf('uploads')).toContain(join('recordings', id));
  });

  it('are compared by their ids, and the error explains how to connect them', async () => {
    await fill(await startOn(database, 'uploads'), 'uploads');
    await stop();
    const other = (await createOnPostgres(bin)).config;
    await fill(await startOn(other, 'others'), 'others');
    await stop();
    const before = await filesOf('others');

    const app = await startOn(database, 'others');
    expect([await state(app), await count(app)]).toEqual(['degraded', 2]);
    const [{ msg }] = errors(app);
    const [, id, marker] = /write (\S+) into (\S+), and restart/.exec(msg) ?? [];
    expect([id, marker]).toEqual([await markerOf('uploads'), join(root, 'others', '.folder-id')]);
    await stop();
    expect(await filesOf('others')).toEqual(before);
  });

  it('of an older version are connected if their files match', async () => {
    const app = await startOn(database, 'uploads');
    await fill(app, 'uploads');
    await app.app.get(DataSource).query('DELETE FROM upload_folder');
    await stop();
    await rm(join(root, 'uploads', '.folder-id'));

    const upgraded = await startOn(database, 'uploads');
    const [{ id }] = await upgraded.app.get(DataSource).query('SELECT id FROM upload_folder');
    expect([await state(upgraded), await markerOf('uploads')]).toEqual(['ok', id]);
  });

  it('of an older version are not connected if their files do not match', async () => {
    const app = await startOn(database, 'uploads');
    await fill(app, 'uploads');
    await app.app.get(DataSource).query('DELETE FROM upload_folder');
    await stop();
    await mkdir(join(root, 'others'));
    await cp(join(root, 'uploads', 'avatars'), join(root, 'others', 'recordings'), {
      recursive: true,
    });
    const before = await readdir(join(root, 'others', 'recordings'));

    const upgraded = await startOn(database, 'others');
    expect([await state(upgraded), await count(upgraded)]).toEqual(['degraded', 2]);
    expect(errors(upgraded)[0].msg).toContain('do not belong together');
    expect(await readdir(join(root, 'others', 'recordings'))).toEqual(before);
    await expect(markerOf('others')).rejects.toThrow('ENOENT');
  });

  describe('with a part that a container with the same host name and process id receives', () => {
    const name = `5b0f6b1c.${process.pid}@${hostname()}.part`;
    const parts = () => readdir(join(root, 'uploads/parts'));
    beforeEach(async () => {
      await mkdir(join(root, 'uploads/parts'), { recursive: true });
      await writeFile(join(root, 'uploads/parts', name), 'x');
    });

    it('keep it, also at a start, until nothing was written to it for ten minutes', async () => {
      const { app } = await startOn(database, 'uploads');
      await app.get(Scratch).removeAbandoned();
      expect(await parts()).toEqual([name]);
      const old = new Date(Date.now() - 601_000);
      await utimes(join(root, 'uploads/parts', name), old, old);
      expect(app.get(SchedulerRegistry).doesExist('interval', PARTS_JOB)).toBe(true);
      await app.get(Scratch).removeAbandoned();
      expect(await parts()).toEqual([]);
    });

    it('control: a rule that compares host name and process id deletes it', async () => {
      const received = new Set<string>(); // by this container
      for (const part of await parts())
        if (part.endsWith(`.${process.pid}@${hostname()}.part`) && !received.has(part))
          await rm(join(root, 'uploads/parts', part));
      expect(await parts()).toEqual([]);
    });
  });

  it('get one id if three instances start at the same time', async () => {
    const started = await Promise.all([1, 2, 3].map(() => startOn(database, 'uploads')));
    const rows = await started[0]?.app.get(DataSource).query('SELECT id FROM upload_folder');
    expect(rows).toEqual([{ id: await markerOf('uploads') }]);
    expect(await Promise.all(started.map(state))).toEqual(['ok', 'ok', 'ok']);
  });

  it('are compared once a day, in one of three instances', async () => {
    const started = await Promise.all([1, 2, 3].map(() => startOn(database, 'uploads')));
    const sweeps = started.map(({ app }) => app.get(SweepJob));
    const rows = started[0]!.app.get(DataSource).getRepository(FileSweep);
    const orphan = join(root, 'uploads/recordings/orphan');
    const moved = () =>
      started.flatMap(({ log }) => log).filter((line) => line.includes('moved 1 files'));
    await writeFile(orphan, 'x');
    await utimes(orphan, new Date(0), new Date(0));

    await Promise.all(sweeps.map((job) => job.run())); // the first sweep is a day after the first start
    expect(moved()).toEqual([]);
    for (const { wechat } of started) wechat.clock.advance('25h');
    await Promise.all(sweeps.map((job) => job.run()));
    expect(moved()).toHaveLength(1);
    const [{ dueAt } = { dueAt: new Date(0) }] = await rows.find();
    expect(Math.round((dueAt.getTime() - started[0]!.wechat.clock.now()) / 3600_000)).toBe(24);
    expect(await filesOf('uploads')).toContain(join('trash', 'recordings', 'orphan'));
  });

  it('are listed in order if there are too many for memory, and kill -9 leaves no temporary file', async () => {
    const names = Array.from({ length: 30_000 }, (_, n) => n.toString(16).padStart(5, '0'));
    const entries = names.toReversed().map((name) => ({ name, isFile: () => true }));
    jest.spyOn(promises, 'opendir').mockResolvedValueOnce(Readable.from(entries) as never); // so many files take a minute
    jest.spyOn(os, 'tmpdir').mockReturnValue(root);
    const listed: string[] = [];
    for await (const page of sortedNames('many')) {
      expect(await readdir(root)).toEqual([]);
      listed.push(...page);
    }
    expect(os.tmpdir).toHaveBeenCalledTimes(1);
    expect(listed).toEqual(names);
    jest.restoreAllMocks();
  });

  it('are compared a page at a time: 2,000 rows without a file are marked, and none is deleted', async () => {
    const app = await startOn(database, 'uploads');
    await fill(app, 'uploads');
    await app.app.get(DataSource).query(
      `INSERT INTO recordings (id, user_id, format, file_size, duration)
       SELECT gen_random_uuid(), (SELECT user_id FROM recordings), 'mp3', 1, 1 FROM generate_series(1, 2000)`,
    );
    await stop();
    const again = await startOn(database, 'uploads');
    expect(await sweep(again)).toEqual({ orphans: 0, missing: 2000 });
    expect(await count(again)).toBe(2);
    const [{ n }] = await again.app.get(DataSource).query('SELECT count(*) AS n FROM recordings');
    expect(Number(n)).toBe(2001);
  });
});
