import { Logger } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SingleFlight } from '../single-flight.js';
import type { WechatStore } from '../store/wechat.store.js';

/** In milliseconds. */
export interface InboxTimes {
  /** How long a claim lasts unless it is renewed. After a crash of its owner another instance may claim the message. */
  lease: number;
  /** How often a claim is renewed while its handler runs. */
  renewEvery: number;
  /** How long a claim is renewed at most. */
  longestRun: number;
  /** How often the store is read while another instance runs the handler. */
  pollEvery: number;
  /** How long to wait for another instance. */
  longestWait: number;
  /** How long a message counts as done. */
  remember: number;
}

const DEFAULT_TIMES: InboxTimes = {
  lease: 10_000,
  renewEvery: 3_000,
  longestRun: 10 * 60_000,
  pollEvery: 200,
  longestWait: 14_000,
  remember: (24 * 60 + 30) * 60_000,
};

/** Another instance still runs the handler of this message. */
export class InboxBusyError extends Error {}

/** The first byte of a stored value; a claim has its owner behind it, a mark the reply. */
const CLAIMED = 1;
const DONE = 2;

/**
 * Runs the handler of a message once, although WeChat delivers it several times and to several instances.
 *
 * A message is claimed in the store, its handler runs, then it is marked as done. The claim is a lease that is renewed while
 * the handler runs, so no other instance runs it at the same time. A message counts as done only after its handler has
 * resolved: if the process ends before, a later delivery runs the handler again, so its effect must be idempotent.
 */
export class Inbox {
  private readonly logger = new Logger('WechatInbox');
  private readonly runs = new SingleFlight<Buffer>();
  private readonly times: InboxTimes;

  /** @param prefix the start of the keys in the store, one for each kind of message */
  constructor(
    private readonly store: WechatStore,
    private readonly prefix: string,
    times: Partial<InboxTimes> = {},
  ) {
    this.times = { ...DEFAULT_TIMES, ...times };
  }

  /**
   * Runs `work` unless the message is done. Deliveries of the same message that overlap in this process share one run.
   *
   * @param identity what makes two deliveries the same message; at most 200 printable ASCII characters without personal data
   * @param work runs the handler and returns the reply to remember; it may be empty
   * @returns the reply of the run, now or earlier
   * @throws what `work` rejects with, InboxBusyError, StoreUnavailableError before the handler runs
   */
  process(identity: string, work: () => Promise<Buffer>): Promise<Buffer> {
    return this.runs.run(identity, () => this.claimAndRun(this.prefix + identity, work));
  }

  /** Resolves when no handler runs in this process. */
  settled(): Promise<void> {
    return this.runs.settled();
  }

  private async claimAndRun(key: string, work: () => Promise<Buffer>): Promise<Buffer> {
    const claim = Buffer.concat([Buffer.of(CLAIMED), randomBytes(12)]);
    const giveUpAt = performance.now() + this.times.longestWait;
    for (;;) {
      const found = await this.store.get(key);
      if (found?.[0] === DONE) return found.subarray(1);
      if (!found && (await this.store.add(key, claim, this.times.lease)))
        return this.runClaimed(key, claim, work);
      if (performance.now() > giveUpAt) throw new InboxBusyError('Another instance handles it.');
      await sleep(this.times.pollEvery);
    }
  }

  private async runClaimed(
    key: string,
    claim: Buffer,
    work: () => Promise<Buffer>,
  ): Promise<Buffer> {
    const stopRenewing = this.renew(key, claim);
    try {
      const reply = await work();
      await this.markDone(key, claim, reply);
      return reply;
    } catch (error) {
      await this.store.remove(key, claim).catch(ignore); // the lease ends by itself
      throw error;
    } finally {
      stopRenewing();
    }
  }

  /** If the mark cannot be written, the response is still that of the handler. A later delivery may run it again. */
  private async markDone(key: string, claim: Buffer, reply: Buffer): Promise<void> {
    const mark = Buffer.concat([Buffer.of(DONE), reply]);
    const { remember } = this.times;
    try {
      if (await this.store.replace(key, claim, mark, remember)) return;
      if (await this.store.add(key, mark, remember)) return;
      this.logger.warn('A message was claimed by another instance while its handler ran.');
    } catch {
      this.logger.error(
        'The store did not take the mark of a message that was handled. A later delivery may run its handler again.',
      );
    }
  }

  private renew(key: string, claim: Buffer): () => void {
    const { lease, renewEvery, longestRun } = this.times;
    const endsAt = performance.now() + longestRun;
    const timer = setInterval(() => {
      if (performance.now() > endsAt) return clearInterval(timer);
      this.store.replace(key, claim, claim, lease).catch(ignore); // the next attempt follows
    }, renewEvery);
    timer.unref();
    return () => clearInterval(timer);
  }
}

function ignore(): void {}
