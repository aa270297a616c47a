import type { Browser, Page } from 'playwright-core';
import { startContentApp } from '../support/content-app.js';
import type { ContentApp } from '../support/content-app.js';
import { accessibilityProblems, describeBrowser, launch, screenshot, visit } from './browser.js';

describeBrowser('content checks in the simulator', () => {
  let s: ContentApp;
  let url: string;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    s = await startContentApp();
    url = s.wechat.simulate(s.url);
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await s?.close();
  });

  const press = (name: string): Promise<void> =>
    page.getByRole('button', { name, exact: true }).click();
  const isTagged = (text: string): Promise<void> =>
    page.locator('.screen .tag', { hasText: text }).waitFor();

  it('show a picture and a recording that are checked, pass and are blocked', async () => {
    const user = s.wechat.users.create();
    ({ page, complaints } = await visit(browser, url));
    await page.getByRole('radio', { name: user.nickName }).check();
    await press('微信登录 / WeChat login');
    await page
      .locator('.screen')
      .getByText(/session_rd/)
      .first()
      .waitFor();
    await press('获取头像昵称 / Profile');
    await press('上传头像');
    await isTagged('检查中');
    const nickName = page.getByLabel('昵称');
    await nickName.fill('小明');
    await s.ask();
    await s.pass('2s');
    await isTagged('已通过');
    expect(await nickName.inputValue()).toBe('小明'); // the page has read the status without a press
    await screenshot(page, 'picture-ok');
    await press('录音 / Record');
    await isTagged('检查中');
    s.wechat.contentVerdict('*', { suggest: 'risky' });
    await s.ask();
    await s.pass('2s');
    await isTagged('已屏蔽');
    expect(await accessibilityProblems(page)).toEqual([]);
    await screenshot(page, 'recording-blocked');
    await page.context().close();
    expect(complaints).toEqual([]);
  });
});
