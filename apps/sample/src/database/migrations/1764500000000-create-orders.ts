import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The orders of the shop, and what an operator has to look at. Amounts are whole fen. */
export class CreateOrders1764500000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE orders (
        id                  uuid PRIMARY KEY,
        number              text NOT NULL UNIQUE,
        user_id             uuid REFERENCES users (id) ON DELETE SET NULL,
        app_id              text NOT NULL,
        openid              text,
        idempotency_key     text,
        product_id          text NOT NULL,
        product_name        text NOT NULL,
        quantity            integer NOT NULL CHECK (quantity BETWEEN 1 AND 99),
        amount              integer NOT NULL CHECK (amount > 0),
        status              text NOT NULL CHECK (status IN ('pending', 'paid', 'closed', 'picked-up', 'refunding', 'refunded')),
        created_at          timestamptz NOT NULL,
        pay_before          timestamptz NOT NULL,
        description         text,
        notify_url          text,
        prepay_id           text,
        prepay_id_at        timestamptz,
        pay_requested_at    timestamptz,
        queried_at          timestamptz,
        closing_since       timestamptz,
        closed_at           timestamptz,
        transaction_id      text,
        paid_at             timestamptz,
        picked_up_at        timestamptz,
        refund_number       text,
        refund_attempt      integer NOT NULL DEFAULT 0,
        refund_status       text CHECK (refund_status IN ('PROCESSING', 'SUCCESS', 'CLOSED', 'ABNORMAL')),
        refund_amount       integer CHECK (refund_amount BETWEEN 1 AND amount),
        refund_reason       text,
        refund_is_late      boolean NOT NULL DEFAULT false,
        refund_id           text,
        refund_requested_at timestamptz,
        refund_succeeded_at timestamptz,
        account_deleted_at  timestamptz,
        due_at              timestamptz,
        UNIQUE (user_id, idempotency_key),
        CHECK (status NOT IN ('paid', 'picked-up', 'refunding', 'refunded') OR transaction_id IS NOT NULL),
        CHECK (status NOT IN ('refunding', 'refunded') OR (refund_number IS NOT NULL AND refund_amount IS NOT NULL))
      )`);
    await db.query('CREATE INDEX orders_of_user ON orders (user_id, created_at, id)');
    await db.query('CREATE INDEX orders_due ON orders (due_at) WHERE due_at IS NOT NULL');
    await db.query(
      'CREATE INDEX orders_without_account ON orders (account_deleted_at) WHERE user_id IS NULL AND openid IS NOT NULL',
    );
    await db.query(`
      CREATE TABLE payment_conflicts (
        id           uuid PRIMARY KEY,
        order_number text NOT NULL,
        kind         text NOT NULL,
        reference    text NOT NULL,
        amount       integer,
        problem      text NOT NULL,
        created_at   timestamptz NOT NULL,
        UNIQUE (order_number, kind, reference)
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE payment_conflicts');
    await db.query('DROP TABLE orders');
  }
}
