import ms from 'ms';
import { SandboxError } from './sandbox-error.js';

/** A duration: milliseconds, or a text such as `'500ms'`, `'5m'`, `'2h'`, `'30d'`. */
export type Duration = number | string;

/** Returns a {@link Duration} in milliseconds. */
export function milliseconds(duration: Duration): number {
  const value = typeof duration === 'number' ? duration : isSpelled(duration) ? ms(duration) : NaN;
  if (Number.isFinite(value) && value >= 0) return value;
  throw new SandboxError(
    `${JSON.stringify(duration)} is not a duration. Write milliseconds, or a text such as '500ms', '5m' or '7d'.`,
  );
}

/** A number with or without a unit. `ms` checks the unit. */
const isSpelled = (text: string): text is ms.StringValue => /^\d+(\.\d+)? *[a-z]*$/i.test(text);

const MOST_SKIPPED = 100 * 365 * 86_400_000;

/**
 * The platform's time: real time plus all calls of {@link SandboxClock.advance}. Codes, tokens and quotas expire by it. Delays of
 * responses take real time.
 */
export class SandboxClock {
  private skipped = 0;
  private readonly listeners = new Set<() => void>();

  /** Milliseconds since 1970, like `Date.now()`. */
  readonly now = (): number => Date.now() + this.skipped;

  /** Moves the time forward, so that no test has to sleep. By at most 100 years in all. */
  advance(by: Duration): void {
    const skipped = this.skipped + milliseconds(by);
    if (skipped > MOST_SKIPPED)
      throw new SandboxError(
        'The clock can be advanced by at most 100 years. Start another sandbox.',
      );
    this.skipped = skipped;
    for (const listener of this.listeners) listener();
  }

  /** Calls a listener after every {@link SandboxClock.advance}. Returns a function that removes it. */
  onAdvance(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** Unix time in whole seconds, the unit of every timestamp on WeChat's wire. */
export const unixSeconds = (now: number): number => Math.floor(now / 1000);

const beijing = (now: number): Date => new Date(now + 8 * 3600_000);

/** Returns the number of the minute, day or month of a time. Days and months of quotas begin at midnight in Beijing. */
export const Calendar = {
  minute: (now: number): number => Math.floor(now / 60_000),
  day: (now: number): number => Math.floor(beijing(now).getTime() / 86_400_000),
  month: (now: number): number => beijing(now).getUTCFullYear() * 12 + beijing(now).getUTCMonth(),
};
