import { Column, Entity, PrimaryColumn } from 'typeorm';

export type OrderStatus = 'pending' | 'paid' | 'closed' | 'picked-up' | 'refunding' | 'refunded';

export type RefundStatus = 'PROCESSING' | 'SUCCESS' | 'CLOSED' | 'ABNORMAL';

export type ShippingStatus =
  /** WeChat has the shipping information. */
  | 'shipped'
  /** WeChat requires no shipping information of the mini program. */
  | 'not-managed'
  /** WeChat refused it. An operator decides. */
  | 'refused';

const timestamp = (name: string) => Column({ name, type: 'timestamptz', nullable: true });

/** An order. Amounts are whole fen. `OrderSteps` is its only writer. */
@Entity('orders')
export class Order {
  @PrimaryColumn('uuid')
  id: string;

  /** `out_trade_no` at WeChat Pay. */
  @Column({ type: 'text' })
  number: string;

  /** `null` once the account is deleted. */
  @Column({ name: 'user_id', type: 'uuid', nullable: true })
  userId: string | null;

  @Column({ name: 'app_id', type: 'text' })
  appId: string;

  /** The payer. `null` some time after the account is deleted. */
  @Column({ type: 'text', nullable: true })
  openid: string | null;

  @Column({ name: 'idempotency_key', type: 'text', nullable: true })
  idempotencyKey: string | null;

  @Column({ name: 'product_id', type: 'text' })
  productId: string;

  /** As it was when the order was made, like `amount`. */
  @Column({ name: 'product_name', type: 'text' })
  productName: string;

  @Column({ type: 'integer' })
  quantity: number;

  @Column({ type: 'integer' })
  amount: number;

  @Column({ type: 'text' })
  status: OrderStatus;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  /** Also `time_expire` of every prepay. */
  @Column({ name: 'pay_before', type: 'timestamptz' })
  payBefore: Date;

  /** Stored by the first `pay`, like `notifyUrl`, because a prepay with other fields is refused. */
  @Column({ type: 'text', nullable: true })
  description: string | null;

  @Column({ name: 'notify_url', type: 'text', nullable: true })
  notifyUrl: string | null;

  @Column({ name: 'prepay_id', type: 'text', nullable: true })
  prepayId: string | null;

  @timestamp('prepay_id_at')
  prepayIdAt: Date | null;

  /** The latest `pay`. Written before the prepay is sent, so `null` means that WeChat Pay cannot know the order. */
  @timestamp('pay_requested_at')
  payRequestedAt: Date | null;

  /** When WeChat Pay was last asked for the payment or the refund. */
  @timestamp('queried_at')
  queriedAt: Date | null;

  /** The user has cancelled, and WeChat Pay has not confirmed it yet. */
  @timestamp('closing_since')
  closingSince: Date | null;

  @timestamp('closed_at')
  closedAt: Date | null;

  @Column({ name: 'transaction_id', type: 'text', nullable: true })
  transactionId: string | null;

  @timestamp('paid_at')
  paidAt: Date | null;

  @timestamp('picked_up_at')
  pickedUpAt: Date | null;

  /** `out_refund_no` of the current refund. */
  @Column({ name: 'refund_number', type: 'text', nullable: true })
  refundNumber: string | null;

  /** How many refund numbers the order has had. */
  @Column({ name: 'refund_attempt', type: 'integer', default: 0 })
  refundAttempt: number;

  /** `null`: no refund, or WeChat Pay refused the request. */
  @Column({ name: 'refund_status', type: 'text', nullable: true })
  refundStatus: RefundStatus | null;

  @Column({ name: 'refund_amount', type: 'integer', nullable: true })
  refundAmount: number | null;

  @Column({ name: 'refund_reason', type: 'text', nullable: true })
  refundReason: string | null;

  /** Whether the payment came after the order was closed, so that the shop refunds it by itself. */
  @Column({ name: 'refund_is_late', type: 'boolean', default: false })
  refundIsLate: boolean;

  /** WeChat's number. `null`: it is not known whether WeChat Pay has received the request. */
  @Column({ name: 'refund_id', type: 'text', nullable: true })
  refundId: string | null;

  @timestamp('refund_requested_at')
  refundRequestedAt: Date | null;

  @timestamp('refund_succeeded_at')
  refundSucceededAt: Date | null;

  /** `null`: not picked up, or to be uploaded. */
  @Column({ name: 'shipping_status', type: 'text', nullable: true })
  shippingStatus: ShippingStatus | null;

  /** The latest upload. Written before it is sent, so `null` means that WeChat has no shipping information of the order. */
  @timestamp('shipping_sent_at')
  shippingSentAt: Date | null;

  /** WeChat's number of the refusal. */
  @Column({ name: 'shipping_errcode', type: 'integer', nullable: true })
  shippingErrcode: number | null;

  /** When the message that the order is paid has to be sent. Stored by the step that made the order paid. `null`: never, or it was sent. */
  @timestamp('message_due_at')
  messageDueAt: Date | null;

  @timestamp('account_deleted_at')
  accountDeletedAt: Date | null;

  /** When the reconciliation looks at the order next; `null`: never. */
  @timestamp('due_at')
  dueAt: Date | null;
}
