import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The shipping information of orders that are picked up, and the time at which the message that an order is paid is due. */
export class ShipOrders1764800000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE orders
        ADD COLUMN shipping_status  text CHECK (shipping_status IN ('shipped', 'not-managed', 'refused')),
        ADD COLUMN shipping_sent_at timestamptz,
        ADD COLUMN shipping_errcode integer,
        ADD COLUMN message_due_at   timestamptz`);
    // The operator has reported these. Another upload would use up the only correction of each.
    await db.query("UPDATE orders SET shipping_status = 'not-managed' WHERE status = 'picked-up'");
    await db.query(
      'CREATE INDEX orders_with_message ON orders (message_due_at) WHERE message_due_at IS NOT NULL',
    );
    await db.query("CREATE INDEX orders_pending ON orders (user_id) WHERE status = 'pending'");
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX orders_pending');
    await db.query("UPDATE orders SET due_at = NULL WHERE status = 'picked-up'");
    await db.query(`
      ALTER TABLE orders
        DROP COLUMN shipping_status,
        DROP COLUMN shipping_sent_at,
        DROP COLUMN shipping_errcode,
        DROP COLUMN message_due_at`);
  }
}
