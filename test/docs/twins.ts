import { chineseOf, isReference, targetOf } from '../../site/pages.js';
import { blocksOf, headingsOf, linesOfTables, proseOf } from './markdown.js';

/** Returns the differences between a page and its Chinese twin. Each is one line. */
export function differencesOf(english: string, chinese: string): string[] {
  return Object.entries(PARTS).flatMap(([part, partsOf]) => {
    const [expected, actual] = [partsOf(english), partsOf(chinese)];
    const first = expected.findIndex((each, i) => each !== actual[i]);
    if (first < 0 && expected.length === actual.length) return [];
    const at = first < 0 ? expected.length : first;
    return [
      `${part} ${at + 1}: ${shown(expected[at])} in English, ${shown(actual[at])} in Chinese`,
    ];
  });
}

/** What both pages must have, in the same order: the text may differ, code may not. */
const PARTS: Record<string, (markdown: string) => string[]> = {
  heading: (markdown) => headingsOf(markdown).map(({ level }) => `level ${level}`),
  'row of a table': (markdown) =>
    linesOfTables(markdown).map((row) => `${row.split(/(?<!\\)\|/).length - 2} cells`),
  'point of a list': (markdown) =>
    [...markdown.matchAll(/^ *([-*]|\d+\.) /gm)].map(() => 'a point'),
  snippet: (markdown) =>
    blocksOf(markdown).map(
      ({ language, source, code }) => `${language} ${source ?? ''} ${withoutComments(code)}`,
    ),
};

const shown = (part: string | undefined): string =>
  part === undefined ? 'nothing' : part.trim().split('\n', 2).join(' …');

function withoutComments(code: string): string {
  return code.replace(/(#|\/\/|\/\*\*?).*$/gm, '').replace(/[ \t]+$/gm, '');
}

/** Returns the links of a Chinese page to English pages that have a Chinese twin, except for the link to its own twin. */
export function linksToEnglish(page: string, markdown: string, pages: string[]): string[] {
  return [...proseOf(markdown).matchAll(/\]\(([^)\s#]+\.md)/g)]
    .map(([, link = '']) => link)
    .filter((link) => {
      const target = targetOf(page, link);
      return (
        !isReference(target) && chineseOf(target) !== page && pages.includes(chineseOf(target))
      );
    });
}
