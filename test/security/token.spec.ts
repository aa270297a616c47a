import { randomBytes } from 'node:crypto';
import { Keyring } from '../../libs/wechat/src/crypto/keyring.js';
import { TokenFormat } from '../../libs/wechat/src/session/session-token.js';
import { isFull, often } from '../faults/rows.js';

const COUNT = isFull ? 1_000_000 : 200_000;
const BYTES = 32;
/** A fair source deviates by more than this many standard deviations once in about 500 million runs. */
const SIGMAS = 6;

interface Statistics {
  duplicates: number;
  /** The deviation of the number of ones, in standard deviations. */
  monobit: number;
  /** The deviation of the distribution over the 256 values of a byte, at the worst position of the token. */
  chiSquare: number;
}

function statisticsOf(tokens: Iterable<string>): Statistics {
  const seen = new Set<string>();
  const counts = Array.from({ length: BYTES }, () => new Uint32Array(256));
  let total = 0;
  for (const token of tokens) {
    seen.add(token);
    total++;
    Buffer.from(token.slice(4), 'base64url').forEach((byte, place) => counts[place]![byte]!++);
  }
  const ones = counts.reduce(
    (sum, count) => sum + count.reduce((bits, times, byte) => bits + times * ONES[byte]!, 0),
    0,
  );
  const bits = total * BYTES * 8;
  return {
    duplicates: total - seen.size,
    monobit: Math.abs(ones - bits / 2) / (Math.sqrt(bits) / 2),
    chiSquare: Math.max(
      ...counts.map((count) => Math.abs(chiSquare(count, total) - 255) / Math.sqrt(2 * 255)),
    ),
  };
}

const ONES = Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

function chiSquare(count: Uint32Array, total: number): number {
  const expected = total / 256;
  return count.reduce((sum, times) => sum + (times - expected) ** 2 / expected, 0);
}

function* tokensOf(make: () => string, count = COUNT): Iterable<string> {
  for (let i = 0; i < count; i++) yield make();
}

describe('a session_rd', () => {
  const keyring = new Keyring([], [{ id: 'one', key: randomBytes(32) }]);
  const tokens = new TokenFormat(keyring, 'srd');
  const issue = (): string => tokens.format(tokens.create(), keyring.sealingKey(''));

  it(`P1 never repeats, and each of its bits is random${often(COUNT)}`, () => {
    const { duplicates, monobit, chiSquare: spread } = statisticsOf(tokensOf(issue));
    expect(duplicates).toBe(0);
    expect(monobit).toBeLessThan(SIGMAS);
    expect(spread).toBeLessThan(SIGMAS);
  });

  it('P1 depends on random bytes only, and on no user, session_key or time', () => {
    expect([tokens.create.length, issue()]).toEqual([0, expect.stringMatching(/^srd_[\w-]{43}$/)]);
    const [one, other] = [tokens.create(), tokens.create()];
    expect(one.selector.equals(other.selector) || one.secret.equals(other.secret)).toBe(false);
  });

  it('control: detects a token that is made of the time and a counter', () => {
    let counter = 0;
    const naive = (): string =>
      `srd_${Buffer.from(`${1_700_000_000_000 + counter++} alice`.padEnd(BYTES)).toString('base64url')}`;
    const { monobit, chiSquare: spread } = statisticsOf(tokensOf(naive, 10_000));
    expect([monobit > SIGMAS, spread > SIGMAS]).toEqual([true, true]);
  });
});
