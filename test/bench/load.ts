import { Child } from './child.js';
import { hasWrk } from './machine.js';
import type { Load, Order } from './order.js';
import { runWrk } from './wrk.js';

/** Uses wrk if it is installed, and autocannon for requests that may be sent only once and for requests with a body. */
export class LoadGenerator {
  private autocannon?: Child;

  async run(order: Order): Promise<Load> {
    const hasBody = order.requests.some(({ body }) => body !== undefined);
    if (hasWrk && order.seconds !== undefined && !hasBody)
      return runWrk({ ...order, seconds: order.seconds });
    this.autocannon ??= Child.start('autocannon', { place: 'beside' });
    return this.autocannon.ask('run', order);
  }

  async stop(): Promise<void> {
    await this.autocannon?.stop();
  }
}
