import { chineseOf, isChinese, isReference, PAGES, read } from '../../site/pages.js';
import { differencesOf, linksToEnglish } from './twins.js';

/* Every page of the documentation is in English and in Chinese. The text of both is written; headings, tables and code must agree. */

const english = PAGES.filter((page) => !isChinese(page) && !isReference(page));

describe('the two languages', () => {
  it('have every page, except for the generated reference', () => {
    expect(english.length).toBeGreaterThan(20);
    expect(english.filter((page) => !PAGES.includes(chineseOf(page)))).toEqual([]);
    expect(PAGES.filter(isChinese)).toHaveLength(english.length);
  });

  it.each(english)('agree in the headings, tables, lists and code of %s', (page) => {
    expect(differencesOf(read(page), read(chineseOf(page)))).toEqual([]);
  });

  it.each(english)('link within their own language: the twin of %s', (page) => {
    const chinese = chineseOf(page);
    expect(linksToEnglish(chinese, read(chinese), PAGES)).toEqual([]);
  });
});

describe('control: the check fails', () => {
  const page = 'docs/getting-started.md';
  const chinese = read(chineseOf(page));

  it.each([
    ['if a heading is missing', 'heading', /^## .+\n/m, ''],
    ['if a heading has another level', 'heading', /^## /m, '### '],
    ['if a row of a table is missing', 'row of a table', /^\| .+\n/m, ''],
    ['if a snippet is missing', 'snippet', /^<!-- source.+?^```\n/ms, ''],
    ['if a snippet differs', 'snippet', /SessionGuard(?=\))/, 'AuthGuard'],
    ['if a point of a list is missing', 'point of a list', /^1\. .+\n/m, ''],
  ])('%s', (_, part, pattern, replacement) => {
    const changed = chinese.replace(pattern, replacement);
    expect(changed).not.toBe(chinese);
    expect(differencesOf(read(page), changed)).toEqual([
      expect.stringMatching(new RegExp(`^${part} \\d+: .+ in English, .+ in Chinese$`)),
    ]);
  });

  it('if a page links to English', () => {
    const text = '[支付](../payments.md) [English](../getting-started.md) [API](../api/pay.md)';
    expect(linksToEnglish(chineseOf(page), text, PAGES)).toEqual(['../payments.md']);
  });
});
