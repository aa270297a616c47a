import { join } from 'node:path';
import { figuresOf, readFigures } from './figures.js';
import { planFor } from './model.js';
import { tableOf } from './report.js';
import type { Language } from './report.js';
import { DEFAULTS } from './usage.js';

const ROOT = join(import.meta.dirname, '../..');
export const FIGURES = join(ROOT, 'etc/capacity-figures.json');

/** The pages with the table. */
export const PAGES: Record<Language, string> = {
  en: join(ROOT, 'docs/capacity.md'),
  zh: join(ROOT, 'docs/zh-CN/capacity.md'),
};

/** The table of the documents. */
export function documentedTable(language: Language): string {
  const figures = figuresOf(readFigures(FIGURES));
  const plans = [10_000, 1_000_000, 100_000_000].map((users) => ({
    users,
    plan: planFor({ ...DEFAULTS, users }, figures),
  }));
  return tableOf(plans, language);
}
