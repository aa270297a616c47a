import { createDecipheriv, createHash } from 'node:crypto';
import {
  startWechatSandbox,
  type DeliveryAttempt,
  type PushOptions,
  type WechatSandbox,
} from '../index.js';
import { PushCipher } from './cipher.js';
import { HANG, PushServer, type ArrivedPush } from './push-server.for-spec.js';

const TOKEN = 'AAAAA';
const AES_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
const LONG_ID = 24702107513577842n;

let wechat: WechatSandbox;
let server: PushServer;
let appId: string;

beforeEach(async () => {
  server = new PushServer();
  await server.start();
  wechat = await startWechatSandbox({ demoUsers: true });
  appId = wechat.apps[0]!.appId;
});
afterEach(async () => {
  await wechat.close();
  await server.stop();
});

const configure = (options: Partial<PushOptions> = {}): void =>
  wechat.configurePush(appId, { url: server.url, token: TOKEN, ...options });
const secure = (options: Partial<PushOptions> = {}): void =>
  configure({ aesKey: AES_KEY, ...options });

const sha1 = (...texts: string[]): string =>
  createHash('sha1').update(texts.toSorted().join('')).digest('hex');

function isSigned({ query }: ArrivedPush, encrypted?: string): boolean {
  const { timestamp = '', nonce = '', signature, msg_signature } = query;
  return encrypted === undefined
    ? signature === sha1(TOKEN, timestamp, nonce)
    : msg_signature === sha1(TOKEN, timestamp, nonce, encrypted);
}

/** As WeChat's documents describe it, without a check. */
function decrypt(encrypted: string): string {
  const key = Buffer.from(`${AES_KEY}=`, 'base64');
  const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
  const bytes = Buffer.concat([decipher.update(encrypted, 'base64'), decipher.final()]);
  return bytes.subarray(20, 20 + bytes.readUInt32BE(16)).toString();
}

const encryptedOf = ({ body }: ArrivedPush): string =>
  /Encrypt(?:":"|><!\[CDATA\[)([\w+/=]+)/.exec(body)![1]!;

describe('a push', () => {
  it('in plain mode is JSON with a signed query', async () => {
    configure();
    const { attempts, done, title } = await wechat.push(appId, {
      Event: 'debug_demo',
      debug_str: 'hello',
    });
    expect({ attempts, done, title }).toMatchObject({
      attempts: [{ status: 200, reply: 'success' }],
      done: true,
      title: 'event debug_demo',
    });
    const [push] = server.arrived;
    expect(isSigned(push!)).toBe(true);
    expect(Object.keys(push!.query).toSorted()).toEqual(['nonce', 'signature', 'timestamp']);
    expect(JSON.parse(push!.body)).toEqual({
      ToUserName: expect.stringMatching(/^gh_[0-9a-f]{12}$/),
      FromUserName: expect.stringMatching(/^o/),
      CreateTime: expect.any(Number),
      MsgType: 'event',
      Event: 'debug_demo',
      debug_str: 'hello',
    });
  });

  it('writes a long id as a number in JSON, and gives a message one', async () => {
    configure();
    await wechat.push(appId, { MsgType: 'text', Content: '你好', MsgId: LONG_ID });
    await wechat.push(appId, { MsgType: 'text', Content: '你好' });
    expect(server.arrived[0]!.body).toContain(`"MsgId":${LONG_ID}`);
    expect(server.arrived[1]!.body).toMatch(/"MsgId":\d{19}\b/);
  });

  it('in plain mode is XML', async () => {
    configure({ format: 'xml' });
    await wechat.push(appId, {
      MsgType: 'text',
      Content: 'a ]]> b <c>',
      FromUserName: 'o1',
      CreateTime: 1,
      MsgId: LONG_ID,
    });
    const [{ body, contentType }] = server.arrived as [ArrivedPush];
    expect(contentType).toBe('text/xml');
    expect(body).toMatch(/^<xml><ToUserName><!\[CDATA\[gh_\w+]]><\/ToUserName>/);
    expect(body).toContain('<CreateTime>1</CreateTime>');
    expect(body).toContain(`<MsgId>${LONG_ID}</MsgId>`);
    expect(body).toContain('<Content><![CDATA[a ]]]]><![CDATA[> b <c>]]></Content>');
  });

  it('has the list of a subscribe event inside an element in XML, and at the top in JSON', async () => {
    const item = { TemplateId: 't1', SubscribeStatusString: 'accept', PopupScene: '0' };
    const event = { Event: 'subscribe_msg_popup_event' };
    configure({ format: 'xml' });
    await wechat.push(appId, { ...event, List: [item, item] });
    configure();
    await wechat.push(appId, { ...event, List: item });
    expect(server.arrived[0]!.body).toMatch(
      /<SubscribeMsgPopupEvent><List><TemplateId>.*<\/List><List>.*<\/List><\/SubscribeMsgPopupEvent><\/xml>$/,
    );
    expect(JSON.parse(server.arrived[1]!.body)).toMatchObject({ List: item });
  });

  it.each(['json', 'xml'] as const)(
    'in secure mode has only the encrypted part, in %s',
    async (format) => {
      secure({ format });
      await wechat.push(appId, { Event: 'debug_demo', FromUserName: 'o1' });
      const [push] = server.arrived as [ArrivedPush];
      expect(push.query).toMatchObject({ encrypt_type: 'aes', openid: 'o1' });
      expect([isSigned(push), isSigned(push, encryptedOf(push))]).toEqual([true, true]);
      expect(push.body).not.toContain('debug_demo');
      expect(decrypt(encryptedOf(push))).toContain('debug_demo');
    },
  );

  it('in compatible mode has both', async () => {
    secure({ mode: 'compatible' });
    await wechat.push(appId, { Event: 'debug_demo' });
    const [push] = server.arrived as [ArrivedPush];
    expect(JSON.parse(push.body)).toMatchObject({
      Event: 'debug_demo',
      Encrypt: expect.any(String),
    });
    expect(decrypt(encryptedOf(push))).toContain('debug_demo');
  });

  it('decrypts the vectors of the documents', () => {
    const vector =
      '+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=';
    const cipher = new PushCipher('A'.repeat(43), 'wxba5fad812f8e6fb9');
    const message = cipher.decrypt(vector)!;
    expect(JSON.parse(message.toString())).toMatchObject({
      Event: 'debug_demo',
      debug_str: 'hello world',
    });
    expect(cipher.decrypt(cipher.encrypt(message))).toEqual(message);
    expect(new PushCipher('A'.repeat(43), 'wx0').decrypt(vector)).toBeUndefined();
  });
});

describe('a reply', () => {
  const reply = { MsgType: 'transfer_customer_service' };
  const sealed = (change: object = {}) => {
    const Encrypt = new PushCipher(AES_KEY, appId).encrypt(Buffer.from(JSON.stringify(reply)));
    const MsgSignature = sha1(TOKEN, '1', '2', Encrypt);
    return { Encrypt, MsgSignature, TimeStamp: 1, Nonce: '2', ...change };
  };
  const replyOf = async (): Promise<object> =>
    (await wechat.push(appId, { MsgType: 'text' })).attempts[0]!;

  it('is read in both formats', async () => {
    configure();
    server.responses.push(
      '',
      JSON.stringify(reply),
      '<xml><MsgType><![CDATA[text]]></MsgType><a><b>1</b><b>2</b></a></xml>',
    );
    expect(await replyOf()).toMatchObject({ reply: '' });
    expect(await replyOf()).toMatchObject({ reply });
    expect(await replyOf()).toMatchObject({ reply: { MsgType: 'text', a: { b: ['1', '2'] } } });
  });

  it('to an encrypted push is verified and decrypted', async () => {
    secure();
    const { Encrypt, MsgSignature } = sealed();
    server.responses.push(
      'success',
      JSON.stringify(sealed()),
      `<xml><Encrypt><![CDATA[${Encrypt}]]></Encrypt><MsgSignature><![CDATA[${MsgSignature}]]></MsgSignature><TimeStamp>1</TimeStamp><Nonce>2</Nonce></xml>`,
    );
    expect(await replyOf()).toMatchObject({ reply: 'success' });
    expect(await replyOf()).toMatchObject({ reply });
    expect(await replyOf()).toMatchObject({ reply });
  });

  it.each([
    ['neither success, JSON nor XML', () => 'ok'],
    ['neither success, JSON nor XML', () => '<xml><a></xml>'],
    ['it is not encrypted', () => JSON.stringify(reply)],
    ['MsgSignature is wrong', () => JSON.stringify(sealed({ TimeStamp: 2 }))],
    [
      'does not decrypt',
      () =>
        JSON.stringify(sealed({ Encrypt: 'AAAA', MsgSignature: sha1(TOKEN, '1', '2', 'AAAA') })),
    ],
  ])('has a note if it is invalid: %s', async (note, body) => {
    secure();
    server.responses.push(body());
    const attempt = await replyOf();
    expect(attempt).toMatchObject({ status: 200, note: expect.stringContaining(note) });
    expect(attempt).not.toHaveProperty('reply');
  });
});

describe('an attempt', () => {
  const push = () => wechat.push(appId, { Event: 'debug_demo' });

  it('is repeated twice after 5 s without a response, with the same message and another signature', async () => {
    secure();
    server.responses.push(HANG);
    const { attempts } = await push();
    expect(attempts).toMatchObject([{ status: 0, note: 'no response within 5 s' }]);
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([
      { done: true, attempts: [{ status: 0 }, { status: 200 }] },
    ]);
    expect(new Set(server.arrived.map((one) => decrypt(encryptedOf(one)))).size).toBe(1);
    expect(new Set(server.arrived.map(({ query }) => query['nonce'])).size).toBe(2);
  });

  it('is repeated twice if it is lost or if no server listens', async () => {
    configure();
    wechat.nextDelivery({ drop: true });
    await push();
    await server.stop();
    wechat.clock.advance('10s');
    await wechat.settle();
    wechat.clock.advance('1h');
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([
      { done: false, attempts: [{ note: 'dropped' }, { status: 0 }, { status: 0 }] },
    ]);
    expect(wechat.deliveries[0]!.nextAt).toBeUndefined();
    await server.start();
  });

  it('is not repeated after any response', async () => {
    configure();
    server.responses.push(500);
    await push();
    wechat.clock.advance('1h');
    await wechat.settle();
    expect(wechat.deliveries).toMatchObject([{ done: false, attempts: [{ status: 500 }] }]);
  });

  it('is sent several times, late or changed by a fault', async () => {
    secure();
    wechat.nextDelivery({ duplicate: 3 });
    await push();
    expect(server.arrived).toHaveLength(3);
    wechat.nextDelivery({ tamper: 'signature' });
    wechat.nextDelivery({ tamper: 'body' });
    wechat.nextDelivery({ signTest: true });
    wechat.nextDelivery({ tamper: 'ciphertext' });
    for (let i = 0; i < 4; i++) await push();
    const signed = server.arrived.slice(3).map((one) => isSigned(one, encryptedOf(one)));
    expect(signed).toEqual([false, false, false, true]);
    wechat.nextDelivery({ delay: '1m' });
    await push();
    expect(server.arrived).toHaveLength(7);
    wechat.clock.advance('1m');
    await wechat.settle();
    expect(server.arrived).toHaveLength(8);
  });
});

describe("the console's check of the URL", () => {
  it('succeeds if the response is the echostr', async () => {
    configure();
    server.responses.push(({ query }) => query['echostr']!);
    expect(await wechat.verifyPush(appId)).toEqual({ ok: true, status: 200 });
    const [check] = server.arrived as [ArrivedPush];
    expect([check.method, isSigned(check)]).toEqual(['GET', true]);
    expect(check.query['echostr']).toMatch(/^\d{19}$/);
  });

  it.each(['success', 403])('fails if the response is %s', async (response) => {
    configure();
    server.responses.push(response);
    expect(await wechat.verifyPush(appId)).toMatchObject({
      ok: false,
      note: expect.stringContaining('echostr'),
    });
  });
});

describe('the configuration', () => {
  const url = 'http://127.0.0.1:1/';
  it.each([
    [{ url: 'push', token: TOKEN }, 'url must be an absolute URL'],
    [{ url, token: 'A!' }, 'token must be 3 to 32'],
    [{ url, token: TOKEN, aesKey: 'short' }, 'aesKey must be 43'],
    [{ url, token: TOKEN, mode: 'secure' as const }, 'mode secure needs an aesKey'],
    [{ url, token: TOKEN, mode: 'safe' as never }, 'mode must be plain, compatible or secure'],
    [{ url, token: TOKEN, format: 'yaml' as never }, 'format must be json or xml'],
  ])('%j is refused', async (push, problem) => {
    const app = { appId: 'wx1', secret: 's', push };
    await expect(startWechatSandbox({ apps: [app] })).rejects.toThrow(`push of wx1: ${problem}`);
  });

  it('is part of the app from the start', async () => {
    const sandbox = await startWechatSandbox({
      apps: [{ appId: 'wx1', secret: 's', push: { url: server.url, token: TOKEN } }],
    });
    expect((await sandbox.push('wx1', { Event: 'debug_demo' })).done).toBe(true);
    await sandbox.close();
  });

  it('is required to push, of an app that exists', async () => {
    await expect(wechat.push(appId, {})).rejects.toThrow(
      'has no push. Add it to startWechatSandbox',
    );
    expect(() => wechat.configurePush('wx0', { url, token: TOKEN })).toThrow('no app wx0');
  });
});

it('has routes in the control plane that show no secret', async () => {
  const call = async (path: string, body?: object): Promise<any> => {
    const init = body && { method: 'POST', body: JSON.stringify(body) };
    return (await fetch(`${wechat.url}/sandbox${path}`, init)).json();
  };
  secure();
  const message = { Event: 'debug_demo' };
  expect(await call('/push', { appId, message })).toMatchObject({ done: true, kind: 'push' });
  expect(await call('/push/verify', { appId })).toMatchObject({ ok: false });
  expect(await call('/push', { appId })).toEqual({
    error: expect.stringContaining('message must be an object'),
  });
  const all = await call('');
  expect(all.apps[0].push).toEqual({ url: server.url, mode: 'secure', format: 'json' });
  expect(JSON.stringify([all, await call('/deliveries')])).not.toContain(AES_KEY);
});

it('runs as the README shows it', async () => {
  const miniProgram = appId;
  const url = server.url;
  server.responses.push(({ query }) => query['echostr']!);
  // #region push
  wechat.configurePush(miniProgram, { url, token: 'AAAAA', aesKey: AES_KEY }); // or `push` of an app
  await wechat.verifyPush(miniProgram); // { ok: true, status: 200 }, as when the page of the console is saved

  const message = { MsgType: 'text', Content: '有人吗', FromUserName: 'o6zAJs…' };
  const { attempts } = await wechat.push(miniProgram, message);
  const [{ status, reply }] = attempts as [DeliveryAttempt]; // 200, 'success'; a reply message is verified and decrypted
  // #endregion push
  expect([status, reply]).toEqual([200, 'success']);
});
