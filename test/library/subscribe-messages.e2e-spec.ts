import { Body, Controller, Post, UseGuards } from '@nestjs/common';
import * as fc from 'fast-check';
import {
  CurrentSession,
  fitTemplateData,
  SessionGuard,
  SessionService,
  SubscribeMessageService,
  WechatTemplateError,
} from 'nestjs-wechat';
import type { SubscribeMessage, WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, SubscribePhoneMessage, WechatSandbox } from 'nestjs-wechat-sandbox';
import { clientOf } from '../support/http.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { Adapter } from '../support/team-app.js';

const SEND = '/cgi-bin/message/subscribe/send';
const LIST = '/wxaapi/newtmpl/gettemplate';
const ORDER_PAID = 'order_paid_template';
const NEWS = 'long_term_template';
const TEMPLATES = [
  { id: ORDER_PAID, title: '订单支付成功通知', keys: ['thing1', 'amount2', 'time3'] },
  {
    id: NEWS,
    title: '课程提醒',
    keys: ['thing1', 'enum_string2'],
    type: 3 as const,
    enums: { enum_string2: ['客厅', '餐厅'] },
  },
];

// #region controller
@Controller('orders')
@UseGuards(SessionGuard)
class OrdersController {
  constructor(private readonly messages: SubscribeMessageService) {}

  @Post('paid')
  async paid(@CurrentSession() { openid, appId }: WechatSession, @Body('product') product: string) {
    const outcome = await this.messages.send({
      openid,
      appId,
      templateId: ORDER_PAID,
      page: 'pages/index/index?order=42',
      data: fitTemplateData({ thing1: product, amount2: '22.00元', time3: '2026-11-29 18:30' }),
    });
    return outcome; // { sent: true, msgId: '…' }, or { sent: false, reason: 'not-subscribed' }
  }
}
// #endregion controller

let wechat: WechatSandbox;
let alice: SandboxUser;

beforeEach(async () => {
  const app = { appId: 'wx5a4db0c1e2f37608', secret: 'a'.repeat(32), templates: TEMPLATES };
  wechat = await startWechatSandbox({ apps: [app], demoUsers: true });
  alice = wechat.users.get('alice')!;
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
});

const startService = async () =>
  (await startTeamApp(optionsFor(wechat))).get(SubscribeMessageService);
const sent = () => wechat.requestsTo(SEND);
const message = (change: Partial<SubscribeMessage> = {}): SubscribeMessage => ({
  openid: alice.openid(),
  templateId: ORDER_PAID,
  data: { thing1: '拿铁', amount2: '22.00元', time3: '18:30' },
  ...change,
});

describe.each<Adapter>(['express', 'fastify'])('a shop on %s', (adapter) => {
  it('sends one message for each permission of the user, and learns that there is none left', async () => {
    const app = await startTeamApp(optionsFor(wechat), {
      adapter,
      controllers: [OrdersController],
    });
    const call = clientOf(app.url);
    const { session_rd: token } = await app.get(SessionService).login((await alice.login()).code);
    const pay = async (product: string) =>
      (await call('POST /orders/paid', { token, body: { product } })).body;

    expect(await pay('拿铁')).toEqual({ sent: false, reason: 'not-subscribed' });
    await alice.requestSubscribeMessage([ORDER_PAID]);
    await alice.requestSubscribeMessage([ORDER_PAID], { choose: 'reject' });
    const long = '云南保山铁皮卡精品手冲单品咖啡豆两百二十七克';
    expect(await pay(long)).toEqual({ sent: true, msgId: expect.stringMatching(/^\d{19}$/) });
    expect(await pay('拿铁')).toEqual({ sent: false, reason: 'not-subscribed' });

    expect(alice.messages).toMatchObject([
      {
        kind: 'subscribe',
        title: '订单支付成功通知',
        data: { thing1: '云南保山铁皮卡精品手冲单品咖啡豆两百二…', amount2: '22.00元' },
        page: 'pages/index/index?order=42',
      },
    ]);
  });
});

describe('send', () => {
  it('returns the id of the message exactly, which has 64 bits', async () => {
    const messages = await startService();
    await alice.requestSubscribeMessage([ORDER_PAID]);
    const outcome = await messages.send(message());
    const { msgId } = alice.messages[0] as SubscribePhoneMessage;
    expect(outcome).toEqual({ sent: true, msgId });
    expect(String(Number(msgId))).not.toBe(msgId); // a number would be rounded
  });

  it('is tried with the sandbox', async () => {
    const messages = await startService();
    const templateId = ORDER_PAID;
    const data = message().data;

    // #region sandbox
    // startWechatSandbox({ apps: [{ appId, secret, templates: [{ id: templateId, title: '…', keys: ['thing1', 'amount2', 'time3'] }] }] })
    const user = wechat.users.create();
    await user.requestSubscribeMessage([templateId]); // { choose: 'reject' }: the user rejects
    await messages.send({ openid: user.openid(), templateId, data });
    const [arrived] = user.messages; // { kind: 'subscribe', templateId, title, data, page, … }
    // #endregion sandbox

    expect(arrived).toMatchObject({ kind: 'subscribe', templateId, data });
  });

  it('sends as often as WeChat allows with a long-term template', async () => {
    const messages = await startService();
    await alice.requestSubscribeMessage([NEWS]);
    const lesson = message({ templateId: NEWS, data: { thing1: '早课', enum_string2: '客厅' } });
    for (let i = 0; i < 3; i++) expect(await messages.send(lesson)).toMatchObject({ sent: true });
  });

  it('sends the other parameters as WeChat names them', async () => {
    const messages = await startService();
    await alice.requestSubscribeMessage([ORDER_PAID]);
    await messages.send(
      message({ page: 'pages/unreleased', miniprogramState: 'trial', lang: 'en_US' }),
    );
    expect(sent()[0]!.body).toEqual({
      touser: alice.openid(),
      template_id: ORDER_PAID,
      page: 'pages/unreleased',
      miniprogram_state: 'trial',
      lang: 'en_US',
      data: {
        thing1: { value: '拿铁' },
        amount2: { value: '22.00元' },
        time3: { value: '18:30' },
      },
    });
  });

  it('is not repeated after a lost response, because the message may have arrived', async () => {
    const messages = await startService();
    await alice.requestSubscribeMessage([ORDER_PAID]);
    wechat.next(SEND, { reset: 'after-work' });
    await expect(messages.send(message())).rejects.toMatchObject({
      code: 'ERR_WECHAT_UNAVAILABLE',
    });
    expect([sent().length, alice.messages.length]).toEqual([1, 1]);
  });

  it.each<[number, string, number]>([
    [40037, 'ERR_WECHAT_TEMPLATE', 400],
    [41030, 'ERR_WECHAT_TEMPLATE', 400],
    [43107, 'ERR_WECHAT_TEMPLATE', 400],
    [47003, 'ERR_WECHAT_TEMPLATE', 400],
    [45168, 'ERR_WECHAT_CONTENT', 400],
    [43108, 'ERR_WECHAT_RATE_LIMIT', 429],
    [45009, 'ERR_WECHAT_RATE_LIMIT', 429],
    [40003, 'ERR_WECHAT_RESPONSE', 502],
    [-1, 'ERR_WECHAT_UNAVAILABLE', 503],
  ])('throws for errcode %d: %s, status %d', async (errcode, code, status) => {
    const messages = await startService();
    wechat.always(SEND, { errcode });
    const error = await messages.send(message()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, errcode, status, endpoint: SEND });
  });

  it.each<[string, Partial<SubscribeMessage>, object]>([
    ['an unknown template', { templateId: 'unknown' }, { errcode: 40037 }],
    ['a page that is not released', { page: 'pages/secret' }, { errcode: 41030, key: 'page' }],
    [
      'a value that breaks the rule of its kind',
      { data: { thing1: 'a', amount2: 'free', time3: '18:30' } },
      { errcode: 47003, key: 'amount2' },
    ],
    ['a missing key', { data: { thing1: 'a', amount2: '1' } }, { errcode: 47003, key: 'time3' }],
    [
      'sensitive words',
      { data: { thing1: '敏感词', amount2: '1', time3: '18:30' } },
      { errcode: 45168, code: 'ERR_WECHAT_CONTENT' },
    ],
  ])('throws for %s', async (_, change, expected) => {
    const messages = await startService();
    await alice.requestSubscribeMessage([ORDER_PAID]);
    await expect(messages.send(message(change))).rejects.toMatchObject({
      code: 'ERR_WECHAT_TEMPLATE',
      ...expected,
    });
    expect(await messages.send(message())).toMatchObject({ sent: true }); // the permission is not used
  });

  const data = (change: object): object => ({ data: change });
  it.each<[string, object, string]>([
    ['no openid', { openid: '' }, 'ERR_BAD_REQUEST'],
    ['an openid with a line break', { openid: 'o1\n' }, 'ERR_BAD_REQUEST'],
    ['a template id of other characters', { templateId: '../x' }, 'ERR_BAD_REQUEST'],
    ['an empty page', { page: '' }, 'ERR_BAD_REQUEST'],
    ['a page with a space', { page: 'pages/a b' }, 'ERR_BAD_REQUEST'],
    ['a page of 1,025 characters', { page: 'a'.repeat(1025) }, 'ERR_BAD_REQUEST'],
    ['an unknown version', { miniprogramState: 'beta' }, 'ERR_BAD_REQUEST'],
    ['an unknown language', { lang: 'fr' }, 'ERR_BAD_REQUEST'],
    ['an unknown app', { appId: 'wx0' }, 'ERR_WECHAT_APP'],
    ['no data', { data: undefined }, 'ERR_WECHAT_TEMPLATE'],
    ['an array', { data: ['a'] }, 'ERR_WECHAT_TEMPLATE'],
    ['empty data', data({}), 'ERR_WECHAT_TEMPLATE'],
    ['a number', data({ amount2: 22 }), 'ERR_WECHAT_TEMPLATE'],
    ['a key without a number', data({ thing: 'a' }), 'ERR_WECHAT_TEMPLATE'],
    ['the key __proto__', data(JSON.parse('{"__proto__":"a"}')), 'ERR_WECHAT_TEMPLATE'],
    ['an empty value', data({ thing1: ' ' }), 'ERR_WECHAT_TEMPLATE'],
    ['a line break', data({ thing1: 'a\nb' }), 'ERR_WECHAT_TEMPLATE'],
    ['half of an emoji', data({ thing1: '\ud83d' }), 'ERR_WECHAT_TEMPLATE'],
    ['21 characters of a thing', data({ thing1: '茶'.repeat(21) }), 'ERR_WECHAT_TEMPLATE'],
    ['11 characters of a Chinese name', data({ name1: '王'.repeat(11) }), 'ERR_WECHAT_TEMPLATE'],
    ['21 letters of a name', data({ name1: 'a'.repeat(21) }), 'ERR_WECHAT_TEMPLATE'],
    [
      '18 characters of a phone number',
      data({ phone_number1: '1'.repeat(18) }),
      'ERR_WECHAT_TEMPLATE',
    ],
    ['9 characters of a car number', data({ car_number1: '1'.repeat(9) }), 'ERR_WECHAT_TEMPLATE'],
    ['6 characters of a phrase', data({ phrase1: '已'.repeat(6) }), 'ERR_WECHAT_TEMPLATE'],
  ])('sends nothing for %s', async (_, change, code) => {
    const messages = await startService();
    await expect(messages.send(message(change))).rejects.toMatchObject({ code });
    expect(wechat.requests).toEqual([]);
  });

  it('names the key and never the value in an error', async () => {
    const messages = await startService();
    const secret = 'canary-of-alice-42';
    const error = await messages
      .send(message({ data: { thing1: `${secret}\n` } }))
      .catch((reason: WechatTemplateError) => reason);
    expect(error).toMatchObject({ key: 'thing1', message: expect.stringContaining('thing1') });
    expect(JSON.stringify(error)).not.toContain(secret);
  });
});

describe('getTemplates', () => {
  it('returns the templates with their keys and enums', async () => {
    expect(await (await startService()).getTemplates()).toEqual([
      {
        id: ORDER_PAID,
        title: '订单支付成功通知',
        content: 'thing1:{{thing1.DATA}}\namount2:{{amount2.DATA}}\ntime3:{{time3.DATA}}\n',
        example: expect.any(String),
        type: 2,
        keys: ['thing1', 'amount2', 'time3'],
      },
      expect.objectContaining({ type: 3, enums: { enum_string2: ['客厅', '餐厅'] } }),
    ]);
  });

  it('is used as the document says', async () => {
    const messages = await startService();
    // #region templates
    const templates = await messages.getTemplates();
    // [{ id, title, content: '…{{thing1.DATA}}…', example, type: 2, keys: ['thing1', 'amount2', 'time3'] }, …]
    // #endregion templates
    expect(templates[0]?.keys).toEqual(['thing1', 'amount2', 'time3']);
  });

  it('lets send find missing keys and unknown enum values before the call', async () => {
    const messages = await startService();
    await messages.getTemplates();
    await expect(messages.send(message({ data: { thing1: 'a' } }))).rejects.toMatchObject({
      code: 'ERR_WECHAT_TEMPLATE',
      key: 'amount2',
    });
    const lesson = message({ templateId: NEWS, data: { thing1: 'a', enum_string2: '厨房' } });
    await expect(messages.send(lesson)).rejects.toMatchObject({ key: 'enum_string2' });
    expect(sent()).toEqual([]);
  });

  it.each([
    ['no list', { errcode: 0 }],
    ['a template without an id', { data: [{ content: '', type: 2 }] }],
    ['an unknown type', { data: [{ priTmplId: 'a', content: '', type: 4 }] }],
    ['null', { data: [null] }],
  ])('throws for a response with %s', async (_, body) => {
    const messages = await startService();
    wechat.next(LIST, { body });
    await expect(messages.getTemplates()).rejects.toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
  });
});

describe('fitTemplateData', () => {
  const CUT = ['thing', 'name', 'symbol', 'character_string', 'letter', 'phrase'];
  const KEPT = ['number', 'amount', 'time', 'date', 'phone_number', 'car_number', 'enum_string'];
  const LIMITS: Record<string, number> = {
    thing: 20,
    symbol: 5,
    character_string: 32,
    letter: 32,
    phrase: 5,
  };
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  const fit = (kind: string, value: string): string =>
    fitTemplateData({ [`${kind}1`]: value })[`${kind}1`]!;
  const length = (value: string): number => Array.from(value).length;
  const limitOf = (kind: string, value: string): number =>
    LIMITS[kind] ?? (/\p{Script=Han}/u.test(value) ? 10 : 20);
  const isReadable = (value: string): boolean => !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(value);

  it('fits every text into its limit, in characters, and cuts only the end', () => {
    fc.assert(
      fc.property(fc.constantFrom(...CUT), text, (kind, value) => {
        const fitted = fit(kind, value);
        expect(length(fitted)).toBeLessThanOrEqual(limitOf(kind, value));
        expect(isReadable(fitted)).toBe(true);
        expect(fit(kind, fitted)).toBe(fitted);
        if (length(value) <= limitOf(kind, value) && isReadable(value)) expect(fitted).toBe(value);
        const plain = kind === 'letter' || kind === 'phrase';
        if (length(value.replaceAll('\r\n', ' ')) > limitOf(kind, value))
          expect(fitted.endsWith('…') || plain).toBe(true);
      }),
    );
  });

  it('never cuts a value of which a part would be wrong', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KEPT), text, (kind, value) => {
        fc.pre(isReadable(value));
        expect(fit(kind, value)).toBe(value);
      }),
    );
  });

  it('returns what send accepts', async () => {
    const messages = await startService();
    wechat.always(SEND, { errcode: 0 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...CUT), text, async (kind, value) => {
        fc.pre(value.trim() !== '' && isReadable(value));
        const outcome = await messages.send(message({ data: { [`${kind}1`]: fit(kind, value) } }));
        expect(outcome).toEqual({ sent: true });
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['thing1', '👍'.repeat(21), `${'👍'.repeat(19)}…`],
    ['thing1', '茶'.repeat(20), '茶'.repeat(20)],
    ['thing1', 'a\r\nb\tc\u2028d\u0000', 'a b c d '],
    ['name1', '王小明'.repeat(4), '王小明王小明王小明…'],
    ['name1', 'Alexandra Montgomery Smith', 'Alexandra Montgomer…'],
    ['phrase1', '已经发货完成了', '已经发货完'],
    ['letter1', 'a'.repeat(40), 'a'.repeat(32)],
    ['amount1', '¥12345678901234567890', '¥12345678901234567890'],
    ['unknown_kind1', 'a'.repeat(99), 'a'.repeat(99)],
  ])('%s %j becomes %j', (key, value, fitted) => {
    expect(fitTemplateData({ [key]: value })).toEqual({ [key]: fitted });
  });

  it.each([null, undefined, 'text', ['a'], { thing1: null }, { thing1: 1 }])(
    'throws for %j',
    (value) => {
      expect(() => fitTemplateData(value as never)).toThrow(WechatTemplateError);
    },
  );
});
