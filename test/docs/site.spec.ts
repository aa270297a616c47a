import fastifyStatic from '@fastify/static';
import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { addressOf, PAGES, ROOT } from '../../site/pages.js';
import { accessibilityProblems, describeBrowser, launch, visit } from '../browser/browser.js';

/* The site of the documentation, built as CI builds it. */

const SITE = join(ROOT, 'var/site');
const htmlOf = (page: string): string => addressOf(page).replace(/\.md$/, '.html');

beforeAll(() => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'docs:build'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
}, 300_000);

/** Returns the links and pictures of pages that lead to no page, no anchor and no file. The menu of languages of the reference stays in English. */
function deadLinks(pages: Record<string, string>, isFile: (path: string) => boolean): string[] {
  const anchors = Object.fromEntries(
    Object.entries(pages).map(([path, html]) => [
      path,
      new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)),
    ]),
  );
  return Object.entries(pages).flatMap(([path, html]) =>
    [...html.matchAll(/ (?:href|src)="([^"]+)"/g)]
      .map(([, link = '']) => link)
      .filter((link) => {
        if (/^(https?|mailto|data):|^\/zh\/api\//.test(link)) return false;
        const { pathname, hash } = new URL(link, `http://site/${path}`);
        const target = decodeURIComponent(pathname)
          .slice(1)
          .replace(/(^|\/)$/, '$1index.html');
        if (anchors[target] === undefined) return !isFile(target);
        return hash !== '' && !anchors[target].has(decodeURIComponent(hash.slice(1)));
      })
      .map((link) => `${path}: ${link}`),
  );
}

const files = (): string[] => readdirSync(SITE, { recursive: true, encoding: 'utf8' });
const htmlPages = (): Record<string, string> =>
  Object.fromEntries(
    files()
      .filter((file) => file.endsWith('.html') && file !== '404.html')
      .map((file) => [file, readFileSync(join(SITE, file), 'utf8')]),
  );

describe('the site', () => {
  it('has every page', () => {
    expect(PAGES.map(htmlOf).filter((page) => !existsSync(join(SITE, page)))).toEqual([]);
    const pages = Object.entries(htmlPages());
    expect(pages).toHaveLength(PAGES.length);
    expect(pages.flatMap(([page, html]) => (html.includes('<h1') ? [] : [page]))).toEqual([]);
  });

  it('has no dead link, to pages, to headings and to files', () => {
    expect(deadLinks(htmlPages(), (path) => existsSync(join(SITE, path)))).toEqual([]);
  });

  it('control: a link to a missing page or heading is found', () => {
    const pages = {
      'a.html': '<a href="/b.html#there"> <a href="/b.html#gone"> <a href="/c.html">',
      'b.html': '<h2 id="there">',
    };
    expect(deadLinks(pages, () => false)).toEqual(['a.html: /b.html#gone', 'a.html: /c.html']);
  });

  it('has no script, style or font of another host', () => {
    const loads = /<(?:script|link|img)[^>]* (?:src|href)="https?:/;
    expect(Object.entries(htmlPages()).filter(([, html]) => loads.test(html))).toEqual([]);
  });

  it('has the pages as text for language models', () => {
    const list = readFileSync(join(SITE, 'llms.txt'), 'utf8');
    const links = [...list.matchAll(/^- \[.+?\]\((.+?)\): .+$/gm)].map(([, link = '']) => link);
    expect(links).toEqual(expect.arrayContaining(['getting-started.md', 'manual.md']));
    expect(links.filter((link) => !existsSync(join(SITE, link)))).toEqual([]);
    expect(readFileSync(join(SITE, 'llms-full.txt'), 'utf8')).toContain('# Production checklist');
  });
});

describeBrowser('the site in a browser', () => {
  let server: FastifyInstance;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    server = fastify().register(fastifyStatic, { root: SITE }) as unknown as FastifyInstance;
    url = await server.listen({ port: 0, host: '127.0.0.1' });
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens a page, checks that it causes no error, and closes it. */
  async function on(
    path: string,
    check: (page: Page) => Promise<void>,
    options: BrowserContextOptions = {},
  ): Promise<void> {
    const { page, complaints } = await visit(browser, `${url}${path}`, options);
    await page.waitForFunction('document.querySelector("#app")?.__vue_app__ !== undefined');
    await check(page);
    expect(complaints).toEqual([]);
    await page.context().close();
  }

  const resultsOf = async (page: Page, query: string): Promise<string[]> => {
    await page.locator('#local-search button').click();
    await page.locator('#localsearch-input').fill(query);
    await page.locator('.results .result').first().waitFor();
    return page.locator('.results .result .titles').allInnerTexts();
  };

  it.each([
    ['/', 'Getting started', 'revoke devices', /Sessions|revo/i],
    ['/', 'Getting started', 'ERR_WECHAT_DECRYPT', /Errors|Error code|Troubleshooting/i],
    ['/zh/', '快速上手', '退出登录', /退出登录/],
    ['/zh/', '快速上手', '白名单', /微信后台/],
  ])('%s leads to "%s", and finds "%s"', async (path, start, query, found) => {
    await on(path, async (page) => {
      expect(await page.locator('h1').innerText()).toContain('nestjs-wechat');
      await page.locator('.VPHero').getByRole('link', { name: start }).waitFor();
      expect((await resultsOf(page, query)).slice(0, 5).join(' ')).toMatch(found);
    });
  });

  it('changes the language of a page, and stays in English in the reference', async () => {
    await on('/manual.html', async (page) => {
      expect(await page.locator('.VPNav').innerText()).toMatch(/v\d+\.\d+\.\d+/);
      await page.locator('.VPNavBarTranslations button').hover();
      await page.getByRole('link', { name: '简体中文' }).click();
      await page.waitForURL('**/zh/manual.html');
      await page.locator('.VPNavBar').getByRole('link', { name: 'API' }).click();
      await page.waitForURL('**/api/');
      await page.locator('.VPNavBarTranslations button').hover();
      await page.getByRole('link', { name: '简体中文' }).click();
      await page.waitForURL('**/api/');
    });
  });

  it.each(['/', '/zh/getting-started.html', '/zh/how-the-session-works.html'])(
    '%s is accessible, in light and in dark',
    async (path) => {
      await on(path, async (page) => {
        expect(await accessibilityProblems(page)).toEqual([]);
        await page.locator('.VPNavBarAppearance button').click();
        expect(await page.locator('html').getAttribute('class')).toContain('dark');
        expect(await accessibilityProblems(page)).toEqual([]);
      });
    },
  );

  it('never scrolls sideways on a phone', async () => {
    const width = 375;
    const check = async (page: Page): Promise<void> => {
      for (const path of ['/', '/zh/manual.html', '/zh/reliability.html', '/api/main.html']) {
        await page.goto(`${url}${path}`);
        const used = await page.evaluate('document.documentElement.scrollWidth');
        expect([path, used]).toEqual([path, width]);
      }
    };
    await on('/zh/', check, { viewport: { width, height: 700 } });
  });
});
