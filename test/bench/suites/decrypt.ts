import { say } from '../bench.js';
import { Child } from '../child.js';
import type { DecryptionTimes } from '../decryption.js';
import { figuresFor } from '../figures.js';
import type { Findings } from '../figures.js';

const figure = figuresFor('decrypt');

/** Measures the cost of all checks of a decryption, compared with a raw decipher and with node-easywechat, which checks nothing. */
export async function decryptSuite(): Promise<Findings> {
  say('  decryption');
  const pieces = Child.start('pieces', { place: 'server' });
  try {
    const rounds = await pieces.ask<DecryptionTimes[]>('timesOfDecryption', {
      rounds: 15,
      times: 4_000,
    });
    const ratio = (over: keyof DecryptionTimes): number[] =>
      rounds.map(({ ours, [over]: other }) => other / ours);
    const spent = (way: keyof DecryptionTimes): number[] => rounds.map(({ [way]: time }) => time);
    const figures = [
      ...figure('decrypt', 'raw decipher + JSON.parse ÷ decryptOpenData, time', ratio('raw'), {
        goal: { atLeast: 0.78 },
      }),
      ...figure(
        'decrypt easywechat',
        'node-easywechat ÷ decryptOpenData, time',
        ratio('easywechat'),
      ),
      ...figure('decrypt µs', 'decryptOpenData', spent('ours'), { unit: 'µs' }),
      ...figure('decrypt easywechat µs', 'node-easywechat decryptSession', spent('easywechat'), {
        unit: 'µs',
      }),
    ];
    return { figures };
  } finally {
    await pieces.stop();
  }
}
