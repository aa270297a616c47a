import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The index from which a page of recordings is read. It is created while other instances write. */
export class RecordingsInPages1764850000000 implements MigrationInterface {
  readonly transaction = false; // CONCURRENTLY

  async up(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX IF EXISTS recordings_in_pages'); // an earlier attempt that failed leaves an invalid index
    await db.query(
      'CREATE INDEX CONCURRENTLY recordings_in_pages ON recordings (user_id, created_at, id)',
    );
    await db.query('DROP INDEX CONCURRENTLY IF EXISTS recordings_of_user');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      'CREATE INDEX CONCURRENTLY recordings_of_user ON recordings (user_id, created_at)',
    );
    await db.query('DROP INDEX CONCURRENTLY recordings_in_pages');
  }
}
