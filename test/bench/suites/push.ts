import { say } from '../bench.js';
import { Child } from '../child.js';
import { figuresFor } from '../figures.js';
import type { Findings } from '../figures.js';
import type { PushTimes } from '../push-opening.js';

const figure = figuresFor('push');

/** Measures what a message push costs: opened in JSON and in XML, compared with its parts by hand, and refused. */
export async function pushSuite(): Promise<Findings> {
  say('  push');
  const pieces = Child.start('pieces', { place: 'server' });
  try {
    const rounds = await pieces.ask<PushTimes[]>('timesOfPushes', { rounds: 15, times: 4_000 });
    const ratio = (over: keyof PushTimes, under: keyof PushTimes): number[] =>
      rounds.map(({ [over]: a, [under]: b }) => a / b);
    const spent = (way: keyof PushTimes): number[] => rounds.map(({ [way]: time }) => time);
    const µs = { unit: 'µs' };
    const figures = [
      ...figure(
        'push open json',
        'push in JSON: sha1 + AES + JSON.parse by hand ÷ open(), CPU time',
        ratio('bareJson', 'oursJson'),
        { goal: { atLeast: 0.6 } },
      ),
      ...figure(
        'push open xml',
        'push in XML: sha1 + AES + parse-xml by hand ÷ open(), CPU time',
        ratio('bareXml', 'oursXml'),
        { goal: { atLeast: 0.4 } },
      ),
      ...figure('push json µs', 'push in JSON: open()', spent('oursJson'), µs),
      ...figure('push xml µs', 'push in XML: open()', spent('oursXml'), µs),
      ...figure('push bare µs', 'push in JSON: opened by hand', spent('bareJson'), µs),
      ...figure('push refused µs', 'push refused: wrong signature', spent('forged'), µs),
    ];
    return { figures };
  } finally {
    await pieces.stop();
  }
}
