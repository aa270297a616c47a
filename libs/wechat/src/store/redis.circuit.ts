import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { StoreUnavailableError } from '../wechat.errors.js';

/** How long one call may take, in milliseconds. Redis answers in less than one; the clients' own patience is 5 to 25 s. */
export const STORE_DEADLINE = 250;

/** So many calls in a row without an answer, and the next ones do not wait any more. */
export const TIMEOUTS_TO_OPEN = 5;

/** Calls that Redis still owes an answer, late ones included. More than that would only queue up in memory. */
export const MAX_IN_FLIGHT = 10_000;

const PROBE_AGAIN_IN = 100;

/** No answer within `STORE_DEADLINE`. The call may still be carried out. */
export class DeadlineError extends Error {}

/**
 * Stands between callers and one Redis server. A call ends within the deadline; once the server has been silent often
 * enough, calls fail at once, while one probe at a time waits for the server to answer in time again.
 */
export class Circuit {
  private readonly logger = new Logger('WechatStore');
  private inFlight = 0;
  private timeouts = 0;
  private isOpen = false;
  private isStopped = false;

  /** @param probe asks the server for anything; an error that is the server's answer must not reject */
  constructor(private readonly probe: () => Promise<unknown>) {}

  /** @throws StoreUnavailableError at once, where asking makes no sense; DeadlineError; whatever `work` rejects with */
  async call<T>(work: () => Promise<T>): Promise<T> {
    if (this.isOpen)
      throw new StoreUnavailableError(
        'Redis does not answer. Calls go through again as soon as it does.',
      );
    if (this.inFlight >= MAX_IN_FLIGHT)
      throw new StoreUnavailableError('Redis owes too many answers already.');
    try {
      const answer = await withinDeadline(this.counted(work()));
      this.timeouts = 0;
      return answer;
    } catch (error) {
      this.timeouts = error instanceof DeadlineError ? this.timeouts + 1 : 0;
      if (this.timeouts >= TIMEOUTS_TO_OPEN && !this.isOpen) void this.open();
      throw error;
    }
  }

  stop(): void {
    this.isStopped = true;
  }

  /** Until it is answered, not until its caller gives up. */
  private counted<T>(work: Promise<T>): Promise<T> {
    const settled = (): void => void this.inFlight--;
    this.inFlight++;
    work.then(settled, settled);
    return work;
  }

  private async open(): Promise<void> {
    this.isOpen = true;
    this.logger.error(
      `Redis left ${TIMEOUTS_TO_OPEN} calls unanswered for ${STORE_DEADLINE} ms each; calls fail at once until it answers.`,
    );
    while (!this.isStopped && !(await this.answersInTime())) continue;
    this.isOpen = false;
    this.timeouts = 0;
    if (!this.isStopped) this.logger.log('Redis answers again.');
  }

  /** Not cut off at the deadline: the answer to a probe that was sent into the silence is the first sign of its end. */
  private async answersInTime(): Promise<boolean> {
    const askedAt = performance.now();
    try {
      await this.probe();
      return performance.now() - askedAt <= STORE_DEADLINE;
    } catch {
      await sleep(PROBE_AGAIN_IN, undefined, { ref: false });
      return false;
    }
  }
}

/** @throws DeadlineError */
export function withinDeadline<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    // One more turn of the event loop: where it was us who were busy, the answer lies in the socket and is read before that.
    const timer = setTimeout(() => setImmediate(() => reject(new DeadlineError())), STORE_DEADLINE);
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      end();
    };
    work.then(
      (answer) => settle(() => resolve(answer)),
      (error: Error) => settle(() => reject(error)),
    );
  });
}
