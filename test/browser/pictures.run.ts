import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import { startCoffeeShop } from '../support/coffee-shop.js';
import { describeBrowser, launch, visit } from './browser.js';

/** `npm run docs:pictures` writes the pictures of the simulator that the documents show. */
const IMAGES = 'docs/images';

const TEXTS = {
  'en-US': { suffix: '', lose: 'Lose the next notification', pass: 'Let time pass' },
  'zh-CN': { suffix: '.zh-CN', lose: '丢掉下一条通知', pass: '让时间过去' },
} as const;

jest.setTimeout(120_000);

describeBrowser('the pictures of the documents', () => {
  it.each(['en-US', 'zh-CN'] as const)('in %s', async (locale) => {
    const { suffix, lose, pass } = TEXTS[locale];
    const env = { WECHAT_SESSION_TTL: '30m', WECHAT_SESSION_MAX_AGE: '7d' };
    const s = await startCoffeeShop({ hasTimer: true, sandbox: { demoUsers: true }, env });
    const browser = await launch();
    const options: BrowserContextOptions = { locale, viewport: { width: 1600, height: 1000 } };
    const { page } = await visit(browser, s.wechat.simulate(s.url), options);
    const press = (name: string): Promise<void> =>
      page.getByRole('button', { name, exact: true }).click();
    const orderIs = (status: string): Promise<void> =>
      page.locator(`.order-status.${status}`).waitFor();

    await press('微信登录 / WeChat login');
    await page
      .locator('.screen')
      .getByText(/session_rd/)
      .first()
      .waitFor();
    await press(lose);
    await press('点咖啡 / Order coffee');
    await page.getByRole('radio', { name: '拿铁' }).check();
    await press('支付 / Pay');
    await page.getByRole('dialog').waitFor();
    await save(page.locator('.phone'), `tour-pay${suffix}`);
    await press('确认支付 / Confirm payment');
    await orderIs('paid');
    await save(page.locator('.phone'), `tour-paid${suffix}`);
    await settle(page);
    await save(page, `simulator${suffix}`);
    await press('退款 / Refund');
    await orderIs('refunding');
    await press(pass);
    await orderIs('refunded');
    await save(page.locator('.phone'), `tour-refunded${suffix}`);
    await browser.close();
    await s.close();
  });
});

/** Waits until the diagram shows the requests that are under way. */
const settle = (page: Page): Promise<void> => page.waitForTimeout(1000);

const save = async (part: Page | Locator, name: string): Promise<void> =>
  void (await part.screenshot({ path: `${IMAGES}/${name}.png` }));
