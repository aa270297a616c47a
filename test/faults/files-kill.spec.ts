import { mkdtempSync, rmSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import { Scratch } from '../../apps/sample/src/files/scratch.js';
import { SweepJob } from '../../apps/sample/src/files/sweep-job.js';
import { mp3 } from '../support/audio.js';
import { buildApp } from '../support/built-app.js';
import { createOnPostgres, onPostgres } from '../support/databases.js';
import { file, uploadTo } from '../support/multipart.js';
import { TestS3 } from '../support/s3.js';
import { environmentFor, start } from '../support/start.js';
import { storedOf } from '../support/stored.js';
import { actUntilKilled, killAppInstances, startAppInstance } from './app-instance.js';
import type { AppInstance } from './app-instance.js';
import { often, trials } from './rows.js';

const SOUND = mp3(1000);

onPostgres('the files of the reference app after kill -9', (bin) => {
  let uploads: string;
  let s3: TestS3;
  beforeAll(() => buildApp(), 300_000);
  beforeEach(async () => {
    uploads = mkdtempSync(join(tmpdir(), 'nestjs-wechat-uploads-'));
    s3 = await TestS3.start();
  });
  afterEach(async () => {
    killAppInstances();
    await s3.close();
    rmSync(uploads, { recursive: true });
  });

  const upload = ({ url, token }: Pick<AppInstance, 'url' | 'token'>) =>
    uploadTo(url)('POST /recordings', token, [file(SOUND)]);

  it.each(trials(3, 1).flatMap(() => ['folder', 'bucket']))(
    `D5 in a %s: a file without a row, after its upload or its deletion, is swept, and nothing else is lost${often(2)}`,
    async (place) => {
      const wechat = await startWechatSandbox();
      const user = wechat.users.create();
      const database = await createOnPostgres(bin);
      const env = {
        ...environmentFor(wechat),
        ...(place === 'bucket' && s3.env()),
        DATABASE_URL: database.config.url,
        UPLOAD_DIR: uploads,
        LOG_LEVEL: 'silent',
        PORT: '0',
      };

      const first = await startAppInstance(env, user, { killAt: 'StoredFiles.put after' });
      await actUntilKilled(first, upload);
      const second = await startAppInstance(env, user, { killAt: 'StoredFiles.remove before' });
      const kept = (await upload(second)).body.data; // the client repeats it
      const deleted = (await upload(second)).body.data;
      await actUntilKilled(second, ({ call }) => call(`DELETE /recordings/${deleted.id}`));

      const { app, login, call, close } = await start({ wechat, env, database: database.config });
      const { session_rd: token } = await login(user);
      const stored = storedOf({ app, uploads }, place === 'bucket' ? s3 : undefined);
      const sweep = () => app.get(SweepJob).runNow();
      const get = (route: string) => call(`GET ${route}`, { token });
      expect((await get('/recordings')).body.data).toEqual([kept]);
      const files = await stored.names('recordings');
      expect(files).toHaveLength(3);

      expect(await sweep()).toEqual({ orphans: 0, missing: 0 }); // they may be waiting for their rows
      for (const name of files) await stored.age(`recordings/${name}`, 1);
      expect(await sweep()).toEqual({ orphans: 2, missing: 0 });
      expect(await stored.names('recordings')).toEqual([kept.id]);
      const orphans = await stored.names('trash/recordings');
      expect(orphans).toEqual(files.filter((name) => name !== kept.id));
      for (const name of orphans) await stored.age(`trash/recordings/${name}`, 31);
      await sweep();
      expect(await stored.names('trash/recordings')).toEqual([]);

      const old = new Date(Date.now() - 3600_000);
      for (const part of await stored.parts()) await utimes(join(uploads, 'parts', part), old, old);
      await app.get(Scratch).removeAbandoned();
      expect(await stored.parts()).toEqual([]);
      const { status, headers } = await get(`/recordings/${kept.id}/content`);
      expect([status, headers.get('content-length')]).toEqual([200, String(SOUND.length)]);
      await close();
      await database.remove();
      await wechat.close();
    },
  );
});
