import { Column, Entity, PrimaryColumn } from 'typeorm';

export type ConflictKind =
  /** A payment that does not fit its order, or has none. */
  | 'payment'
  /** An order was refunded in the merchant console before its payment was known here. */
  | 'refunded-early'
  /** A refund that the shop did not request, or one that succeeded after the pick-up. */
  | 'refund';

/** A payment or refund that WeChat Pay has signed and that fits no order. An operator decides. */
@Entity('payment_conflicts')
export class PaymentConflict {
  @PrimaryColumn('uuid')
  id: string;

  @Column({ name: 'order_number', type: 'text' })
  orderNumber: string;

  @Column({ type: 'text' })
  kind: ConflictKind;

  /** The transaction id, or the number of the refund. One conflict is stored once. */
  @Column({ type: 'text' })
  reference: string;

  /** What the merchant holds beyond the orders, in fen; negative for a refund; `null` if it is not known. */
  @Column({ type: 'integer', nullable: true })
  amount: number | null;

  @Column({ type: 'text' })
  problem: string;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;
}
