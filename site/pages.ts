import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/*
 * The pages of the site are Markdown files of the repository. This file decides which ones, their addresses, and their order in the
 * sidebar, which is the order in docs/README.md.
 */

export const ROOT = join(import.meta.dirname, '..');
export const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The addresses of the English pages that are not `docs/<address>`. */
const ADDRESSES: Record<string, string> = {
  'README.md': 'index.md',
  'SECURITY.md': 'security.md',
  'libs/wechat/README.md': 'manual.md',
  'libs/wechat-sandbox/README.md': 'sandbox.md',
  'libs/miniprogram-client/README.md': 'mini-program-client.md',
  'docs/README.md': 'overview.md',
  'docs/api/README.md': 'api/index.md',
  'docs/api/index.md': 'api/main.md',
};

/** The page with the same content in Chinese: `docs/zh-CN/x.md` of `docs/x.md`, and `x.zh-CN.md` of the other pages. */
export function chineseOf(english: string): string {
  return english.startsWith('docs/')
    ? english.replace('docs/', 'docs/zh-CN/')
    : english.replace(/\.md$/, '.zh-CN.md');
}

export function englishOf(page: string): string {
  return page.replace('docs/zh-CN/', 'docs/').replace('.zh-CN.md', '.md');
}

export const isChinese = (page: string): boolean => page !== englishOf(page);

/** The generated reference, which is in English only. */
export const isReference = (page: string): boolean => page.startsWith('docs/api/');

/** Every page, as a path in the repository. */
export const PAGES: string[] = listPages();

function listPages(): string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`);
  const elsewhere = Object.keys(ADDRESSES).filter((page) => !page.startsWith('docs/'));
  const chinese = elsewhere.map(chineseOf).filter((page) => existsSync(join(ROOT, page)));
  return [...elsewhere, ...chinese, ...docs].toSorted();
}

/** The path of a page below the root of the site, with `.md`. */
export function addressOf(page: string): string {
  const english = englishOf(page);
  const address = ADDRESSES[english] ?? english.replace('docs/', '');
  return isChinese(page) ? `zh/${address}` : address;
}

/** The file that a relative link of a page names. */
export function targetOf(page: string, link: string): string {
  return normalize(join(dirname(page), link));
}

export interface Section {
  title: string;
  pages: { title: string; source: string; about: string }[];
}

/** The sections of docs/README.md or of its Chinese twin, with the pages in their tables. */
export function sectionsOf(index: string): Section[] {
  const [, ...sections] = read(index).split(/^## /m);
  return sections
    .map((section) => ({ title: section.split('\n', 1)[0] ?? '', pages: rowsOf(index, section) }))
    .filter(({ pages }) => pages.length > 0);
}

function rowsOf(index: string, section: string): Section['pages'] {
  return [...section.matchAll(/^\| \[([^\]]+)\]\(([^)]+)\) \| (.+) \|$/gm)]
    .map(([, title = '', link = '', about = '']) => ({
      title,
      source: targetOf(index, link),
      about: about.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1'),
    }))
    .filter(({ source }) => PAGES.includes(source));
}

/** Anchors as GitHub makes them, so that a link to a heading works on both. */
export function slugOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}
