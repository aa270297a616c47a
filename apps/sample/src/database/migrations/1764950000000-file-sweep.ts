import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When the files are compared with their rows, and the index from which the names of the pictures are read in the order of their bytes. */
export class FileSweep1764950000000 implements MigrationInterface {
  readonly transaction = false; // CONCURRENTLY

  async up(db: QueryRunner): Promise<void> {
    await db.query(
      'CREATE TABLE IF NOT EXISTS file_sweep (id text PRIMARY KEY, due_at timestamptz NOT NULL)',
    );
    await db.query(`
      INSERT INTO file_sweep (id, due_at) VALUES ('files', now() + interval '1 day')
      ON CONFLICT DO NOTHING`);
    await db.query('DROP INDEX IF EXISTS avatar_files'); // an earlier attempt that failed leaves an invalid index
    await db.query(
      `CREATE INDEX CONCURRENTLY avatar_files ON contents (file COLLATE "C") WHERE kind = 'avatar'`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX CONCURRENTLY avatar_files');
    await db.query('DROP TABLE file_sweep');
  }
}
