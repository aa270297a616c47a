import { Logger } from '@nestjs/common';
import {
  ContentSecurityService,
  CustomerMessageService,
  LinkService,
  ShippingService,
  SubscribeMessageService,
} from 'nestjs-wechat';
import type { WechatError } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { inspect } from 'node:util';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';

const OPENID = 'oCanaryOfAliceCanaryOfAlice1';
const TEXT = '小明的秘密生日是三月五日';
const CONTACT = '13580006666';
const ORDER = { transactionId: '4200canary0001' };

let wechat: WechatSandbox;
let app: TeamApp;

beforeEach(async () => {
  wechat = await startWechatSandbox();
  app = await startTeamApp(optionsFor(wechat));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await closeTeamApps();
  await wechat.close();
});

/** Every call of the services, with the personal data that it sends. */
const CALLS: Record<string, { secrets: string[]; call: () => Promise<unknown> }> = {
  '/cgi-bin/message/subscribe/send': {
    secrets: [OPENID, TEXT],
    call: () =>
      app
        .get(SubscribeMessageService)
        .send({ openid: OPENID, templateId: 'template', data: { thing1: TEXT } }),
  },
  '/wxaapi/newtmpl/gettemplate': {
    secrets: [],
    call: () => app.get(SubscribeMessageService).getTemplates(),
  },
  '/wxa/msg_sec_check': {
    secrets: [OPENID, TEXT],
    call: () =>
      app
        .get(ContentSecurityService)
        .checkText({ content: TEXT, scene: 'comment', openid: OPENID }),
  },
  '/wxa/media_check_async': {
    secrets: [OPENID, 'https://shop.example/private/42.jpg'],
    call: () =>
      app.get(ContentSecurityService).checkMedia({
        url: 'https://shop.example/private/42.jpg',
        type: 'image',
        scene: 'profile',
        openid: OPENID,
      }),
  },
  '/wxa/generate_urllink': {
    secrets: ['invite=canary-token'],
    call: () => app.get(LinkService).generateUrlLink({ query: 'invite=canary-token' }),
  },
  '/wxa/sec/order/upload_shipping_info': {
    secrets: [OPENID, ORDER.transactionId, '135****6666'], // the contact leaves the server masked
    call: () =>
      app.get(ShippingService).upload({
        order: ORDER,
        openid: OPENID,
        kind: 'pickup',
        parcels: [{ description: TEXT, receiverContact: CONTACT }],
      }),
  },
  '/wxa/sec/order/get_order': {
    secrets: [ORDER.transactionId],
    call: () => app.get(ShippingService).getOrder(ORDER),
  },
  '/wxa/sec/order/is_trade_managed': {
    secrets: [],
    call: () => app.get(ShippingService).isManaged(),
  },
  '/cgi-bin/message/custom/send': {
    secrets: [OPENID, TEXT],
    call: () => app.get(CustomerMessageService).send({ openid: OPENID, text: TEXT }),
  },
  '/cgi-bin/message/custom/business/typing': {
    secrets: [OPENID],
    call: () => app.get(CustomerMessageService).setTyping({ openid: OPENID, on: true }),
  },
};

const errorOf = (call: () => Promise<unknown>): Promise<WechatError> =>
  call().then(
    () => {
      throw new Error('not refused');
    },
    (error: WechatError) => error,
  );

describe.each(Object.entries(CALLS))('a refusal of %s', (path, { secrets, call }) => {
  /** What an operator can read of a refusal whose errmsg repeats the request. */
  const outputOf = async (errcode: number): Promise<string> => {
    const logged = jest.spyOn(Logger.prototype, 'error');
    const errmsg = `refused ${secrets.join(' ')}\r\n[Nest] LOG forged line\u2028`;
    wechat.next(path, { errcode, errmsg });
    const error = await errorOf(call);
    expect(error).toMatchObject({ errcode, endpoint: path });
    expect(error.message.split('\n').filter((line) => line.includes('forged line'))).toEqual(
      error.message.includes('forged line') ? [expect.stringContaining('refused')] : [],
    );
    return `${inspect(error, { depth: 20 })} ${JSON.stringify(error)} ${inspect(logged.mock.calls)}`;
  };

  it.each([99999, 47003, 61010, 40165, 10060014])(
    'with errcode %d contains no personal data and forges no line',
    async (errcode) => {
      const output = await outputOf(errcode);
      for (const secret of secrets) expect(output).not.toContain(secret);
      expect(output).not.toMatch(/\r|\u2028/);
    },
  );

  it('is an error for a response of 100 KB and for garbage', async () => {
    for (const body of [JSON.stringify({ errcode: 0, x: 'x'.repeat(100_000) }), '[]', '<html>']) {
      wechat.always(path, { body });
      expect(await errorOf(call)).toMatchObject({ code: 'ERR_WECHAT_RESPONSE' });
    }
  });
});

describe('the key of a refused value', () => {
  it.each<[string, string | undefined]>([
    ['argument invalid! data.thing1.value invalid', 'thing1'],
    ['argument invalid! data.character_string4.value is empty rid: 1', 'character_string4'],
    ['data.thing1\n[Nest] forged', 'thing1'],
    ['data.<script>1.value', undefined],
    ['data.__proto__.value', undefined],
    [`data.${'a'.repeat(50)}1.value`, undefined],
    ['no key', undefined],
  ])('of %j is %j', async (errmsg, key) => {
    const { call } = CALLS['/cgi-bin/message/subscribe/send']!;
    wechat.next('/cgi-bin/message/subscribe/send', { errcode: 47003, errmsg });
    const error = (await errorOf(call)) as WechatError & { key?: string };
    expect([error.code, error.key]).toEqual(['ERR_WECHAT_TEMPLATE', key]);
    expect(error.message).not.toMatch(/forged|script|proto/);
  });
});

it('control: the errmsg as WeChat sends it contains the openid and a second line', async () => {
  const path = '/wxa/msg_sec_check';
  wechat.next(path, { errcode: 99999, errmsg: `refused ${OPENID}\nforged` });
  const response = await fetch(`${wechat.url}${path}`, { method: 'POST', body: '{}' });
  expect((await response.json()) as object).toMatchObject({
    errmsg: `refused ${OPENID}\nforged`,
  });
});
