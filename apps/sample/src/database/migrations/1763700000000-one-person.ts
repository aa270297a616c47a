import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * One account for one person (docs/account-linking.md). Numbers are compared in their international form, because WeChat's `phoneNumber`
 * is 13580006666 for a Chinese number and for a number of country 1. An account has one openid in an app, because two openids are two
 * people.
 */
export class OnePerson1763700000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE users
        DROP CONSTRAINT users_phone_number_key,
        ADD COLUMN phone_e164 text UNIQUE,
        ADD COLUMN avatar_file text UNIQUE,
        ADD CONSTRAINT users_phone_whole CHECK ((phone_number IS NULL) = (phone_e164 IS NULL))`);
    await db.query(
      'ALTER TABLE identities ADD CONSTRAINT identities_one_openid_in_an_app UNIQUE (user_id, app_id)',
    );
    await db.query('DROP INDEX identities_user_id'); // the constraint creates an index that begins with user_id
    await db.query(`
      CREATE TABLE recordings (
        id         uuid PRIMARY KEY,
        user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        format     text NOT NULL,
        file_size  integer NOT NULL,
        duration   integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      )`);
    await db.query('CREATE INDEX recordings_of_user ON recordings (user_id, created_at)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE recordings');
    await db.query('CREATE INDEX identities_user_id ON identities (user_id)');
    await db.query('ALTER TABLE identities DROP CONSTRAINT identities_one_openid_in_an_app');
    await db.query(`
      ALTER TABLE users
        DROP CONSTRAINT users_phone_whole,
        DROP COLUMN avatar_file,
        DROP COLUMN phone_e164,
        ADD CONSTRAINT users_phone_number_key UNIQUE (phone_number)`);
  }
}
