import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chartOf } from './chart.js';
import { numberText, textOf } from './figures.js';
import type { Figure } from './figures.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const CHART = 'docs/images/performance.svg';
const [START, END] = ['<!-- bench: table -->', '<!-- bench: end -->'];

const PAGES = {
  en: {
    file: 'docs/performance.md',
    head: ['', 'requests/s ÷ bare Nest route', 'CPU per request, µs'],
  },
  zh: {
    file: 'docs/zh-CN/performance.md',
    head: ['', '每秒请求数 ÷ 空的 Nest 路由', '每个请求的 CPU 时间（µs）'],
  },
} as const;

type Language = keyof typeof PAGES;

/** The rows of the table: the first part of the ids of two figures, and the text. */
const ROWS: ({ id: string } & Record<Language, string>)[] = [
  { id: 'bare', en: 'bare Nest route', zh: '空的 Nest 路由' },
  {
    id: 'guarded',
    en: '**SessionGuard**, sessions in Redis',
    zh: '**SessionGuard**，会话在 Redis',
  },
  { id: 'passport', en: 'WechatAuthGuard (Passport)', zh: 'WechatAuthGuard（Passport）' },
  { id: 'nestJwt', en: '@nestjs/jwt', zh: '@nestjs/jwt' },
  { id: 'fastifyJwt', en: '@fastify/jwt', zh: '@fastify/jwt' },
  { id: 'passportJwt', en: 'passport-jwt', zh: 'passport-jwt' },
  { id: 'app live', en: 'reference app: `GET /health/live`', zh: '示例应用：`GET /health/live`' },
  {
    id: 'app session',
    en: 'reference app: `GET /auth/session`',
    zh: '示例应用：`GET /auth/session`',
  },
  {
    id: 'embedded session',
    en: 'the same, with the embedded database',
    zh: '同上，使用内嵌数据库',
  },
  { id: 'app me', en: 'reference app: `GET /me`', zh: '示例应用：`GET /me`' },
  { id: 'app login', en: 'reference app: `POST /auth/login`', zh: '示例应用：`POST /auth/login`' },
];

/** Writes the chart, and the table of the page for users in both languages. */
export async function writeDocs(figures: Figure[]): Promise<void> {
  await writeFile(join(ROOT, CHART), chartOf(figures));
  for (const language of Object.keys(PAGES) as Language[]) {
    const file = join(ROOT, PAGES[language].file);
    const text = await readFile(file, 'utf8');
    await writeFile(file, withTable(text, tableOf(figures, language)));
  }
}

function tableOf(figures: Figure[], language: Language): string {
  const median = (id: string): string[] =>
    figures.filter((figure) => figure.id === id).map(({ spread }) => numberText(spread.median));
  const rows = ROWS.flatMap((row) => {
    const [[ratio], [cpu]] = [median(`${row.id} of bare`), median(`${row.id} µs`)];
    return ratio === undefined || cpu === undefined ? [] : [[row[language], ratio, cpu]];
  });
  return textOf({ head: [...PAGES[language].head], rows });
}

function withTable(page: string, table: string): string {
  const [from, to] = [page.indexOf(START) + START.length, page.indexOf(END)];
  return `${page.slice(0, from)}\n${table}\n${page.slice(to)}`;
}
