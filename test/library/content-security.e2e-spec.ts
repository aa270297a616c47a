import { ContentSecurityService, readMediaVerdict } from 'nestjs-wechat';
import type { MediaCheck, TextCheck } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';

const TEXT = '/wxa/msg_sec_check';
const MEDIA = '/wxa/media_check_async';
const SHOP = { appId: 'wx5a4db0c1e2f37608', secret: 'a'.repeat(32) };
const OTHER = { appId: 'wx77e0c35d18ab4f92', secret: 'b'.repeat(32) };

let wechat: WechatSandbox;
let alice: SandboxUser;
let content: ContentSecurityService;

beforeEach(async () => {
  wechat = await startWechatSandbox({ apps: [SHOP, OTHER], demoUsers: true });
  alice = wechat.users.get('alice')!;
  await alice.login(SHOP.appId);
  content = (await startTeamApp(optionsFor(wechat))).get(ContentSecurityService);
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
});

const text = (change: Partial<TextCheck> = {}): TextCheck => ({
  content: '很好喝',
  scene: 'comment',
  openid: alice.openid(),
  ...change,
});
const media = (change: Partial<MediaCheck> = {}): MediaCheck => ({
  url: 'https://shop.example/content/42.jpg',
  type: 'image',
  scene: 'profile',
  openid: alice.openid(),
  ...change,
});

describe('checkText', () => {
  it('returns a verdict, also for risky content', async () => {
    const openid = alice.openid();

    // #region check-text
    const { suggest, label, traceId } = await content.checkText({
      content: 'a comment',
      scene: 'comment', // or 'profile', 'forum', 'social'
      openid, // of the user who wrote it
    });
    const isVisible = suggest === 'pass'; // 'review' and 'risky' stay hidden
    // #endregion check-text

    expect([isVisible, label, traceId]).toEqual([true, 100, expect.stringMatching(/^[\da-f-]+$/)]);
    expect(await content.checkText(text({ nickname: '敏感词' }))).toMatchObject({
      suggest: 'risky',
      label: 20001,
      details: [{ strategy: 'content_model', errcode: 0, suggest: 'risky' }],
    });
    wechat.contentVerdict('*', { suggest: 'review', label: 20012 });
    expect(await content.checkText(text())).toMatchObject({ suggest: 'review', label: 20012 });
  });

  it('sends the fields as WeChat names them', async () => {
    const profile = { title: 't', nickname: 'n', signature: 's', scene: 'profile' } as const;
    await content.checkText(text({ ...profile, content: '茶'.repeat(2500) }));
    expect(wechat.requestsTo(TEXT)[0]!.body).toEqual({
      content: '茶'.repeat(2500),
      title: 't',
      nickname: 'n',
      signature: 's',
      version: 2,
      scene: 1,
      openid: alice.openid(),
    });
  });

  it('is repeated after a lost response', async () => {
    wechat.next(TEXT, { reset: 'after-work' });
    expect(await content.checkText(text())).toMatchObject({ suggest: 'pass' });
    expect(wechat.requestsTo(TEXT)).toHaveLength(2);
  });

  it('refuses a user who has not visited for two hours, and a user of another app', async () => {
    wechat.clock.advance('2h');
    await expect(content.checkText(text())).rejects.toMatchObject({
      code: 'ERR_WECHAT_NOT_VISITED',
      errcode: 61010,
      status: 409,
    });
    await alice.login(SHOP.appId);
    expect(await content.checkText(text())).toMatchObject({ suggest: 'pass' });
    await expect(
      content.checkText(text({ openid: alice.openid(OTHER.appId) })),
    ).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST', errcode: 43104 });
  });

  it.each<[string, object]>([
    ['no content', { content: '' }],
    ['content that is a number', { content: 1 }],
    ['2,501 characters', { content: '茶'.repeat(2501) }],
    ['no openid', { openid: '' }],
    ['an unknown scene', { scene: 'chat' }],
    ['a scene of Object.prototype', { scene: 'toString' }],
    ['a signature outside of a profile', { signature: 'hello' }],
    ['a title that is a number', { title: 1 }],
    ['2,501 characters of a nickname', { nickname: 'a'.repeat(2501) }],
  ])('sends nothing for %s', async (_, change) => {
    await expect(content.checkText({ ...text(), ...change } as never)).rejects.toMatchObject({
      code: 'ERR_BAD_REQUEST',
    });
    expect(wechat.requests).toEqual([]);
  });

  it.each<[string, Fault]>([
    ['no result', { body: { errcode: 0, trace_id: 'a' } }],
    ['an unknown suggestion', { body: { result: { suggest: 'ok', label: 100 }, trace_id: 'a' } }],
    ['no label', { body: { result: { suggest: 'pass' }, trace_id: 'a' } }],
    ['no trace_id', { body: { result: { suggest: 'pass', label: 100 } } }],
  ])('takes no response with %s for a pass', async (_, fault) => {
    wechat.next(TEXT, fault);
    await expect(content.checkText(text())).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
  });
});

describe('checkMedia', () => {
  it('returns the trace id of the check', async () => {
    const openid = alice.openid();

    // #region check-media
    const { traceId } = await content.checkMedia({
      url: 'https://shop.example/content/42.jpg', // WeChat downloads it from here
      type: 'image', // or 'audio'
      scene: 'profile',
      openid, // of the user who uploaded it
    });
    // '60f96f1d-3845297a-1976a3ae': the verdict arrives as a push with this trace id
    // #endregion check-media

    expect(traceId).toMatch(/^[\da-f]{8}(-[\da-f]{8}){2}$/);
    expect(wechat.requestsTo(MEDIA)[0]!.body).toEqual({
      media_url: 'https://shop.example/content/42.jpg',
      media_type: 2,
      version: 2,
      scene: 1,
      openid,
    });
  });

  it('is not repeated after a lost response, because every call is a check with a verdict of its own', async () => {
    wechat.next(MEDIA, { reset: 'after-work' });
    await expect(content.checkMedia(media())).rejects.toMatchObject({
      code: 'ERR_WECHAT_UNAVAILABLE',
    });
    expect(wechat.requestsTo(MEDIA)).toHaveLength(1);
  });

  it.each<[string, object]>([
    ['no URL', { url: '' }],
    ['a path', { url: '/content/42.jpg' }],
    ['a file URL', { url: 'file:///etc/passwd' }],
    ['2,049 characters of a URL', { url: `https://shop.example/${'a'.repeat(2028)}` }],
    ['an unknown type', { type: 'video' }],
    ['an unknown scene', { scene: 1 }],
    ['no openid', { openid: undefined }],
  ])('sends nothing for %s', async (_, change) => {
    await expect(content.checkMedia({ ...media(), ...change } as never)).rejects.toMatchObject({
      code: 'ERR_BAD_REQUEST',
    });
    expect(wechat.requests).toEqual([]);
  });

  it('needs a trace id', async () => {
    wechat.next(MEDIA, { body: { errcode: 0 } });
    await expect(content.checkMedia(media())).rejects.toMatchObject({
      code: 'ERR_WECHAT_RESPONSE',
    });
  });
});

describe.each([
  [TEXT, () => content.checkText(text())],
  [MEDIA, () => content.checkMedia(media())],
])('%s', (path, check) => {
  it.each<[number, string, number]>([
    [61010, 'ERR_WECHAT_NOT_VISITED', 409],
    [43104, 'ERR_BAD_REQUEST', 400],
    [40004, 'ERR_BAD_REQUEST', 400],
    [40129, 'ERR_BAD_REQUEST', 400],
    [87014, 'ERR_WECHAT_CONTENT', 400],
    [87020, 'ERR_WECHAT_RATE_LIMIT', 429],
    [44991, 'ERR_WECHAT_RATE_LIMIT', 429],
    [45009, 'ERR_WECHAT_RATE_LIMIT', 429],
    [40003, 'ERR_WECHAT_RESPONSE', 502],
    [-1, 'ERR_WECHAT_UNAVAILABLE', 503],
  ])('throws for errcode %d: %s, status %d', async (errcode, code, status) => {
    wechat.always(path, { errcode });
    const error = await check().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, errcode, status, endpoint: path });
  });
});

describe('readMediaVerdict', () => {
  const JSON_PUSH = {
    appid: SHOP.appId,
    trace_id: '60f96f1d-3845297a-1976a3ae',
    version: 2,
    detail: [{ strategy: 'content_model', errcode: 0, suggest: 'risky', label: 20002, prob: 90 }],
    errcode: 0,
    errmsg: 'ok',
    result: { suggest: 'risky', label: 20002 },
  };
  /** Every leaf of XML is a text, and a list of one element is an object. */
  const XML_PUSH = {
    ...JSON_PUSH,
    version: '2',
    errcode: '0',
    detail: { strategy: 'content_model', errcode: '0', suggest: 'risky', label: '20002' },
    result: { suggest: 'risky', label: '20002' },
  };
  const message = (data: Record<string, unknown>, change: object = {}) => ({
    appId: SHOP.appId,
    event: 'wxa_media_check',
    data,
    ...change,
  });
  const traceId = JSON_PUSH.trace_id;

  it.each([
    ['JSON', JSON_PUSH],
    ['XML', XML_PUSH],
  ])('reads a verdict in %s', (_, push) => {
    expect(readMediaVerdict(message(push))).toEqual({
      traceId,
      ok: true,
      verdict: { suggest: 'risky', label: 20002, traceId, details: [expect.any(Object)] },
    });
  });

  it.each<[string, object, string]>([
    ['a failed download', { errcode: -1008 }, 'download'],
    ['a failed download in XML', { errcode: '-1008' }, 'download'],
    ['another errcode', { errcode: 1 }, 'failed'],
    ['an errcode that is no number', { errcode: 'x' }, 'failed'],
    ['an errcode of null', { errcode: null, result: undefined }, 'failed'],
    ['no result', { result: undefined }, 'failed'],
    ['a result that is text', { result: 'pass' }, 'failed'],
    ['an unknown suggestion', { result: { suggest: 'PASS', label: 100 } }, 'failed'],
    ['a label that is text', { result: { suggest: 'pass', label: 'x' } }, 'failed'],
  ])('takes no push with %s for a pass', (_, change, problem) => {
    expect(readMediaVerdict(message({ ...JSON_PUSH, ...change }))).toEqual({
      traceId,
      ok: false,
      problem,
    });
  });

  it.each<[string, () => object]>([
    ['another event', () => message(JSON_PUSH, { event: 'debug_demo' })],
    ['a message without an event', () => message(JSON_PUSH, { event: undefined })],
    ['no trace_id', () => message({ ...JSON_PUSH, trace_id: undefined })],
    ['a trace_id with a line break', () => message({ ...JSON_PUSH, trace_id: 'a\nb' })],
    ['the verdict of another app', () => message({ ...JSON_PUSH, appid: OTHER.appId })],
  ])('throws for %s', (_, create) => {
    expect(() => readMediaVerdict(create() as never)).toThrow(
      expect.objectContaining({ code: 'ERR_BAD_REQUEST' }),
    );
  });
});
