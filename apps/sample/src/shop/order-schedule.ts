import { parseDuration } from 'nestjs-wechat';
import type { Duration } from 'nestjs-wechat';
import type { Order } from './order.entity.js';

const inMs = (...durations: Duration[]): number[] =>
  durations.map((duration) => parseDuration(duration) ?? 0);

/** When a payment is queried, after the latest `pay`. */
const PAYMENT_QUERIES = inMs('5s', '30s', '1m', '3m', '5m', '10m', '30m', '1h', '6h', '24h');

/** When a refund is queried, after it was requested. */
const REFUND_QUERIES = inMs('1m', '2m', '5m', '10m', '30m', '1h', '6h', '1d', '3d', '7d');

/** When a refund request that has no response is repeated. */
const REFUND_REPEATS = [...inMs('1s', '5s', '30s'), ...REFUND_QUERIES];

/** When shipping information that WeChat has not taken yet is uploaded again, after the pick-up: the last ones every six hours. */
const SHIPPING_UPLOADS = inMs(
  ...(['1m', '10m', '1h'] as const),
  ...Array.from({ length: 28 }, (_, i): Duration => `${6 * (i + 1)}h`),
);

const CLOSE_REPEAT_MS = 60_000;
const LATE_REFUND_REPEAT_MS = 3600_000;
/** For refunds that only an operator can end. */
const WATCH_MS = 24 * 3600_000;

type Scheduled = Pick<
  Order,
  | 'status'
  | 'userId'
  | 'payBefore'
  | 'payRequestedAt'
  | 'closingSince'
  | 'refundStatus'
  | 'refundIsLate'
  | 'refundId'
  | 'refundRequestedAt'
  | 'pickedUpAt'
  | 'shippingStatus'
>;

/** Whether a pending order has to be closed: its time is over, the user has cancelled it, or the account is deleted. */
export function mustClose({ payBefore, closingSince, userId }: Scheduled, now: Date): boolean {
  return payBefore <= now || closingSince !== null || userId === null;
}

/** Returns when the reconciliation takes the order again, or `null` for never. */
export function dueAfter(order: Scheduled, now: Date): Date | null {
  switch (order.status) {
    case 'pending':
      if (mustClose(order, now)) return later(now, CLOSE_REPEAT_MS);
      return earlier(nextOf(PAYMENT_QUERIES, order.payRequestedAt, now), order.payBefore);
    case 'closed':
      return nextOf(PAYMENT_QUERIES, order.payRequestedAt, now);
    case 'refunding':
      return nextOfRefund(order, now);
    case 'picked-up':
      return order.shippingStatus === null ? nextOf(SHIPPING_UPLOADS, order.pickedUpAt, now) : null;
    default:
      return null;
  }
}

function nextOfRefund(order: Scheduled, now: Date): Date {
  const { refundStatus, refundIsLate, refundId, refundRequestedAt } = order;
  if (refundStatus === 'ABNORMAL') return later(now, WATCH_MS);
  if (refundIsLate && refundStatus !== 'PROCESSING') return later(now, LATE_REFUND_REPEAT_MS);
  const steps = refundId === null ? REFUND_REPEATS : REFUND_QUERIES;
  return nextOf(steps, refundRequestedAt, now) ?? later(now, WATCH_MS);
}

function nextOf(steps: readonly number[], since: Date | null, now: Date): Date | null {
  const step = since && steps.find((ms) => since.getTime() + ms > now.getTime());
  return since && step ? later(since, step) : null;
}

const later = (since: Date, ms: number): Date => new Date(since.getTime() + ms);

const earlier = (one: Date | null, other: Date): Date => (one && one < other ? one : other);
