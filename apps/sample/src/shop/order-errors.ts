import { AppError } from '../common/app-error.js';
import type { OrderStatus } from './order.entity.js';

/** The order's status does not allow it. `data.status` is the status. */
export class OrderStateError extends AppError {
  constructor(status: OrderStatus, problem = `the order is ${status}`) {
    super(409, 'ERR_ORDER_STATE', problem, { data: { status } });
  }
}

/** The Idempotency-Key was used for another order. */
export class IdempotencyConflictError extends AppError {
  constructor() {
    super(
      409,
      'ERR_IDEMPOTENCY_CONFLICT',
      'the Idempotency-Key belongs to an order with another body; use a new key',
    );
  }
}

/** The user has too many pending orders. `data.limit` is their largest number. */
export class OrderLimitError extends AppError {
  constructor(limit: number) {
    super(409, 'ERR_ORDER_LIMIT', 'too many pending orders; pay or cancel one first', {
      data: { limit },
    });
  }
}
