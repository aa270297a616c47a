import * as fc from 'fast-check';
import { parseExactJson } from './exact-json.js';

describe('parseExactJson', () => {
  it.each([
    ['{"id":9223372036854775807}', { id: '9223372036854775807' }],
    ['[-9223372036854775808,1]', ['-9223372036854775808', 1]],
    ['{"text":"\\"9223372036854775807\\"","n":1}', { text: '"9223372036854775807"', n: 1 }],
    ['{"9223372036854775807":1234567890123456}', { '9223372036854775807': '1234567890123456' }],
    [
      '[123456789012345,0.12345678901234567,1e-1234567890123456]',
      [123456789012345, Number('0.12345678901234567'), 0],
    ],
    [
      '[12345678901234567.5,1234567890123456e2]',
      [Number('12345678901234567.5'), 1234567890123456e2],
    ],
  ])('keeps the long integers of %s', (text, expected) => {
    expect(parseExactJson(text)).toEqual(expected);
  });

  it('control: JSON.parse rounds them', () => {
    expect(String(JSON.parse('9223372036854775807'))).not.toBe('9223372036854775807');
  });

  it('equals JSON.parse for everything else', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        fc.pre(!/\d{16}/.test(text));
        expect(parseExactJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each(['', '{', '12345678901234567x', '"\\"1234567890123456'])('throws for %j', (text) => {
    expect(() => parseExactJson(text)).toThrow(SyntaxError);
  });
});
