/** The busiest time of a day, as a share of it: 20:00. */
export const PEAK_AT = 20 / 24;

/**
 * The requests at a time of the day ÷ their mean. Half of them come evenly, and half around the peak, in the form of a bell.
 *
 * @param at the time as a share of the day, 0 to 1
 * @param peak the value at the peak, at least 1
 */
export function loadAt(at: number, peak: number): number {
  const bell = 0.5 / peak; // the mean of the bell over the day
  const width = bell / Math.sqrt(2 * Math.PI);
  const base = 0.5 / (1 - bell);
  const distance = Math.abs(at - PEAK_AT);
  const around = Math.min(distance, 1 - distance); // midnight is no border
  return base + (peak - base) * Math.exp(-((around / width) ** 2) / 2);
}

/**
 * Times of requests that do not wait for each other, in milliseconds, in ascending order. They are random, and as dense as the curve is high.
 *
 * @param count how many
 * @param ms the length of the day
 */
export function arrivals(
  count: number,
  ms: number,
  peak: number,
  random: () => number = Math.random,
): number[] {
  const times: number[] = [];
  while (times.length < count) {
    const at = random();
    if (random() * peak < loadAt(at, peak)) times.push(at * ms);
  }
  return times.toSorted((one, other) => one - other);
}

/** The share of a day's requests between two times, which are shares of the day. */
export function shareBetween(from: number, to: number, peak: number): number {
  const steps = 1_000;
  const step = (to - from) / steps;
  const middles = Array.from({ length: steps }, (_, i) => from + (i + 0.5) * step);
  return middles.reduce((sum, at) => sum + loadAt(at, peak) * step, 0);
}
