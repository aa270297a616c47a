import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { randomUUID } from 'node:crypto';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import type { Order } from './order.entity.js';
import { PaymentConflict } from './payment-conflict.entity.js';

export type NewConflict = Omit<PaymentConflict, 'id' | 'createdAt'>;

/** Stores payments and refunds that fit no order, each once, and logs one error line for the operator. `npm run orders -- conflicts` lists it. */
@Injectable()
export class Conflicts {
  private readonly logger = new Logger('Shop');

  constructor(
    @InjectRepository(PaymentConflict) private readonly rows: Repository<PaymentConflict>,
    private readonly clock: AppClock,
  ) {}

  async record(conflict: NewConflict): Promise<void> {
    const id = randomUUID();
    await this.rows
      .createQueryBuilder()
      .insert()
      .values({ ...conflict, id, createdAt: this.clock.now() })
      .orIgnore()
      .execute();
    if (!(await this.rows.existsBy({ id }))) return;
    this.logger.error(
      `A message of WeChat Pay conflicts with order ${conflict.orderNumber}: ${conflict.problem}. List all with: npm run orders -- conflicts`,
    );
  }

  /** Whether a refund of the order's payment is known that the order does not contain. */
  hasRefundOf({ number }: Order): Promise<boolean> {
    return this.rows.existsBy({ orderNumber: number, kind: 'refund' });
  }
}
