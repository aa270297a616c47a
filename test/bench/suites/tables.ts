import type { Client } from 'pg';
import { PUBLISHED_UNCHECKED } from '../../../apps/sample/src/content/contents.js';
import { FORGET_VERDICTS } from '../../../apps/sample/src/content/verdicts.js';
import { USAGE } from '../../../apps/sample/src/recordings/recording-quota.js';
import { DELETE_PAGE } from '../../../apps/sample/src/recordings/recordings.service.js';
import { FORGET_OPENIDS } from '../../../apps/sample/src/shop/reconciliation.js';
import { say } from '../bench.js';
import type { Scale } from '../bench.js';
import { figuresFor } from '../figures.js';
import type { Figure, Findings } from '../figures.js';
import { withPostgres, withTables } from '../reference-app.js';

const figure = figuresFor('tables');

/** Rows of users and what they own. `$1`: how many. Ids are random, as those of the app, so that the indexes are as large. */
const FILL = {
  user: [
    `INSERT INTO users (nick_name, unionid, phone_number, phone_e164, avatar_url)
     SELECT 'nickname ' || n, 'o' || md5(n::text), (13000000000 + n)::text, '+86' || (13000000000 + n), '/avatars/' || md5(n::text) || '.jpg'
     FROM generate_series(1, $1::int) n`,
    `INSERT INTO identities (app_id, openid, user_id, unionid)
     SELECT 'wx0123456789abcdef', 'o' || left(md5(id::text), 27), id, unionid FROM users LIMIT $1`,
  ],
  recording: [
    `INSERT INTO recordings (id, user_id, format, file_size, duration, created_at)
     SELECT gen_random_uuid(), id, 'mp3', 300000, 75000, now() - random() * interval '1 year' FROM users LIMIT $1`,
    `INSERT INTO contents (id, kind, user_id, file, recording_id, extension, is_checkable, status, created_at, checked_at, app_id, openid)
     SELECT gen_random_uuid(), 'recording', user_id, id::text, id, 'mp3', true, 'ok', created_at, created_at, 'wx0123456789abcdef', 'o' || left(md5(id::text), 27)
     FROM recordings LIMIT $1`,
  ],
  order: [
    `INSERT INTO orders (id, number, user_id, app_id, openid, product_id, product_name, quantity, amount, status, created_at, pay_before,
                         description, notify_url, prepay_id, prepay_id_at, pay_requested_at, transaction_id, paid_at, picked_up_at, shipping_status)
     SELECT gen_random_uuid(), '20261130' || (100000000000 + row_number() OVER ()), id, 'wx0123456789abcdef', 'o' || left(md5(id::text), 27),
            'latte', '拿铁', 1, 1800, 'picked-up', now() - random() * interval '1 year', now(), '拿铁 × 1', 'https://shop.example.com/wechat/pay',
            'wx' || md5(id::text), now(), now(), '4200' || (100000000000 + row_number() OVER ()), now(), now(), 'shipped'
     FROM users LIMIT $1`,
  ],
};
const TABLES = {
  user: ['users', 'identities'],
  recording: ['recordings', 'contents'],
  order: ['orders'],
};
type Kind = keyof typeof FILL;

/** What a job finds: one row of a thousand. */
const DUE = [
  `UPDATE orders SET due_at = now() - interval '1 minute' WHERE number LIKE '%000'`,
  `UPDATE contents SET due_at = now() - interval '1 minute' WHERE recording_id IN (SELECT id FROM recordings TABLESAMPLE SYSTEM (0.1))`,
  `INSERT INTO content_checks (app_id, trace_id, content_id, verdict, created_at)
   SELECT 'wx0123456789abcdef', id::text, id, 'pass', now() - interval '2 days' FROM contents TABLESAMPLE SYSTEM (1)`,
  `INSERT INTO account_pushes (id, event, app_id, openid, encrypted, due_at)
   SELECT gen_random_uuid(), 'user_info_modified', 'wx0123456789abcdef', 'o' || n, true, now() FROM generate_series(1, 10000) n`,
  `UPDATE orders SET user_id = NULL, account_deleted_at = now() - interval '40 days' WHERE number LIKE '%111'`,
];

const claim = (table: string, column: string): string =>
  `UPDATE ${table} SET ${column} = now() + interval '1 minute' WHERE id IN
     (SELECT id FROM ${table} WHERE ${column} <= now() ORDER BY ${column} LIMIT 20 FOR UPDATE SKIP LOCKED)`;

/** One user owns so many recordings, beside those of the others. */
const OWNED = 20_000;
const OWN = [
  `INSERT INTO recordings (id, user_id, format, file_size, duration)
   SELECT gen_random_uuid(), $1, 'mp3', 300000, 75000 FROM generate_series(1, ${OWNED})`,
  `INSERT INTO contents (id, kind, user_id, file, recording_id, extension, is_checkable, status, created_at)
   SELECT gen_random_uuid(), 'recording', user_id, id::text, id, 'mp3', true, 'ok', created_at FROM recordings WHERE user_id = $1 ON CONFLICT DO NOTHING`,
];

/** The statement of each job, and its parameters. `USER`: the user with many recordings. */
const USER = Symbol('user');
const JOBS: Record<string, [string, unknown[]?]> = {
  'claim of 20 orders': [claim('orders', 'due_at')],
  'claim of 20 messages that an order is paid': [claim('orders', 'message_due_at')],
  'claim of 20 files to check': [claim('contents', 'due_at')],
  'claim of 20 pushes about users': [claim('account_pushes', 'due_at')],
  'page of 1,000 files without a check, at the start': [PUBLISHED_UNCHECKED],
  'forgetting 1,000 verdicts': [FORGET_VERDICTS, ['2100-01-01']],
  'forgetting the openids of 1,000 orders': [FORGET_OPENIDS, ['2000-01-01', '2100-01-01']],
  'quota of a user with 20,000 recordings': [USAGE, [USER]],
  'deletion of 200 recordings of an account': [DELETE_PAGE, [USER, 'infinity']],
};

/** Measures the bytes of a row with its indexes, and what the statements of the jobs take on large tables. */
export function tablesSuite({ many }: Scale): Promise<Findings> {
  return withPostgres(async (url) => {
    if (url === undefined) return { figures: [] };
    return withTables(url, async (db) => ({
      figures: [...(await bytesOfRows(db, many)), ...(await timesOfJobs(db, many))],
    }));
  });
}

async function bytesOfRows(db: Client, rows: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const kind of Object.keys(FILL) as Kind[]) {
    say(`  tables, ${rows.toLocaleString('en')} rows of ${TABLES[kind].join(' and ')}`);
    for (const statement of FILL[kind]) await db.query(statement, [rows]);
    const { rows: sizes } = await db.query<{ bytes: string }>(
      'SELECT sum(pg_total_relation_size(name::regclass)) AS bytes FROM unnest($1::text[]) name',
      [TABLES[kind]],
    );
    const label = `${TABLES[kind].join(' + ')}: bytes per row with indexes, ${rows.toLocaleString('en')} rows`;
    figures.push(
      ...figure(`bytes ${kind}`, label, [Number(sizes[0]?.bytes) / rows], { unit: 'bytes' }),
    );
  }
  return figures;
}

async function timesOfJobs(db: Client, rows: number): Promise<Figure[]> {
  for (const statement of DUE) await db.query(statement);
  const { rows: users } = await db.query<{ id: string }>('SELECT id FROM users LIMIT 1');
  const user = users[0]?.id;
  for (const statement of OWN) await db.query(statement, [user]);
  await db.query('ANALYZE');
  const figures: Figure[] = [];
  for (const [name, [statement, parameters = []]] of Object.entries(JOBS)) {
    const values = parameters.map((value) => (value === USER ? user : value));
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      await db.query(statement, values);
      times.push(performance.now() - start);
    }
    const label = `${name}, tables of ${rows.toLocaleString('en')} rows`;
    figures.push(...figure(`job ${name}`, label, times, { unit: 'ms' }));
  }
  return figures;
}
