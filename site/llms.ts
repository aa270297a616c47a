import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addressOf, isReference, read, sectionsOf } from './pages.js';

/**
 * Writes llms.txt, the list of the English pages for language models, with the Markdown of each page beside its HTML, and llms-full.txt, all
 * pages but the generated reference in one file. https://llmstxt.org
 */
export function writeLlms(out: string, description: string): void {
  const sections = sectionsOf('docs/README.md');
  const list = sections.map(({ title, pages }) => {
    const rows = pages.map((page) => `- [${page.title}](${addressOf(page.source)}): ${page.about}`);
    return `## ${title}\n\n${rows.join('\n')}\n`;
  });
  writeFileSync(
    join(out, 'llms.txt'),
    [`# nestjs-wechat\n\n> ${description}\n`, ...list].join('\n'),
  );

  const sources = sections.flatMap(({ pages }) => pages.map(({ source }) => source));
  for (const source of sources) {
    const file = join(out, addressOf(source));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, read(source));
  }
  const written = sources.filter((source) => !isReference(source));
  writeFileSync(join(out, 'llms-full.txt'), written.map(read).join('\n\n'));
}
