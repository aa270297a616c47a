import type { OrderStatus } from './order.entity.js';

interface Transition {
  from: readonly OrderStatus[];
  to: OrderStatus;
}

/** The steps that change the status of an order. `OrderSteps` makes them, and `tools/order-picture.mjs` draws them. */
export const TRANSITIONS = {
  pay: { from: ['pending'], to: 'paid' },
  close: { from: ['pending'], to: 'closed' },
  pickUp: { from: ['paid'], to: 'picked-up' },
  startRefund: { from: ['paid'], to: 'refunding' },
  refundLate: { from: ['closed'], to: 'refunding' },
  closeRefund: { from: ['refunding'], to: 'paid' },
  refuseRefund: { from: ['refunding'], to: 'paid' },
  endRefund: { from: ['refunding'], to: 'refunded' },
  bookRefund: { from: ['paid', 'picked-up', 'refunding'], to: 'refunded' },
} as const satisfies Record<string, Transition>;

export type StepName = keyof typeof TRANSITIONS;
