import { readFileSync, writeFileSync } from 'node:fs';
import { documentedTable, FIGURES, PAGES } from './documents.js';
import { figuresOf, readFigures, takeFigures } from './figures.js';
import type { Findings } from './figures.js';
import { planFor } from './model.js';
import { reportOf, withTable } from './report.js';
import type { Language } from './report.js';
import { HELP, readCommand } from './usage.js';
import type { Command } from './usage.js';

/** `npm run capacity`: prints what a number of users needs. */
try {
  process.stdout.write(run(readCommand(process.argv.slice(2))));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

function run({ usage, help, docs, from }: Command): string {
  if (help) return HELP;
  if (from) return take(from);
  if (docs) return writeDocuments();
  const file = readFigures(FIGURES);
  return reportOf(usage, planFor(usage, figuresOf(file)), file);
}

function take(files: string[]): string {
  const findings = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Findings);
  writeFileSync(FIGURES, `${JSON.stringify(takeFigures(findings), null, 2)}\n`);
  return writeDocuments();
}

function writeDocuments(): string {
  for (const language of Object.keys(PAGES) as Language[]) {
    const page = readFileSync(PAGES[language], 'utf8');
    writeFileSync(PAGES[language], withTable(page, documentedTable(language)));
  }
  return 'The tables of the documents are written.\n';
}
