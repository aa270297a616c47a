import type { SandboxClock } from './clock.js';

/** One thing to do at one time. */
interface Entry {
  /** Milliseconds by the sandbox's clock. */
  due: number;
  run: () => Promise<void>;
}

/** How many entries may run at the same time. The rest waits its turn. */
const MAX_RUNNING = 128;
/** `setTimeout` takes no longer delay than 24.8 days; the timer is set again after this time at the latest. */
const LONGEST_TIMER = 3600_000;

/** What the platform does later, by the sandbox's clock: repeat a notification, settle a refund. */
export class Agenda {
  private readonly entries: Entry[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly unsubscribe: () => void;
  private timer?: NodeJS.Timeout;
  private closed = false;

  constructor(private readonly clock: SandboxClock) {
    this.unsubscribe = clock.onAdvance(() => this.startDue());
  }

  /**
   * Runs something when the clock shows `due`, or at once if it does already.
   *
   * @param due milliseconds by the sandbox's clock
   * @param run must not reject
   */
  add(due: number, run: () => Promise<void>): void {
    if (this.closed) return;
    const later = this.entries.findIndex((entry) => entry.due > due);
    this.entries.splice(later === -1 ? this.entries.length : later, 0, { due, run });
    this.startDue();
  }

  /** Resolves when nothing is due and nothing runs. */
  async settle(): Promise<void> {
    this.startDue();
    while (this.running.size > 0) {
      await Promise.race(this.running);
      this.startDue();
    }
  }

  /** Forgets all entries; those that run are not awaited. */
  close(): void {
    this.closed = true;
    this.entries.length = 0;
    clearTimeout(this.timer);
    this.unsubscribe();
  }

  private startDue(): void {
    while (
      this.running.size < MAX_RUNNING &&
      (this.entries[0]?.due ?? Infinity) <= this.clock.now()
    )
      this.start(this.entries.shift()!);
    this.setTimer();
  }

  private start({ run }: Entry): void {
    const running = run().finally(() => {
      this.running.delete(running);
      this.startDue();
    });
    this.running.add(running);
  }

  private setTimer(): void {
    clearTimeout(this.timer);
    const [next] = this.entries;
    if (!next || this.closed || this.running.size >= MAX_RUNNING) return;
    const wait = Math.min(Math.max(next.due - this.clock.now(), 0), LONGEST_TIMER);
    this.timer = setTimeout(() => this.startDue(), wait).unref();
  }
}
