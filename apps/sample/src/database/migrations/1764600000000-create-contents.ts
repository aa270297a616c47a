import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The newest identity of a user. WeChat checks content of a user of one app. */
const IDENTITY =
  'LEFT JOIN LATERAL (SELECT app_id, openid FROM identities WHERE user_id = owner.id ORDER BY created_at DESC LIMIT 1) identity ON true';

/** Uploaded files with their status, and WeChat's verdicts. Files of older versions are `ok` and have no `checked_at`. */
export class CreateContents1764600000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE contents (
        id           uuid PRIMARY KEY,
        kind         text NOT NULL CHECK (kind IN ('avatar', 'recording')),
        user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        file         text UNIQUE,
        recording_id uuid UNIQUE REFERENCES recordings (id) ON DELETE CASCADE,
        extension    text NOT NULL,
        is_checkable boolean NOT NULL,
        status       text NOT NULL CHECK (status IN ('checking', 'ok', 'review', 'blocked', 'unchecked')),
        checked_at   timestamptz,
        created_at   timestamptz NOT NULL,
        app_id       text,
        openid       text,
        asks         integer NOT NULL DEFAULT 0,
        failures     integer NOT NULL DEFAULT 0,
        due_at       timestamptz,
        check_token  text UNIQUE,
        check_until  timestamptz,
        share_token  text UNIQUE,
        CHECK ((kind = 'recording') = (recording_id IS NOT NULL))
      )`);
    await db.query('CREATE INDEX contents_of_user ON contents (user_id)');
    await db.query('CREATE INDEX contents_due ON contents (due_at) WHERE due_at IS NOT NULL');
    await db.query(`
      CREATE TABLE content_checks (
        app_id     text NOT NULL,
        trace_id   text NOT NULL,
        content_id uuid REFERENCES contents (id) ON DELETE CASCADE,
        verdict    text,
        encrypted  boolean,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (app_id, trace_id)
      )`);
    await db.query(`
      INSERT INTO contents (id, kind, user_id, file, recording_id, extension, is_checkable, status, created_at, app_id, openid)
      SELECT gen_random_uuid(), 'recording', owner.id, recording.id::text, recording.id, format,
             format <> 'm4a' AND file_size <= 10 * 1024 * 1024, 'ok', recording.created_at, app_id, openid
      FROM recordings recording JOIN users owner ON owner.id = recording.user_id ${IDENTITY}`);
    await db.query(`
      INSERT INTO contents (id, kind, user_id, file, extension, is_checkable, status, created_at, app_id, openid)
      SELECT gen_random_uuid(), 'avatar', owner.id, avatar_file, split_part(avatar_file, '.', 2), avatar_file NOT LIKE '%.webp', 'ok', owner.updated_at, app_id, openid
      FROM users owner ${IDENTITY} WHERE avatar_file IS NOT NULL`);
    await db.query('ALTER TABLE users ADD COLUMN nick_name_checked_at timestamptz');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE users DROP COLUMN nick_name_checked_at');
    await db.query('DROP TABLE content_checks');
    await db.query('DROP TABLE contents');
  }
}
