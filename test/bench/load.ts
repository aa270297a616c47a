import { Child } from './child.js';
import { hasWrk } from './machine.js';
import type { Load, Order } from './order.js';
import { runWrk } from './wrk.js';

/** wrk where there is one; autocannon also for requests that may be sent only once, which wrk cannot promise. */
export class LoadGenerator {
  private autocannon?: Child;

  async run(order: Order): Promise<Load> {
    if (hasWrk && order.seconds !== undefined) return runWrk({ ...order, seconds: order.seconds });
    this.autocannon ??= Child.start('autocannon', { place: 'beside' });
    return this.autocannon.ask('run', order);
  }

  async stop(): Promise<void> {
    await this.autocannon?.stop();
  }
}
