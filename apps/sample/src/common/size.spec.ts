import fc from 'fast-check';
import { parseSize } from './size.js';

describe('a size', () => {
  it.each([
    ['200MB', 209_715_200],
    ['200 mb', 209_715_200],
    ['1.5GB', 1_610_612_736],
    ['512KB', 524_288],
  ])('%s is read', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    '',
    '200',
    'MB',
    '0MB',
    '-1MB',
    '1e3MB',
    '200MBs',
    '200 MiB',
    '1,5GB',
    '1 000KB',
    '\u0662MB',
  ])('%j is refused', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it('is a whole number of bytes above 0, or refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = parseSize(text);
        return bytes === undefined || (Number.isSafeInteger(bytes) && bytes > 0);
      }),
    );
  });
});
