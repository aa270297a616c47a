import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailableError } from '../../wechat.errors.js';

/** How long one call may take, in milliseconds. A healthy Redis replies in less than one; the clients wait 5 to 25 s. */
export const CALL_TIMEOUT_MS = 250;

/** The number of timeouts in a row that opens the circuit. */
export const TIMEOUTS_TO_OPEN = 5;

/** The number of calls without a reply, late ones included. More would only queue up in memory. */
export const MAX_IN_FLIGHT = 10_000;

const PROBE_INTERVAL_MS = 100;

/** There was no reply within `CALL_TIMEOUT_MS`. Redis may still carry out the command. */
export class TimeoutError extends Error {}

/**
 * A circuit breaker in front of one Redis server. Closed: each call has a deadline. Open: after several timeouts in a row
 * calls fail at once, while one probe at a time waits until the server replies in time again.
 */
export class CircuitBreaker {
  private readonly logger = new Logger('WechatStore');
  private inFlight = 0;
  private timeouts = 0;
  private isOpen = false;
  private isStopped = false;

  /** @param probe sends any command; must not reject with an error that the server has sent */
  constructor(private readonly probe: () => Promise<unknown>) {}

  /**
   * @throws StoreUnavailableError at once if the circuit is open or too many calls are in flight; TimeoutError; and what
   *   `work` rejects with
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.isOpen)
      throw new StoreUnavailableError(
        'Redis does not respond. Calls fail at once until it responds again.',
      );
    if (this.inFlight >= MAX_IN_FLIGHT)
      throw new StoreUnavailableError(`Redis has not replied to ${MAX_IN_FLIGHT} calls yet.`);
    this.inFlight++;
    const call = work();
    try {
      const reply = await withTimeout(call);
      this.inFlight--;
      this.timeouts = 0;
      return reply;
    } catch (error) {
      this.failed(error, call);
      throw error;
    }
  }

  stop(): void {
    this.isStopped = true;
  }

  /** A call that timed out is in flight until its reply arrives. */
  private failed(cause: unknown, call: Promise<unknown>): void {
    const settled = (): void => void this.inFlight--;
    if (cause instanceof TimeoutError) call.then(settled, settled);
    else settled();
    this.timeouts = cause instanceof TimeoutError ? this.timeouts + 1 : 0;
    if (this.timeouts >= TIMEOUTS_TO_OPEN && !this.isOpen) void this.open();
  }

  private async open(): Promise<void> {
    this.isOpen = true;
    this.logger.error(
      `Redis did not reply to ${TIMEOUTS_TO_OPEN} calls within ${CALL_TIMEOUT_MS} ms each. Calls fail at once until it responds again.`,
    );
    while (!this.isStopped && !(await this.probeSucceeds())) continue;
    this.isOpen = false;
    this.timeouts = 0;
    if (!this.isStopped) this.logger.log('Redis responds again.');
  }

  /** A probe has no timeout: the late reply to it is the first sign that the server responds again. */
  private async probeSucceeds(): Promise<boolean> {
    const startedAt = performance.now();
    try {
      await this.probe();
      return performance.now() - startedAt <= CALL_TIMEOUT_MS;
    } catch {
      await sleep(PROBE_INTERVAL_MS, undefined, { ref: false });
      return false;
    }
  }
}

/** @throws TimeoutError */
export async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    // The reply may be in the socket already if this process was busy. setImmediate runs after it has been read.
    timer = setTimeout(() => setImmediate(() => reject(new TimeoutError())), CALL_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
