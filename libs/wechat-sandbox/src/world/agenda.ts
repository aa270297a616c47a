import type { SandboxClock } from './clock.js';

/** One function with its due time. */
interface Entry {
  /** Milliseconds by the sandbox's clock. */
  due: number;
  run: () => Promise<void>;
}

/** The number of entries that may run at the same time. Further entries wait. */
const MAX_RUNNING = 128;
/** The longest delay of the timer. It is set again until the entry is due, because `setTimeout` supports at most 24.8 days. */
const LONGEST_TIMER_MS = 3600_000;

/** Runs functions at a time of the sandbox's clock, for example to repeat a notification or to settle a refund. */
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
   * Runs a function when the clock reaches `due`, or at once if it is past.
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

  /** Resolves when no entry is due or running. */
  async settle(): Promise<void> {
    this.startDue();
    while (this.running.size > 0) {
      await Promise.race(this.running);
      this.startDue();
    }
  }

  /** Removes all entries. Does not wait for those that are running. */
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
    const wait = Math.min(Math.max(next.due - this.clock.now(), 0), LONGEST_TIMER_MS);
    this.timer = setTimeout(() => this.startDue(), wait).unref();
  }
}
