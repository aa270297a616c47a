import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inParallel } from '../../../apps/sample/src/common/in-parallel.js';
import { wav } from '../../support/audio.js';
import { file, uploadTo } from '../../support/multipart.js';
import { say } from '../bench.js';
import type { Scale } from '../bench.js';
import { Child } from '../child.js';
import { nameOf } from '../file-names.js';
import type { Spent } from '../files-app.js';
import { figuresFor } from '../figures.js';
import type { Figure, Findings } from '../figures.js';
import { withPostgres, withReferenceApp, withTables } from '../reference-app.js';

/** Rows for each file. Rows without a file are marked as missing, as the first sweep leaves them. */
const ROWS_PER_FILE = 10;
const CREATED_AT_ONCE = 64;
const MEGABYTE = 1_048_576;
/** 19.2 MB. The app takes at most 20 MB and ten minutes. */
const RECORDING = wav(600_000, 32);
const UPLOADS = 10;

const ID = nameOf(0);
/** In the order of the ids, which is quicker. */
const FILL = [
  `INSERT INTO upload_folder (id) VALUES ('${ID}')`,
  `INSERT INTO users (id) VALUES (gen_random_uuid())`,
  `SET session_replication_role = replica`, // no check of the foreign key for each row
  `INSERT INTO recordings (id, user_id, format, file_size, duration, created_at, missing_since)
   SELECT md5(n::text)::uuid, (SELECT id FROM users), 'mp3', 300000, 75000, now() - interval '1 year',
          CASE WHEN n < $2::int THEN NULL ELSE now() END
   FROM generate_series(0, $1::int - 1) n ORDER BY 1`,
];

/** Where the files are: variables of the app. */
type Place = Record<'UPLOAD_DIR' | 'STORAGE_URL', string>;

const figure = figuresFor('files');

/** Measures the daily sweep of many files and rows, and the memory of large uploads, with a folder and with a bucket. */
export function filesSuite({ many }: Scale): Promise<Findings> {
  return withPostgres(async (databaseUrl) => {
    if (databaseUrl === undefined) return { figures: [] };
    const root = await mkdtemp(join(tmpdir(), 'wechat-bench-files-'));
    const wechat = Child.start('wechat', { place: 'beside' });
    const bucket = Child.start('bucket', { place: 'beside' });
    try {
      await fillDatabase(databaseUrl, many);
      await fillFolder(join(root, 'folder'), many);
      await fillBucket(bucket, many);
      const places: Record<string, Place> = {
        folder: { UPLOAD_DIR: join(root, 'folder'), STORAGE_URL: '' },
        bucket: {
          UPLOAD_DIR: join(root, 'parts'),
          STORAGE_URL: `s3://files?region=local&endpoint=${await bucket.ask<string>('url')}`,
        },
      };
      const figures: Figure[] = [];
      for (const [name, place] of Object.entries(places))
        figures.push(...(await measure({ name, place, many, wechat, databaseUrl })));
      return { figures };
    } finally {
      await Promise.all([wechat.stop(), bucket.stop()]);
      await rm(root, { recursive: true });
    }
  });
}

function fillDatabase(url: string, many: number): Promise<void> {
  say(`  files, ${(many * ROWS_PER_FILE).toLocaleString('en')} rows`);
  return withTables(url, async (db) => {
    for (const statement of FILL)
      await db.query(statement, statement.includes('$1') ? [many * ROWS_PER_FILE, many] : []);
    await db.query('VACUUM ANALYZE recordings');
  });
}

async function fillFolder(path: string, many: number): Promise<void> {
  say(`  files, ${many.toLocaleString('en')} files in a folder and in a bucket`);
  await mkdir(join(path, 'recordings'), { recursive: true });
  await writeFile(join(path, '.folder-id'), ID);
  const numbers = Array.from({ length: many }, (_, number) => number);
  await inParallel(numbers, CREATED_AT_ONCE, (number) =>
    writeFile(join(path, 'recordings', nameOf(number)), ''),
  );
}

async function fillBucket(bucket: Child, many: number): Promise<void> {
  await bucket.ask('fill', many);
  await fetch(`${await bucket.ask<string>('url')}/files/.folder-id`, { method: 'PUT', body: ID });
}

interface Setting {
  name: string;
  place: Place;
  many: number;
  wechat: Child;
  databaseUrl: string;
}

function measure({ name, place, many, wechat, databaseUrl }: Setting): Promise<Figure[]> {
  say(`  files, ${name}`);
  const env = () => ({
    ...place,
    STORAGE_ACCESS_KEY_ID: place.STORAGE_URL && 'key',
    STORAGE_SECRET_ACCESS_KEY: place.STORAGE_URL && 'secret',
    UPLOAD_QUOTA: '10GB',
  });
  const execArgv = ['--expose-gc'];
  return withReferenceApp(
    { redis: undefined, wechat, databaseUrl, program: 'files-app', execArgv, env },
    async ({ server, process, credentials }) => {
      const spentIn = async (work: () => Promise<unknown>): Promise<Spent> => {
        await process.ask('begin');
        await work();
        return process.ask('end');
      };
      const upload = uploadTo(await server.url());
      const send = async (token: string): Promise<void> => {
        const { status } = await upload('POST /recordings', token, [file(RECORDING, 'sound.wav')]);
        if (status !== 201) throw new Error(`upload: ${status}`);
      };
      const tokens = credentials.values.map((value) => value.replace('Bearer ', ''));
      await send(tokens[0]!); // warm-up
      const uploads = await spentIn(async () => {
        for (const token of tokens.slice(0, UPLOADS)) await send(token);
      });
      return [
        ...sweepFigures(name, many, await spentIn(() => process.ask('sweep'))),
        ...figure(
          `upload ${name} memory`,
          `${name}: memory that ${UPLOADS} uploads of 19.2 MB in turn add`,
          [uploads.memory / MEGABYTE],
          { unit: 'MB' },
        ),
      ];
    },
  );
}

function sweepFigures(name: string, many: number, { ms, cpu, held, memory }: Spent): Figure[] {
  const what = `${name}: sweep of ${(many * ROWS_PER_FILE).toLocaleString('en')} rows and ${many.toLocaleString('en')} files`;
  return [
    ...figure(`sweep ${name} time`, what, [ms / 1_000], { unit: 's' }),
    ...figure(`sweep ${name} cpu`, `${what}: CPU time`, [cpu / 1e6], { unit: 's' }),
    ...figure(`sweep ${name} memory`, `${what}: memory that it adds`, [memory / MEGABYTE], {
      unit: 'MB',
    }),
    ...figure(
      `sweep ${name} held`,
      `${what}: the most CPU time in one turn of the event loop`,
      [held],
      {
        unit: 'ms',
        goal: { atMost: 20 },
      },
    ),
  ];
}
