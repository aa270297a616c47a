import { CustomerMessageService } from 'nestjs-wechat';
import type { CustomerMessage } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';

const SEND = '/cgi-bin/message/custom/send';
const TYPING = '/cgi-bin/message/custom/business/typing';

let wechat: WechatSandbox;
let alice: SandboxUser;
let customers: CustomerMessageService;

beforeEach(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
  alice = wechat.users.get('alice')!;
  customers = (await startTeamApp(optionsFor(wechat))).get(CustomerMessageService);
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
});

const LINK = {
  title: 'Opening hours',
  description: 'Today until ten',
  url: 'https://shop.example/hours',
  thumbUrl: 'https://shop.example/hours.png',
};
const text = (content = '您的订单做好了'): CustomerMessage => ({
  openid: alice.openid(),
  text: content,
});
const closed = (errcode: number) => ({ code: 'ERR_WECHAT_REPLY_WINDOW', status: 409, errcode });

describe('customer messages', () => {
  it('answer a user: typing, a text, a link', async () => {
    const openid = alice.openid();
    await alice.sendCustomerMessage('几点关门？');

    // #region send
    await customers.setTyping({ openid, on: true }); // 对方正在输入, for 15 seconds
    await customers.send({ openid, text: 'We close at ten.' });
    await customers.send({
      openid,
      link: {
        title: 'Opening hours',
        description: 'Today until ten',
        url: 'https://shop.example/hours',
        thumbUrl: 'https://shop.example/hours.png',
      },
    });
    // #endregion send

    expect(alice.messages).toMatchObject([
      { kind: 'customer', msgtype: 'text', content: { content: 'We close at ten.' } },
      {
        msgtype: 'link',
        content: { title: 'Opening hours', thumb_url: 'https://shop.example/hours.png' },
      },
    ]);
    expect(wechat.requestsTo(TYPING)).toHaveLength(1);
  });

  it('are five within 48 hours after a message of the user', async () => {
    await expect(customers.send(text())).rejects.toMatchObject(closed(45015));
    await alice.sendCustomerMessage('你好');
    for (let i = 0; i < 5; i++) await customers.send(text());
    await expect(customers.send(text())).rejects.toMatchObject(closed(45047));
    await alice.sendCustomerMessage('你好');
    wechat.clock.advance('47h');
    await customers.send(text());
    wechat.clock.advance('1h');
    await expect(customers.send(text())).rejects.toMatchObject(closed(45015));
  });

  it('are two within a minute after the user opened the session', async () => {
    await alice.openCustomerSession();
    await customers.send(text());
    await customers.send(text());
    await expect(customers.send(text())).rejects.toMatchObject(closed(45047));
    await alice.openCustomerSession();
    wechat.clock.advance('60s');
    await expect(customers.send(text())).rejects.toMatchObject(closed(45015));
  });

  it('are not repeated after a lost response', async () => {
    await alice.sendCustomerMessage('你好');
    wechat.next(SEND, { reset: 'after-work' });
    await expect(customers.send(text())).rejects.toMatchObject({ code: 'ERR_WECHAT_UNAVAILABLE' });
    expect(alice.messages).toHaveLength(1);
  });

  it.each<[number, string, number]>([
    [45015, 'ERR_WECHAT_REPLY_WINDOW', 409],
    [45047, 'ERR_WECHAT_REPLY_WINDOW', 409],
    [70000, 'ERR_WECHAT_CONTENT', 400],
    [45002, 'ERR_BAD_REQUEST', 400],
    [45009, 'ERR_WECHAT_RATE_LIMIT', 429],
    [40003, 'ERR_WECHAT_RESPONSE', 502],
    [-1, 'ERR_WECHAT_UNAVAILABLE', 503],
  ])('throw for errcode %d: %s, status %d', async (errcode, code, status) => {
    wechat.always(SEND, { errcode });
    const error = await customers.send(text()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, errcode, status, endpoint: SEND });
  });

  it('are refused by WeChat for sensitive words and for long texts', async () => {
    await alice.sendCustomerMessage('你好');
    await expect(customers.send(text('敏感词'))).rejects.toMatchObject({ errcode: 70000 });
    await expect(customers.send(text('a'.repeat(2049)))).rejects.toMatchObject({ errcode: 45002 });
  });

  it.each<[string, object]>([
    ['no openid', { openid: undefined, text: 'a' }],
    ['neither text nor link', {}],
    ['text and link', { text: 'a', link: LINK }],
    ['an empty text', { text: '' }],
    ['a number as text', { text: 1 }],
    ['a text of 10,001 characters', { text: 'a'.repeat(10_001) }],
    ['a link without a title', { link: { ...LINK, title: '' } }],
    ['a link without a description', { link: { ...LINK, description: undefined } }],
    ['a link to a script', { link: { ...LINK, url: 'javascript:alert(1)' } }],
    ['a picture that is not a URL', { link: { ...LINK, thumbUrl: 'hours.png' } }],
  ])('are refused without a call for %s', async (_, change) => {
    const message = { openid: alice.openid(), ...change } as CustomerMessage;
    await expect(customers.send(message)).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
    expect(wechat.requests).toEqual([]);
  });
});

describe('setTyping', () => {
  const type = (on = true) => customers.setTyping({ openid: alice.openid(), on });

  it('works within 30 seconds after a message, and ends with a message', async () => {
    await expect(type()).rejects.toMatchObject(closed(45080));
    await alice.sendCustomerMessage('你好');
    await type();
    expect(alice.seesTyping()).toBe(true);
    await customers.send(text());
    expect(alice.seesTyping()).toBe(false);
    await type();
    await type(false);
    expect(alice.seesTyping()).toBe(false);
    wechat.clock.advance('31s');
    await expect(type()).rejects.toMatchObject(closed(45080));
  });

  it('resolves if the phone shows it already', async () => {
    await alice.sendCustomerMessage('你好');
    await type();
    await type(); // errcode 45081
    expect(wechat.requestsTo(TYPING)).toHaveLength(2);
  });

  it.each([{ openid: '', on: true }, { on: 'true' }])(
    'is refused without a call for %j',
    async (change) => {
      const options = { openid: alice.openid(), ...change } as never;
      await expect(customers.setTyping(options)).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
      expect(wechat.requests).toEqual([]);
    },
  );
});
