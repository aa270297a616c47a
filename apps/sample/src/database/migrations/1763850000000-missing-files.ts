import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The id that the database shares with UPLOAD_DIR, and the mark of a recording whose file is missing. */
export class MissingFiles1763850000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE upload_folder (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        id       uuid NOT NULL
      )`);
    await db.query('ALTER TABLE recordings ADD COLUMN missing_since timestamptz');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE recordings DROP COLUMN missing_since');
    await db.query('DROP TABLE upload_folder');
  }
}
