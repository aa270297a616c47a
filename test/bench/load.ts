import { Child } from './child.js';
import { hasWrk } from './machine.js';
import type { Load, Order } from './order.js';
import { runWrk } from './wrk.js';

/** Uses wrk if it is installed. Uses autocannon otherwise, and if each request may be sent only once, which wrk does not guarantee. */
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
