import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What WeChat has pushed about users and the app has not worked on yet, and the mark of a profile that WeChat has changed. */
export class AccountPushes1764700000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE account_pushes (
        id        uuid PRIMARY KEY,
        event     text NOT NULL,
        app_id    text NOT NULL,
        openid    text NOT NULL,
        revoked   text,
        encrypted boolean NOT NULL,
        due_at    timestamptz NOT NULL
      )`);
    await db.query('ALTER TABLE users ADD COLUMN profile_stale boolean NOT NULL DEFAULT false');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE users DROP COLUMN profile_stale');
    await db.query('DROP TABLE account_pushes');
  }
}
