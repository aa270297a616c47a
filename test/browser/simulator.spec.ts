import type { SandboxUser } from 'nestjs-wechat-sandbox';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { person, registered } from '../support/people.js';
import { start } from '../support/start.js';
import type { Started } from '../support/start.js';
import { accessibilityProblems, describeBrowser, launch, screenshot, visit } from './browser.js';

const NAMES = [
  '微信登录 / WeChat login',
  '获取头像昵称 / Profile',
  '手机号快捷登录 / Phone number',
  '录音 / Record',
  '小程序码 / QR code',
  '退出登录 / Log out',
];
const [LOGIN, PROFILE, PHONE, RECORD, CODE, LOGOUT] = NAMES as [
  string,
  string,
  string,
  string,
  string,
  string,
];

/** Runs in the page. Returns the duration in seconds when the player has loaded it. */
const durationOf = (audio: any): Promise<number> =>
  new Promise((resolve) => {
    if (audio.duration > 0) resolve(audio.duration);
    else audio.addEventListener('durationchange', () => resolve(audio.duration));
  });

describeBrowser('the simulator', () => {
  let s: Started;
  let url: string;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());
  /** Starts an app with its sandbox. A page shows all messages of a sandbox, so hundreds of them would make the later tests slow. */
  const given = (): void => {
    let own: Started | undefined;
    beforeAll(async () => {
      s = own = await start({ sandbox: { demoUsers: true } });
      url = s.wechat.simulate(s.url);
    });
    afterAll(() => own?.close());
  };
  given();
  afterEach(async () => {
    await page?.context().close();
    s?.wechat.clear();
    if (complaints?.length > 0)
      throw new Error(`The console has warnings or errors: ${complaints.join('; ')}`);
  });

  const open = async (options?: BrowserContextOptions): Promise<void> => {
    ({ page, complaints } = await visit(browser, url, options));
  };
  const button = (name: string): Locator => page.getByRole('button', { name, exact: true });
  const press = (name: string): Promise<void> => button(name).click();
  const shows = (text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();
  /** Waits until the screen of the phone shows a text. */
  const screenShows = (text: string | RegExp): Promise<void> =>
    page.locator('.screen').getByText(text).first().waitFor();
  /** Opens the page for a user who is new to the server. */
  const openAsNewUser = async (
    options?: BrowserContextOptions,
    user = s.wechat.users.create(),
  ): Promise<SandboxUser> => {
    await open(options);
    await page.getByRole('radio', { name: user.nickName }).check();
    return user;
  };
  const openLoggedIn = async (options?: BrowserContextOptions): Promise<SandboxUser> => {
    const user = await openAsNewUser(options);
    await press(LOGIN);
    await screenShows(/session_rd/);
    return user;
  };
  /** Returns the newest steps of the diagram, as a screen reader reads them, when the last one is shown: it can come after the screen has changed. */
  const steps = async (count: number, last: string): Promise<string[]> => {
    const summaries = page.locator('.message summary');
    await summaries.last().filter({ hasText: last }).waitFor();
    return (await summaries.allInnerTexts())
      .slice(-count)
      .map((step) => step.replaceAll(/\s+/g, ' '));
  };

  describe('for a new visitor', () => {
    it('shows the whole flow, button by button', async () => {
      await open();
      await screenshot(page, 'start');
      await press(LOGIN);
      await screenShows('欢迎！服务器第一次见到你');
      await screenshot(page, 'login');
      await press(PROFILE);
      await screenShows('签名已验证，资料已解密并保存');
      await screenShows('Alice 爱丽丝');
      await screenshot(page, 'profile');
      await press(PHONE);
      await screenShows('这个号码还没有注册');
      await screenShows('13580006666');
      await press('用此号码注册');
      await screenShows('已验证的手机号');
      await screenshot(page, 'phone');
      await page.locator('.message.server-wechat.response summary').first().click();
      await screenshot(page, 'step');
      await press('清空');
      await press(RECORD);
      await screenShows('第 1 段');
      await press('播放第 1 段');
      expect(await page.locator('.screen audio').evaluate(durationOf)).toBeCloseTo(1, 1);
      await screenshot(page, 'recording');
      await press(CODE);
      await page.getByRole('img', { name: 'from=alice' }).waitFor();
      await screenshot(page, 'code');
      await press('用另一部手机扫一扫');
      await screenShows('"scene": "from=alice"');
      await shows('Bob 鲍勃 的手机打开了');
      await screenshot(page, 'second-phone');
      await page.getByRole('tab', { name: '手机', exact: true }).click();
      await press(LOGOUT);
      await screenShows('这个 session_rd 从此无效');
      await shows('未登录');
    });
  });

  describe('on a website', () => {
    it('logs in with the consent page, and only the backends have the secret', async () => {
      await open();
      await page.getByRole('tab', { name: '网站' }).click();
      await press('打开扫码页');
      await page.frameLocator('iframe').getByRole('radio', { name: /bob/ }).check();
      await screenshot(page, 'consent');
      await page.frameLocator('iframe').getByRole('button', { name: '允许' }).click();
      await shows('网站认识你了');
      expect(await page.locator('.site pre').innerText()).toContain('"nickname": "Bob 鲍勃"');
      await screenshot(page, 'website');
    });

    it('is reached with the arrow keys', async () => {
      await open();
      await page.getByRole('tab', { name: '手机', exact: true }).focus();
      await page.keyboard.press('ArrowLeft');
      await button('打开扫码页').waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.keyboard.press('ArrowLeft');
      await button('扫一扫').waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
    });
  });

  describe.each([
    ['Chinese', 'zh-CN', 'zh-CN', '时序图'],
    ['English', 'en-US', 'en', 'Sequence diagram'],
  ])('in %s', (_language, locale, lang, diagram) => {
    it('names each button of the mini program once', async () => {
      await open({ locale });
      await page.getByRole('heading', { name: diagram }).waitFor();
      expect(await page.locator('html').getAttribute('lang')).toBe(lang);
      for (const name of NAMES.flatMap((both) => [both, ...both.split(' / ')])) {
        expect([name, await page.getByRole('button', { name }).count()]).toEqual([name, 1]);
      }
    });

    it('has no problem that axe-core finds, in light and dark colours', async () => {
      await openLoggedIn({ locale });
      await page.locator('.message summary').last().click();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.emulateMedia({ colorScheme: 'dark' });
      expect(await accessibilityProblems(page)).toEqual([]);
      await screenshot(page, `dark-${lang}`);
    });

    it('fits on a phone', async () => {
      await openLoggedIn({ locale, viewport: { width: 375, height: 780 } });
      expect(
        await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        ),
      ).toBe(0);
      expect(await accessibilityProblems(page)).toEqual([]);
      await screenshot(page, `narrow-${lang}`);
      await page.getByRole('navigation').getByRole('link').nth(2).click();
      await screenshot(page, `narrow-diagram-${lang}`);
    });
  });

  describe('on the phone', () => {
    given();

    it('saves a typed name', async () => {
      await openLoggedIn();
      await press(PROFILE);
      await page.getByLabel('昵称').fill('小明 🎈');
      await press('保存');
      await screenShows('小明 🎈');
    });

    it('gets the number by decryption, without a call to WeChat', async () => {
      const user = await openLoggedIn();
      await page.getByRole('switch').check();
      await press(PHONE);
      await screenShows(user.phoneNumber);
      await screenShows('服务器用 session_key 自己解密');
      expect((await steps(2, 'ERR_NOT_REGISTERED')).map((step) => step.split(':')[0])).toEqual([
        '小程序 到 你的服务器',
        '你的服务器 到 小程序',
      ]);
      await press('用此号码注册');
      await screenShows('已注册并登录');
      await press(PHONE);
      await screenShows('此号码已注册，已登录');
    });

    it.each([
      ['zh-CN', '这个账号可能是别人的', '这不是我的账号', '号码已转到你自己的账号'],
      [
        'en-US',
        'This account may belong to another person',
        'This is not my account',
        'The number belongs to your own account now',
      ],
    ])(
      'takes a number over from the account of another person, in %s',
      async (locale, notLinked, notMyAccount, takenOver) => {
        const previousOwner = await person(s);
        const token = await registered(s, previousOwner);
        const { phoneNumber } = previousOwner.wechat;
        await openAsNewUser({ locale }, s.wechat.users.create({ phoneNumber }));
        await press(LOGIN);
        await screenShows(/session_rd/);
        await press(PHONE);
        await screenShows(notLinked);
        await screenShows(phoneNumber);
        expect(await accessibilityProblems(page)).toEqual([]);
        await screenshot(page, `not-linked-${locale}`);
        expect(await page.locator('.user-card').getByText(phoneNumber).count()).toBe(0);
        await press(notMyAccount);
        await screenShows(takenOver);
        expect((await s.call('GET /account', { token })).body.data.phoneNumber).toBeNull();
        await press('GET /me');
        await page.locator('.screen .fields').getByText(phoneNumber).waitFor(); // not that of the previous screen
      },
    );

    it('deletes a recording', async () => {
      await openLoggedIn();
      await press(RECORD);
      await press('删除第 1 段');
      await screenShows('还没有语音');
    });

    it('shows a 401 without a session', async () => {
      await openAsNewUser();
      await press(PROFILE);
      await screenShows('服务器拒绝了：401');
    });

    it('separates users, shows a blocked one, and creates new ones', async () => {
      const user = await openLoggedIn();
      await page.getByRole('radio', { name: 'Mallory' }).check();
      await shows('未登录');
      await press(LOGIN);
      await screenShows('风控拦住了这个用户');
      await page.getByRole('radio', { name: user.nickName }).check();
      await shows('会话有效');
      await press('新用户');
      await shows('未登录');
      await press(LOGIN);
      await screenShows('欢迎！服务器第一次见到你');
    });

    it('keeps the session after a reload', async () => {
      await openLoggedIn();
      await page.reload();
      await page.getByRole('progressbar', { name: '剩余的时间' }).waitFor();
      await press('GET /me');
      await screenShows('服务器说你是');
    });
  });

  describe('on the right', () => {
    given();

    it('shows the requests in order, and opens each step', async () => {
      await openLoggedIn();
      expect(await steps(6, 'session_rd')).toEqual([
        expect.stringMatching(/^小程序 到 微信: .*wx\.login/),
        expect.stringMatching('微信 到 小程序: 200 code'),
        expect.stringMatching(/^小程序 到 你的服务器: .*POST \/auth\/login/),
        expect.stringMatching('你的服务器 到 微信: GET /sns/jscode2session'),
        expect.stringMatching('微信 到 你的服务器: 200 session_key, openid'),
        expect.stringMatching('你的服务器 到 小程序: 200 session_rd'),
      ]);
      const message = page.locator('.message').nth(-2);
      await message.locator('summary').click();
      expect(await message.locator('pre').innerText()).toContain('"session_key": "██████"');
      await press('清空');
      await shows('还没有消息');
    });

    it('shows no secret', async () => {
      const user = await openAsNewUser();
      const login = page.waitForResponse(/auth\/login/);
      await press(LOGIN);
      const { session_rd } = (await (await login).json()).data;
      await press(CODE);
      await page.getByRole('img', { name: /scene/ }).waitFor();
      const readable = await page.content();
      const { appId } = s.wechat.apps[0]!;
      const secrets = [
        ...s.wechat.apps.map(({ secret }) => secret),
        user.sessionKey(),
        s.wechat.accessTokens.current(appId),
        session_rd,
      ];
      expect(secrets.map((secret) => typeof secret)).toEqual(Array(5).fill('string'));
      expect(secrets.filter((secret) => readable.includes(secret))).toEqual([]);
    });

    it('shows the time that is left, a refresh, and the old token in its grace period', async () => {
      await openLoggedIn();
      const bar = page.getByRole('progressbar', { name: '剩余的时间' });
      const left = (): Promise<number> => bar.evaluate((node: any) => node.value / node.max);
      expect(await left()).toBeGreaterThan(0.9);
      await press('拨快 +5m');
      await shows(/还剩 2[1-5]:/);
      expect(await left()).toBeLessThan(0.84);
      await press('刷新');
      await page.getByRole('progressbar', { name: '旧 session_rd 的宽限期' }).waitFor();
      expect(await left()).toBeGreaterThan(0.9);
      await press('用旧的试试');
      await screenShows('仍然可用');
      await screenshot(page, 'grace');
      await press('拨快 +5m');
      await shows('宽限期已过');
      await press('用旧的试试');
      await screenShows('服务器拒绝了：401');
      await shows('会话有效');
    });

    it('shows the session in the guard, then expires it', async () => {
      await openLoggedIn();
      await press('GET /auth/session');
      await screenShows('loginExpiresAt');
      await shows('这次登录最晚到');
      await press('让会话过期');
      await shows('会话已过期');
      await press('GET /me');
      await screenShows('没有有效的会话');
      await press(LOGIN);
      await screenShows('欢迎回来');
    });

    it('rotates the session_key, and a new login fixes it', async () => {
      await openLoggedIn();
      await press('更换 session_key');
      await shows('服务器手里的是旧的');
      await press(PROFILE);
      await screenShows('服务器拒绝了：400');
      await screenshot(page, 'rotated');
      await press(LOGIN);
      await screenShows('欢迎回来');
      await press(PROFILE);
      await screenShows('签名已验证');
    });

    it('invalidates the access token, which the server notices', async () => {
      const user = await openLoggedIn();
      await press(PHONE);
      await screenShows(user.phoneNumber);
      await press('作废 access token');
      await shows('access token 已作废');
      await press(PHONE);
      await page.locator('.message.failed .gist').getByText('40001').last().waitFor();
      await screenShows(user.phoneNumber);
    });

    it('sets the errcode of the next response', async () => {
      await openAsNewUser();
      await page.getByLabel('接口').selectOption('/sns/jscode2session');
      await page.getByLabel('错误码').selectOption('45011');
      await press('设为下一次响应');
      await shows('会返回 45011');
      await press(LOGIN);
      await screenShows('服务器拒绝了：429');
    });

    it('makes WeChat slow, unavailable and available again', async () => {
      await openLoggedIn();
      await page.getByRole('radio', { name: '断线' }).check();
      await shows('微信现在：断线');
      await press(LOGIN);
      await screenShows('服务器拒绝了：503');
      await screenshot(page, 'dead');
      await press('GET /me');
      await screenShows('服务器说你是');
      await page.getByRole('radio', { name: '慢' }).check();
      await shows('微信现在：慢');
      await page.getByRole('radio', { name: '正常' }).check();
      await shows('微信现在：正常');
      s.wechat.clock.advance('1m'); // the server's circuit breaker stays open for some seconds after the failures
      await press(LOGIN);
      await screenShows('欢迎回来');
    });

    it('guides through ten steps and marks those that are done', async () => {
      await openLoggedIn();
      await press('下一步');
      await page.getByRole('heading', { name: 'code：一张票据' }).waitFor();
      await page.locator('.task.done').waitFor();
      for (let step = 2; step < 10; step++) await press('下一步');
      await page.getByRole('heading', { name: '微信坏了' }).waitFor();
      expect(await button('下一步').isDisabled()).toBe(true);
    });

    it('goes two steps forward after two clicks within one frame, and never beyond the last', async () => {
      await open();
      await button('下一步').evaluate((next: any) => [next.click(), next.click()]);
      await page.getByRole('heading', { name: 'session_key：共享的密钥' }).waitFor();
      await button('下一步').evaluate((next: any) => {
        for (let click = 0; click < 20; click++) next.click();
      });
      await page.getByRole('heading', { name: '微信坏了' }).waitFor();
    });

    it('changes its language at once, and stores it', async () => {
      await open();
      await press('English');
      await page.getByRole('heading', { name: 'Guided tour' }).waitFor();
      await page.reload();
      await page.getByRole('heading', { name: 'Guided tour' }).waitFor();
    });
  });
});
