import fc from 'fast-check';
import { arrivals, loadAt, PEAK_AT, shareBetween } from './day-curve.js';

const peaks = fc.double({ min: 1, max: 50, noNaN: true });

describe('the curve of a day', () => {
  it('has the given peak at 20:00, and no higher value', () => {
    fc.assert(
      fc.property(peaks, fc.double({ min: 0, max: 1, noNaN: true }), (peak, at) => {
        expect(loadAt(PEAK_AT, peak)).toBeCloseTo(peak, 9);
        expect(loadAt(at, peak)).toBeLessThanOrEqual(peak + 1e-9);
        expect(loadAt(at, peak)).toBeGreaterThan(0);
      }),
    );
  });

  it('has a mean of 1', () => {
    fc.assert(fc.property(peaks, (peak) => expect(shareBetween(0, 1, peak)).toBeCloseTo(1, 1)));
  });
});

describe('the arrivals of a day', () => {
  it('are in order, within the day, as many as given, and dense at the peak', () => {
    const times = arrivals(20_000, 1_000, 5);
    expect(times.every((at, i) => at >= (times[i - 1] ?? 0) && at < 1_000)).toBe(true);
    expect(times).toHaveLength(20_000);
    const evening = times.filter((at) => at >= 1_000 * (19 / 24) && at < 1_000 * (21 / 24));
    expect(evening.length / times.length).toBeCloseTo(shareBetween(19 / 24, 21 / 24, 5), 1);
  });

  it('are none without actions', () => {
    expect(arrivals(0, 1_000, 5)).toEqual([]);
  });
});
