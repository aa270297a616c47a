import type { Browser } from 'playwright-core';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';
import { describeBrowser, launch, visit } from './browser.js';

describeBrowser('the page of the API docs', () => {
  let s: Started;
  let browser: Browser;
  beforeAll(async () => {
    s = await start();
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await s?.close();
  });

  it('calls a route from the browser, within its Content-Security-Policy', async () => {
    const { page, complaints } = await visit(browser, `${s.url}/docs`);
    const route = page.locator('.opblock', { hasText: '/health/live' });
    await route.click();
    await route.getByRole('button', { name: 'Try it out' }).click();
    await route.getByRole('button', { name: 'Execute' }).click();
    await route.locator('.live-responses-table', { hasText: '"status": "ok"' }).waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('runs no script of another origin', async () => {
    const { page } = await visit(browser, `${s.url}/docs`);
    const refusal = page.waitForEvent('console', (message) =>
      message.text().includes('Content Security Policy'),
    );
    await page.evaluate(
      "document.body.append(Object.assign(document.createElement('script'), { src: 'http://127.0.0.1:9/foreign.js' }))",
    );
    await refusal;
    await page.context().close();
  });
});
