import { startWechatSandbox } from './index.js';
import type { SandboxUser, WechatSandbox } from './index.js';
import { PushServer } from './push/push-server.for-spec.js';
import { WechatClient } from './wechat-client.for-spec.js';

const SEND = '/cgi-bin/message/subscribe/send';
const CUSTOM = '/cgi-bin/message/custom/send';
const ALL_KINDS = {
  id: 'all_kinds',
  title: '全部类型',
  keys: [
    'thing1',
    'number2',
    'letter3',
    'symbol4',
    'character_string5',
    'time6',
    'date7',
    'amount8',
    'phone_number9',
    'car_number10',
    'name11',
    'phrase12',
    'enum_string13',
  ],
  enums: { enum_string13: ['客厅', '餐厅'] },
};
const ONCE = { id: 'once', title: '一次', keys: ['thing1'] };
const MORE = { id: 'more', title: '另一次', keys: ['thing1'] };
const LONG = { id: 'long', title: '长期', keys: ['thing1'], type: 3 as const };
const VALUES: Record<string, string> = {
  thing1: '茶'.repeat(20),
  number2: '-12.5',
  letter3: 'abc',
  symbol4: '!?',
  character_string5: 'A-1 ',
  time6: '2026年11月29日 18:30~19:00',
  date7: '2026-11-29',
  amount8: '¥22.00元',
  phone_number9: '+86-135 8000 6666',
  car_number10: '粤A12345',
  name11: '王小明',
  phrase12: '已发货',
  enum_string13: '客厅',
};

let wechat: WechatSandbox;
let client: WechatClient;
let alice: SandboxUser;

beforeEach(async () => {
  const app = { appId: 'wx4f4bc4dec97d474b', secret: 'a'.repeat(32) };
  wechat = await startWechatSandbox({
    apps: [{ ...app, templates: [ALL_KINDS, ONCE, MORE, { ...MORE, id: 'same-title' }, LONG] }],
    demoUsers: true,
  });
  client = new WechatClient(wechat);
  alice = wechat.users.get('alice')!;
});
afterEach(() => wechat.close());

const post = async (path: string, body: object) =>
  client.post(path, await client.withToken(), body);
const dataOf = (values: object): object =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value }]));
const send = (change: object = {}) =>
  post(SEND, {
    touser: alice.openid(),
    template_id: 'all_kinds',
    data: dataOf(VALUES),
    ...change,
  });

describe('a subscribe message', () => {
  it('uses one permission of a one-time template, and none of a long-term one', async () => {
    await alice.requestSubscribeMessage(['all_kinds']);
    expect(await send()).toMatchObject({ errcode: 0, errmsg: 'ok' });
    expect(await send()).toMatchObject({ errcode: 43101 });
    await alice.requestSubscribeMessage(['long']);
    const long = { template_id: 'long', data: dataOf({ thing1: 'a' }) };
    for (let i = 0; i < 3; i++) expect(await send(long)).toMatchObject({ errcode: 0 });
    expect(alice.messages).toHaveLength(4);
  });

  it.each<[string, string]>([
    ['thing1', '茶'.repeat(21)],
    ['thing1', 'a\nb'],
    ['number2', '12a'],
    ['number2', '1'.repeat(33)],
    ['letter3', 'a1'],
    ['symbol4', 'abc'],
    ['character_string5', '茶'],
    ['time6', '25:00'],
    ['date7', 'tomorrow'],
    ['amount8', '12345678901'],
    ['phone_number9', 'call me'],
    ['car_number10', '粤A12345678'],
    ['name11', '王'.repeat(11)],
    ['phrase12', 'sent'],
    ['enum_string13', '厨房'],
  ])('is refused for %s: %j', async (key, value) => {
    await alice.requestSubscribeMessage(['all_kinds']);
    expect(await send({ data: dataOf({ ...VALUES, [key]: value }) })).toMatchObject({
      errcode: 47003,
      errmsg: expect.stringContaining(`data.${key}.value invalid`),
    });
    expect(await send()).toMatchObject({ errcode: 0 }); // the permission is not used
  });

  it.each<[string, object, number]>([
    ['another openid', { touser: 'oNobody' }, 40003],
    ['an unknown template', { template_id: 'x' }, 40037],
    ['a page that is not released', { page: 'pages/secret' }, 41030],
    ['data that is a list', { data: [] }, 47001],
    ['an unknown language', { lang: 'fr' }, 40097],
    ['a missing key', { data: {} }, 47003],
    ['an unknown key', { data: dataOf({ ...VALUES, thing99: 'a' }) }, 47003],
    ['sensitive words', { data: dataOf({ ...VALUES, thing1: '敏感词' }) }, 45168],
  ])('is refused for %s', async (_, change, errcode) => {
    await alice.requestSubscribeMessage(['all_kinds']);
    expect(await send(change)).toMatchObject({ errcode });
  });

  it.each<[string, string[], object]>([
    ['no template', [], { errCode: 10001 }],
    ['six templates', ['a', 'b', 'c', 'd', 'e', 'f'], { errCode: 20003 }],
    ['an unknown template', ['x'], { errCode: 20001 }],
    ['templates of two types', ['once', 'long'], { errCode: 20002 }],
    [
      'two templates of one title',
      ['more', 'same-title'],
      { more: 'accept', 'same-title': 'filter' },
    ],
  ])('is asked for: %s', async (_, ids, result) => {
    expect(await alice.requestSubscribeMessage(ids)).toMatchObject(result);
  });

  it('has the templates that the app is registered with', async () => {
    const wrong = { appId: 'wx1', secret: 's', templates: [{ ...ONCE, keys: ['thing'] }] };
    await expect(startWechatSandbox({ apps: [wrong] })).rejects.toThrow('must have keys');
    const { data } = (await client.get(
      '/wxaapi/newtmpl/gettemplate',
      await client.withToken(),
    )) as never as { data: object[] };
    expect(data[0]).toMatchObject({
      priTmplId: 'all_kinds',
      type: 2,
      content: expect.stringContaining('{{thing1.DATA}}'),
      keywordEnumValueList: [
        { keywordCode: 'enum_string13.DATA', enumValueList: ['客厅', '餐厅'] },
      ],
    });
  });
});

describe('a customer message', () => {
  const text = (change: object = {}) =>
    post(CUSTOM, { touser: alice.openid(), msgtype: 'text', text: { content: 'a' }, ...change });

  it.each<[string, object, number]>([
    ['another openid', { touser: 'oNobody' }, 40003],
    ['a voice', { msgtype: 'voice' }, 40008],
    ['no content', { text: {} }, 47001],
    ['2049 bytes', { text: { content: 'a'.repeat(2049) } }, 45002],
    ['sensitive words', { text: { content: '敏感词' } }, 70000],
  ])('is refused for %s', async (_, change, errcode) => {
    await alice.sendCustomerMessage('你好');
    expect(await text(change)).toMatchObject({ errcode });
  });

  it('is an image or a card too', async () => {
    await alice.sendCustomerMessage('你好');
    const card = { title: 't', pagepath: 'pages/index/index', thumb_media_id: 'm' };
    expect(await text({ msgtype: 'image', image: { media_id: 'm' } })).toMatchObject({
      errcode: 0,
    });
    expect(await text({ msgtype: 'miniprogrampage', miniprogrampage: card })).toMatchObject({
      errcode: 0,
    });
    expect(alice.messages).toMatchObject([{ msgtype: 'image' }, { msgtype: 'miniprogrampage' }]);
  });

  it('has a typing state with two commands', async () => {
    const type = (command: string) =>
      post('/cgi-bin/message/custom/business/typing', { touser: alice.openid(), command });
    expect(await type('Typing')).toMatchObject({ errcode: 45080 });
    await alice.sendCustomerMessage('你好');
    expect(await type('Typing')).toMatchObject({ errcode: 0 });
    expect(await type('Typing')).toMatchObject({ errcode: 45081 });
    expect(await type('Sing')).toMatchObject({ errcode: 45072 });
    wechat.clock.advance('15s');
    expect(await type('Typing')).toMatchObject({ errcode: 0 });
  });
});

describe('pushes', () => {
  let server: PushServer;
  beforeEach(async () => {
    server = new PushServer();
    await server.start();
    wechat.configurePush(client.mini.appId, { url: server.url, token: 'AAAAA' });
  });
  afterEach(() => server.stop());
  const arrived = async () => {
    await wechat.settle();
    return server.arrived.map(({ body }) => JSON.parse(body));
  };

  it('tell of the choice in the dialog, one template as an object and several as an array', async () => {
    await alice.requestSubscribeMessage(['once'], { choose: 'reject' });
    await alice.requestSubscribeMessage(['once', 'more']);
    const [one, two] = await arrived();
    expect(one).toMatchObject({
      FromUserName: alice.openid(),
      CreateTime: expect.any(String),
      Event: 'subscribe_msg_popup_event',
      List: { TemplateId: 'once', SubscribeStatusString: 'reject', PopupScene: '0' },
    });
    expect(two.List).toHaveLength(2);
  });

  it('tell of a message that was sent, with its id as a text', async () => {
    await alice.requestSubscribeMessage(['all_kinds']);
    await send();
    const { msgId } = alice.messages[0] as { msgId: string };
    expect((await arrived()).at(-1)).toMatchObject({
      Event: 'subscribe_msg_sent_event',
      List: { MsgID: msgId, ErrorCode: '0', ErrorStatus: 'success' },
    });
  });

  it('bring the messages of a user, and tell when the session is opened', async () => {
    await alice.openCustomerSession();
    await alice.sendCustomerMessage('几点关门？');
    expect(await arrived()).toMatchObject([
      { Event: 'user_enter_tempsession' },
      { MsgType: 'text', Content: '几点关门？', FromUserName: alice.openid() },
    ]);
  });
});

describe('the control plane', () => {
  const call = async (method: string, path: string, body?: object): Promise<any> => {
    const init = { method, ...(body && { body: JSON.stringify(body) }) };
    return (await fetch(`${wechat.url}/sandbox${path}`, init)).json();
  };

  it('allows a message, shows it, and shows no openid', async () => {
    expect(
      await call('POST', '/users/alice/requestSubscribeMessage', { templateIds: ['all_kinds'] }),
    ).toEqual({ errMsg: 'requestSubscribeMessage:ok', all_kinds: 'accept' });
    await send();
    await call('POST', '/users/alice/sendCustomerMessage', { content: '你好' });
    const messages = await call('GET', '/users/alice/messages');
    expect(messages).toMatchObject([{ kind: 'subscribe', templateId: 'all_kinds' }]);
    const shown = JSON.stringify([messages, await call('GET', '/requests')]);
    expect(shown).not.toContain(alice.openid());
  });

  it.each<[string, string, object | undefined, string]>([
    ['POST', '/users/alice/requestSubscribeMessage', { templateIds: 'once' }, 'a list'],
    [
      'POST',
      '/users/alice/requestSubscribeMessage',
      { templateIds: ['once'], choose: 'x' },
      'one of',
    ],
    ['POST', '/users/alice/sendCustomerMessage', {}, 'content is missing'],
    ['GET', '/users/nobody/messages', undefined, 'There are: alice'],
    ['POST', '/content', { suggest: 'pass' }, 'traceId is missing'],
    ['POST', '/content', { traceId: 'x', suggest: 'pass' }, 'There is no check'],
    ['POST', '/content', { traceId: '*', suggest: 'ok' }, 'suggest must be one of'],
    ['POST', '/content', { traceId: '*', label: 'x' }, 'label must be a whole number'],
    ['POST', '/content', { traceId: '*', after: 'soon' }, 'is not a duration'],
  ])('%s %s with %j is refused with a cure', async (method, path, body, cure) => {
    expect(await call(method, path, body)).toEqual({ error: expect.stringContaining(cure) });
  });
});
