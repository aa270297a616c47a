import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When a push about a user arrived. A late job deletes only what existed then. The default is for instances of the previous release. */
export class ArrivalOfPushes1764960000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(
      'ALTER TABLE account_pushes ADD COLUMN arrived_at timestamptz NOT NULL DEFAULT now()',
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE account_pushes DROP COLUMN arrived_at');
  }
}
