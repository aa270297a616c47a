import { setTimeout as sleep } from 'node:timers/promises';

export interface CircuitBreakerOptions {
  /** Returns whether an error means that the endpoint did not respond. A refusal is a response. */
  isFailure: (error: unknown) => boolean;
  /** Creates the error of a call that is not sent. */
  openError: () => Error;
  onOpen?: () => void;
  onClose?: () => void;
}

/** The number of failures in a row that opens the circuit breaker. */
export const MAX_FAILURES = 5;

/** How long a call waits for the result of the half-open call, in milliseconds. */
export const MAX_WAIT_MS = 250;

/**
 * The circuit breaker of one endpoint. Five failures in a row open it. The next call is then sent, and the breaker is half-open
 * until that call ends. All other calls wait for its result, 250 ms at most, before they fail. A failure opens the breaker
 * again, and a response closes it. The breaker has no timer, so every call of a sequential client is sent.
 */
export class CircuitBreaker {
  private state: 'closed' | 'open' | 'half-open' = 'closed';
  private failures = 0;
  /** Resolves when the half-open call ends. Never rejects. */
  private probe?: Promise<void>;

  constructor(private readonly options: CircuitBreakerOptions) {}

  /**
   * Runs `work`, or fails without running it while another call is half-open.
   * @throws `openError()` if the call is not sent, otherwise the error of `work`
   */
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
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.options.onClose?.();
  }

  private fail(): void {
    this.failures++;
    if (this.state !== 'closed' || this.failures < MAX_FAILURES) return;
    this.state = 'open';
    this.options.onOpen?.();
  }
}
