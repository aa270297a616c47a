import ms from 'ms';
import type { StringValue } from 'ms';

/**
 * A duration: a number of milliseconds, or text with a unit, such as `500ms`, `30s`, `30m`, `12h` or `7d`.
 *
 * @example
 * ```ts
 * session: { ttl: '30m', maxAge: 7 * 24 * 3_600_000 }
 * ```
 */
export type Duration = number | string;

const DURATION = /^\d+(\.\d+)?(ms|s|m|h|d)$/;

/**
 * Returns the milliseconds of a duration, or `undefined` if it is not valid. The text `'0'` is zero. Other text needs a unit.
 *
 * @example
 * ```ts
 * parseDuration('30m')      // 1800000
 * parseDuration('30x')      // undefined
 * ```
 */
export function parseDuration(duration: Duration): number | undefined {
  if (typeof duration === 'number')
    return Number.isFinite(duration) && duration >= 0 ? duration : undefined;
  if (duration === '0') return 0;
  return DURATION.test(duration) ? ms(duration as StringValue) : undefined;
}
