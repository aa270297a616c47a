import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The constraints hold also if requests race: an openid, a phone number and a unionid each belong to one user. */
export class CreateUsers1763600000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE users (
        id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        phone_number text UNIQUE,
        unionid      text UNIQUE,
        nick_name    text,
        avatar_url   text,
        gender       smallint,
        country      text,
        province     text,
        city         text,
        language     text,
        created_at   timestamptz NOT NULL DEFAULT now(),
        updated_at   timestamptz NOT NULL DEFAULT now()
      )`);
    await db.query(`
      CREATE TABLE identities (
        app_id     text NOT NULL,
        openid     text NOT NULL,
        user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (app_id, openid)
      )`);
    await db.query('CREATE INDEX identities_user_id ON identities (user_id)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE identities');
    await db.query('DROP TABLE users');
  }
}
