import { DEFAULT_APPS } from 'nestjs-wechat-sandbox';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import type { Browser, BrowserContextOptions, Locator, Page, Route } from 'playwright-core';
import { startCoffeeShop } from '../support/coffee-shop.js';
import type { CoffeeShop } from '../support/coffee-shop.js';
import { accessibilityProblems, describeBrowser, launch, screenshot, visit } from './browser.js';

const LOGIN = '微信登录 / WeChat login';
const ORDER_COFFEE = '点咖啡 / Order coffee';
const PAY = '支付 / Pay';
const CONFIRM = '确认支付 / Confirm payment';
const CANCEL = '取消 / Cancel';
const REFUND = '退款 / Refund';
const PICKED_UP = '已取货 / Picked up';
const NEWS = '接收订单通知 / Allow order news';
const ALLOW = '允许 / Allow';
const REJECT = '拒绝 / Reject';

/** The message of the sandbox's template. */
const PAID_MESSAGE = {
  templateId: DEFAULT_APPS[0]?.templates?.[0]?.id,
  data: {
    thing1: '{product}',
    amount2: '{amount}',
    time3: '{paidAt}',
    character_string4: '{number}',
  },
  page: 'pages/order/order?id={id}',
};

describeBrowser('the shop in the simulator', () => {
  let s: CoffeeShop;
  let url: string;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    const env = { SUBSCRIBE_ORDER_PAID: JSON.stringify(PAID_MESSAGE) };
    s = await startCoffeeShop({ hasTimer: true, sandbox: { demoUsers: true }, env });
    url = s.wechat.simulate(s.url);
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await s?.close();
  });
  afterEach(async () => {
    await page?.context().close();
    s?.wechat.clear();
    if (complaints?.length > 0)
      throw new Error(`The console has warnings or errors: ${complaints.join('; ')}`);
  });

  const button = (name: string): Locator => page.getByRole('button', { name, exact: true });
  const press = (name: string): Promise<void> => button(name).click();
  const shows = (text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();
  const orderIs = (status: string): Promise<void> =>
    page.locator(`.order-status.${status}`).waitFor();
  /** Waits for a step of the diagram. */
  const step = (text: RegExp): Promise<void> =>
    page.locator('.message summary').filter({ hasText: text }).first().waitFor();
  const openLoggedIn = async (options?: BrowserContextOptions): Promise<SandboxUser> => {
    const user = s.wechat.users.create();
    ({ page, complaints } = await visit(browser, url, options));
    await page.getByRole('radio', { name: user.nickName }).check();
    await press(LOGIN);
    await page
      .locator('.screen')
      .getByText(/session_rd/)
      .first()
      .waitFor();
    return user;
  };
  /** Acts while the page reads the order again by itself. The response to this read has the order as it was before. */
  const whilePageReads = async (
    cause: () => Promise<void>,
    act: () => Promise<void>,
  ): Promise<void> => {
    let answer = (): void => undefined;
    const acted = new Promise<void>((resolve) => (answer = resolve));
    let hasRead = (): void => undefined;
    const reading = new Promise<void>((resolve) => (hasRead = resolve));
    const hold = async (route: Route): Promise<void> => {
      const response = await route.fetch();
      hasRead();
      await acted;
      await route.fulfill({ response });
    };
    await page.route(/\/orders\/[^/]+$/, hold, { times: 1 });
    await cause();
    await reading;
    await act();
    answer();
  };
  const openSheet = async (): Promise<void> => {
    await press(ORDER_COFFEE);
    await page.getByRole('radio', { name: '拿铁' }).check();
    await press(PAY);
    await page.getByRole('dialog').waitFor();
  };

  it('sells a coffee whose notification is lost, and refunds it', async () => {
    await openLoggedIn();
    await press('丢掉下一条通知');
    await shows('下一条通知不会到达服务器');
    await openSheet();
    expect(await page.getByRole('dialog').innerText()).toMatch(/示例小程序[^]*¥22\.00/);
    await screenshot(page, 'pay-sheet');
    await press(CONFIRM);
    await orderIs('paid');
    await step(/TRANSACTION\.SUCCESS.*第 1 次 · 丢失/);
    await step(/GET \/v3\/pay\/transactions\/out-trade-no/);
    await screenshot(page, 'lost');
    await press('让时间过去');
    await step(/204\s+签名正确/);
    await orderIs('paid');
    await whilePageReads(
      async () => {
        await press(REFUND);
        await orderIs('refunding');
      },
      async () => {
        await press('让时间过去');
        await step(/REFUND\.SUCCESS/);
      },
    );
    await orderIs('refunded');
    for (let n = 1; n < 11; n++) await press('下一步');
    await page.getByRole('heading', { name: '丢失的通知' }).waitFor();
    await page.locator('.task.done').waitFor();
    await page.locator('.message summary').filter({ hasText: 'REFUND.SUCCESS' }).click();
    await shows('微信支付通知服务器：钱已退回');
    await screenshot(page, 'refunded');
  });

  it('shows a forged notification that changes nothing, and one that comes three times', async () => {
    await openLoggedIn();
    await openSheet();
    await press('伪造一条通知');
    await step(/401\s+签名被拒绝/);
    await press(CANCEL);
    await orderIs('pending');
    await shows('requestPayment:fail cancel');
    await whilePageReads(
      () => press('伪造一条通知'),
      () => press(PAY),
    );
    await page.getByRole('dialog').waitFor();
    await press('发送三次');
    await shows('下一条通知会同时发送三次');
    await press(CONFIRM);
    await step(/TRANSACTION\.SUCCESS.*第 3 次/);
    await orderIs('paid');
    await press(PICKED_UP);
    await orderIs('picked-up');
    await step(/POST \/wxa\/sec\/order\/upload_shipping_info/);
    await shows('已上传到微信');
    await press('返回');
    await press(ORDER_COFFEE);
    await page.locator('.order-row').filter({ hasText: '已取货' }).click();
    await orderIs('picked-up');
  });

  it('keeps the error of a sync on the screen, and becomes paid by the reconciliation if no notification arrives', async () => {
    await openLoggedIn();
    await openSheet();
    s.wechat.everyDelivery({ drop: true });
    const renewal = page.waitForResponse(/\/orders\/[^/]+$/);
    s.wechat.always('/v3/pay/transactions/out-trade-no/:no', { reset: true });
    await press(CONFIRM);
    await (await renewal).finished();
    await page.locator('.app[aria-busy=false]').waitFor();
    await shows('服务器拒绝了：503');
    await orderIs('pending');
    s.wechat.clear('/v3/pay/transactions/out-trade-no/:no');
    await press('让时间过去');
    await orderIs('paid');
  });

  it('shows the message of an allowed template as a banner, which opens the order, and not again after a reload', async () => {
    await openLoggedIn();
    await openSheet();
    await press(CANCEL);
    await orderIs('pending');
    await press(NEWS);
    await press(REJECT);
    await shows('没有允许订单通知');
    await press(NEWS);
    await screenshot(page, 'subscribe');
    await press(ALLOW);
    await shows('已允许一条订单通知');
    await press(PAY);
    await press(CONFIRM);
    await orderIs('paid');
    const banner = page.getByRole('button', { name: /订单支付成功通知/ });
    await banner.waitFor();
    await screenshot(page, 'message');
    await press('返回');
    await banner.click();
    await orderIs('paid');
    expect(await page.locator('.message-banner').count()).toBe(0);
    const messages = page.waitForResponse(/\/messages$/);
    await page.reload();
    await (await messages).finished();
    await page.evaluate('new Promise(requestAnimationFrame)'); // it draws what it has read
    expect(await page.locator('.message-banner').count()).toBe(0);
  });

  describe.each([
    ['zh-CN', 'light', '清空', ['丢掉下一条通知', '发送三次', '伪造一条通知', '让时间过去']],
    [
      'en-US',
      'dark',
      'Clear',
      [
        'Lose the next notification',
        'Send it three times',
        'Forge a notification',
        'Let time pass',
      ],
    ],
  ] as const)('in %s with %s colours', (locale, colorScheme, clear, controls) => {
    it('names each button once, fits every width, and has no problem that axe-core finds', async () => {
      await openLoggedIn({ locale, colorScheme });
      const isNamedOnce = async (names: string[]): Promise<void> => {
        await button(names[0]!).waitFor();
        for (const name of names.flatMap((both) => [both, ...both.split(' / ')]))
          expect([name, await page.getByRole('button', { name }).count()]).toEqual([name, 1]);
      };
      await isNamedOnce([...controls, ORDER_COFFEE]);
      await looksGood(`home-${locale}`);
      await press(clear); // the messages of all tests are checked once
      await press(ORDER_COFFEE);
      await isNamedOnce([PAY]);
      await looksGood(`menu-${locale}`);
      await press(PAY);
      await isNamedOnce([CONFIRM, CANCEL]);
      await looksGood(`sheet-${locale}`);
      await press(CONFIRM);
      await orderIs('paid');
      await isNamedOnce([REFUND, PICKED_UP, NEWS]);
      await looksGood(`order-${locale}`);
      await press(NEWS);
      await isNamedOnce([ALLOW, REJECT]);
      await looksGood(`prompt-${locale}`);
    });
  });

  it('is hidden if the server has no shop', async () => {
    const other = s.wechat.simulate(s.wechat.url);
    ({ page, complaints } = await visit(browser, other));
    await button(LOGIN).waitFor();
    s.wechat.simulate(s.url);
    expect(await button(ORDER_COFFEE).count()).toBe(0);
    expect(await button('伪造一条通知').count()).toBe(0);
  });

  it('has glyphs for Chinese, and no boxes', async () => {
    ({ page, complaints } = await visit(browser, url));
    expect(await picturesAreEqual('\u{f0000}', '\u{f0001}')).toBe(true); // without a glyph: two boxes
    expect(await picturesAreEqual('咖', '啡')).toBe(false);
  });

  /** Draws each text in the font of the page. */
  async function picturesAreEqual(...texts: string[]): Promise<boolean> {
    const pictures: Buffer[] = [];
    for (const text of texts) {
      await page.locator('h1').evaluate((title: any, shown) => (title.textContent = shown), text);
      pictures.push(await page.locator('h1').screenshot());
    }
    return pictures.every((picture) => picture.equals(pictures[0]!));
  }

  /** Checks the page at three widths. */
  async function looksGood(name: string): Promise<void> {
    for (const width of [390, 1024, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      expect([name, width, await page.evaluate(SIDEWAYS)]).toEqual([name, width, 0]);
    }
    expect(await accessibilityProblems(page)).toEqual([]);
    await screenshot(page, `shop-${name}`);
  }
});

const SIDEWAYS = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
