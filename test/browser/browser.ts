import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { describeWith } from '../support/needs.js';

/** The paths in Debian's packages. The headless shell is first, because it opens a page with a third of the CPU time. */
const CHROMIUM = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) =>
  existsSync(path),
);
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const SCREENSHOTS = 'var/screenshots';

/** `describe` for tests in a browser. */
export const describeBrowser = (title: string, stories: () => void): void =>
  describeWith(
    {
      name: 'Chromium',
      isInstalled: CHROMIUM !== undefined,
      package: 'chromium-headless-shell',
    },
    title,
    stories,
  );

export const launch = (flags: string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags] });

/** A new page, with the warnings and errors of its console. */
export interface Visit {
  page: Page;
  complaints: string[];
}

export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({
    locale: 'zh-CN',
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.setDefaultTimeout(30_000); // two browsers at once are slow on two cores
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints };
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Only violations are described. To describe the elements without a problem takes longer than the check. */
const AXE_RUN =
  "axe.run({ iframes: false, resultTypes: ['violations'] }).then(({ violations }) => violations)";

/** Returns the problems that axe-core finds. Each line has the rule and the elements. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(AXE);
  const violations: { id: string; nodes: { target: unknown[]; failureSummary: string }[] }[] =
    await page.evaluate(AXE_RUN);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary}`),
  );
}

/** Saves a screenshot for human readers if SCREENSHOTS=1. Its folder is not in git. */
export async function screenshot(
  page: Page,
  name: string,
  options: { fullPage?: boolean } = {},
): Promise<void> {
  if (process.env['SCREENSHOTS'] !== '1') return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}/simulator-${name}.png`, ...options });
}
