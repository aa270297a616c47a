import type { MigrationInterface, QueryRunner } from 'typeorm';

/** By name: what the jobs and the commands of the operator read, so that none of them scans a table. */
const INDEXES = {
  account_pushes_due: 'account_pushes (due_at)',
  content_checks_by_age: 'content_checks (created_at)',
  /** For its foreign key: without it, each deleted file scanned the table. */
  content_checks_of_content: 'content_checks (content_id)',
  contents_of_user_by_kind: 'contents (user_id, kind)',
  contents_in_review: "contents (created_at) WHERE status = 'review'",
  contents_published_unchecked: "contents (id) WHERE status = 'ok' AND checked_at IS NULL",
  orders_waiting: `orders (status)
    WHERE status IN ('pending', 'refunding') OR (status = 'picked-up' AND (shipping_status IS NULL OR shipping_status = 'refused'))`,
};

/** The indexes of the jobs. They are created while other instances write. */
export class IndexesOfJobs1764900000000 implements MigrationInterface {
  readonly transaction = false; // CONCURRENTLY

  async up(db: QueryRunner): Promise<void> {
    for (const [name, columns] of Object.entries(INDEXES)) {
      await db.query(`DROP INDEX IF EXISTS ${name}`); // an earlier attempt that failed leaves an invalid index
      await db.query(`CREATE INDEX CONCURRENTLY ${name} ON ${columns}`);
    }
    await db.query('DROP INDEX CONCURRENTLY IF EXISTS contents_of_user'); // contents_of_user_by_kind begins with user_id
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('CREATE INDEX CONCURRENTLY contents_of_user ON contents (user_id)');
    for (const name of Object.keys(INDEXES)) await db.query(`DROP INDEX CONCURRENTLY ${name}`);
  }
}
