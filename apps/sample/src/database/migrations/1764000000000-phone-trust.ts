import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * When a phone number was last verified, and which identities joined an account by its number (docs/account-linking.md).
 *
 * The old tables do not say either, so existing rows get the safe value:
 * - `phone_verified_at` is NULL: the number links nothing until WeChat verifies it again for the account.
 * - The identity that was created together with the account is its own. The other identities of an account with a number
 *   count as joined by phone, until a login returns the unionid of the account's own identity.
 * - `identities.unionid` is known only if the account has one identity. Logins fill in the rest.
 */
export class PhoneTrust1764000000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE users
        ADD COLUMN phone_verified_at timestamptz,
        ADD CONSTRAINT users_phone_verified CHECK (phone_verified_at IS NULL OR phone_e164 IS NOT NULL)`);
    await db.query(`
      ALTER TABLE identities
        ADD COLUMN unionid text,
        ADD COLUMN joined_by_phone boolean NOT NULL DEFAULT false`);
    await db.query(`
      UPDATE identities SET joined_by_phone = true
      FROM (
        SELECT i.app_id, i.openid, row_number() OVER (
          PARTITION BY i.user_id
          ORDER BY (i.created_at = u.created_at) DESC, i.created_at, i.app_id, i.openid
        ) AS place
        FROM identities i JOIN users u ON u.id = i.user_id
        WHERE u.phone_e164 IS NOT NULL
      ) AS ranked
      WHERE ranked.place > 1 AND (identities.app_id, identities.openid) = (ranked.app_id, ranked.openid)`);
    await db.query(`
      UPDATE identities SET unionid = users.unionid
      FROM users
      WHERE users.id = identities.user_id
        AND (SELECT count(*) FROM identities AS all_of WHERE all_of.user_id = users.id) = 1`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE identities DROP COLUMN joined_by_phone, DROP COLUMN unionid');
    await db.query(
      'ALTER TABLE users DROP CONSTRAINT users_phone_verified, DROP COLUMN phone_verified_at',
    );
  }
}
