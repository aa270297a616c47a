import { LinkService } from 'nestjs-wechat';
import type { UrlLinkOptions } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';

const PATH = '/wxa/generate_urllink';
const DAY_MS = 86_400_000;

let wechat: WechatSandbox;
let links: LinkService;

beforeEach(async () => {
  wechat = await startWechatSandbox();
  links = (await startTeamApp(optionsFor(wechat))).get(LinkService);
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
});

const sent = () => wechat.requestsTo(PATH).map(({ body }) => body);

describe('a URL Link', () => {
  it('is created for a page', async () => {
    // #region url-link
    const url = await links.generateUrlLink({
      path: 'pages/index/index',
      query: 'order=42',
      expiresIn: '7d',
    });
    // 'https://wxaurl.cn/…', for a text message or an e-mail
    // #endregion url-link
    expect(url).toMatch(/^https:\/\/wxaurl\.cn\/[\w-]+$/);
    expect(sent()).toEqual([
      { path: 'pages/index/index', query: 'order=42', expire_type: 1, expire_interval: 7 },
    ]);
  });

  it('opens the home page for 30 days by default, or until a time', async () => {
    const expiresAt = new Date(Date.now() + DAY_MS);
    await links.generateUrlLink();
    await links.generateUrlLink({ path: '/pages/index/index', expiresAt, envVersion: 'trial' });
    expect(sent()).toEqual([
      { expire_type: 1, expire_interval: 30 },
      {
        path: '/pages/index/index',
        expire_type: 0,
        expire_time: Math.floor(expiresAt.getTime() / 1000),
        env_version: 'trial',
      },
    ]);
  });

  it.each<[string, object]>([
    ['a path with a query', { path: 'pages/a?b=1' }],
    ['an empty path', { path: '' }],
    ['a path that is a number', { path: 1 }],
    ['a query of 1,025 characters', { query: 'a'.repeat(1025) }],
    ['a query with Chinese characters', { query: 'name=茶' }],
    ['a query with a space', { query: 'a b' }],
    ['half a day', { expiresIn: '12h' }],
    ['36 hours', { expiresIn: '36h' }],
    ['31 days', { expiresIn: '31d' }],
    ['no time', { expiresIn: '0' }],
    ['a word as time', { expiresIn: 'soon' }],
    ['a time in the past', { expiresAt: new Date(0) }],
    ['a time in 31 days', { expiresAt: new Date(Date.now() + 31 * DAY_MS) }],
    ['an invalid date', { expiresAt: new Date('x') }],
    ['a date as text', { expiresAt: '2026-12-01' }],
    ['two expiries', { expiresIn: '1d', expiresAt: new Date(Date.now() + DAY_MS) }],
    ['an unknown version', { envVersion: 'beta' }],
  ])('is refused without a call for %s', async (_, options) => {
    await expect(links.generateUrlLink(options as UrlLinkOptions)).rejects.toMatchObject({
      code: 'ERR_BAD_REQUEST',
    });
    expect(wechat.requests).toEqual([]);
  });

  it.each<[number, string, number]>([
    [40002, 'ERR_WECHAT_CONFIG', 500],
    [40013, 'ERR_WECHAT_CONFIG', 500],
    [85079, 'ERR_WECHAT_CONFIG', 500],
    [85407, 'ERR_WECHAT_CONFIG', 500],
    [85408, 'ERR_WECHAT_CONFIG', 500],
    [40165, 'ERR_BAD_REQUEST', 400],
    [40212, 'ERR_BAD_REQUEST', 400],
    [85401, 'ERR_BAD_REQUEST', 400],
    [85402, 'ERR_BAD_REQUEST', 400],
    [85406, 'ERR_WECHAT_RATE_LIMIT', 429],
    [44990, 'ERR_WECHAT_RATE_LIMIT', 429],
    [44993, 'ERR_WECHAT_RATE_LIMIT', 429],
    [45009, 'ERR_WECHAT_RATE_LIMIT', 429],
    [-1, 'ERR_WECHAT_UNAVAILABLE', 503],
    [99999, 'ERR_WECHAT_RESPONSE', 502],
  ])('throws for errcode %d: %s, status %d', async (errcode, code, status) => {
    wechat.always(PATH, { errcode });
    const error = await links.generateUrlLink().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, errcode, status, endpoint: PATH });
  });

  it('is refused by WeChat for a page that is not released', async () => {
    await expect(links.generateUrlLink({ path: 'pages/secret' })).rejects.toMatchObject({
      code: 'ERR_BAD_REQUEST',
      errcode: 40165,
    });
  });

  it.each([{}, { url_link: 1 }, { url_link: 'javascript:alert(1)' }, { url_link: 'https://a b' }])(
    'is not read from the response %j',
    async (body) => {
      wechat.next(PATH, { body });
      await expect(links.generateUrlLink()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
    },
  );
});
