import { setTimeout as sleep } from 'node:timers/promises';

export interface CircuitBreakerOptions {
  /** Whether an error means that the endpoint did not respond. A refusal is a response. */
  isFailure: (error: unknown) => boolean;
  /** The error of a call that is not sent. */
  openError: () => Error;
  onOpen?: () => void;
  onClose?: () => void;
}

/** This many failures in a row open the circuit. */
export const MAX_FAILURES = 5;

/** How long a call waits for the call of the half-open state, in milliseconds. */
export const MAX_WAIT_MS = 250;

/**
 * The circuit breaker of one endpoint. Five failures in a row open it. The next call then makes it half-open: that call is
 * sent, and all others wait for its result, 250 ms at most, before they fail. A failure opens the circuit again, and a
 * response closes it. There is no time during which every call fails, so callers that call one after the other notice nothing.
 */
export class CircuitBreaker {
  private state: 'closed' | 'open' | 'half-open' = 'closed';
  private failures = 0;
  /** Settles with the call of the half-open state. Never rejects. */
  private probe?: Promise<void>;

  constructor(private readonly options: CircuitBreakerOptions) {}

  /** @throws `openError()` if the call is not sent; else what `work` rejects with */
  async execute<T>(work: () => Promise<T>): Promise<T> {
    if (this.state === 'half-open') {
      await Promise.race([this.probe, sleep(MAX_WAIT_MS, undefined, { ref: false })]);
      if (!this.isClosed()) throw this.options.openError();
    }
    return this.state === 'open' ? this.executeAsProbe(work) : this.watch(work);
  }

  private isClosed(): boolean {
    return this.state === 'closed';
  }

  private executeAsProbe<T>(work: () => Promise<T>): Promise<T> {
    this.state = 'half-open';
    const call = this.watch(work);
    const settle = (): void => {
      if (this.probe === probe && this.state === 'half-open') this.state = 'open';
    };
    const probe = call.then(settle, settle);
    this.probe = probe;
    return call;
  }

  private async watch<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.succeed();
      return result;
    } catch (error) {
      if (this.options.isFailure(error)) this.fail();
      else this.succeed();
      throw error;
    }
  }

  private succeed(): void {
    this.failures = 0;
    if (this.isClosed()) return;
    this.state = 'closed';
    this.options.onClose?.();
  }

  private fail(): void {
    this.failures++;
    if (!this.isClosed() || this.failures < MAX_FAILURES) return;
    this.state = 'open';
    this.options.onOpen?.();
  }
}
