import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startWechatSandbox, type SandboxUser, type WechatSandbox } from '../index.js';
import { PushServer } from '../push/push-server.for-spec.js';
import { WechatClient } from '../wechat-client.for-spec.js';

const TEXT = '/wxa/msg_sec_check';
const MEDIA = '/wxa/media_check_async';
const MEGABYTE = 1024 * 1024;

let wechat: WechatSandbox;
let client: WechatClient;
let alice: SandboxUser;
let pushes: PushServer;
let files: Server;
let requested: string[];

beforeEach(async () => {
  const app = { appId: 'wx4f4bc4dec97d474b', secret: 'a'.repeat(32) };
  const other = { appId: 'wx00000000000000aa', secret: 'b'.repeat(32) };
  wechat = await startWechatSandbox({ apps: [app, other], demoUsers: true });
  client = new WechatClient(wechat);
  alice = wechat.users.get('alice')!;
  await alice.login();
  pushes = new PushServer();
  await pushes.start();
  wechat.configurePush(app.appId, { url: pushes.url, token: 'AAAAA' });
  requested = [];
  files = createServer(({ url = '' }, response) => {
    requested.push(url);
    if (url === '/moved') response.writeHead(302, { location: '/picture' });
    response.statusCode = url === '/missing' ? 404 : response.statusCode;
    response.end(Buffer.alloc(url === '/large' ? 10 * MEGABYTE + 1 : 10));
  });
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await wechat.close();
  await pushes.stop();
  files.closeAllConnections();
  await new Promise((resolve) => files.close(resolve));
});

const post = async (path: string, body: object): Promise<any> =>
  client.post(path, await client.withToken(), body);
const urlOf = (path: string): string =>
  `http://127.0.0.1:${(files.address() as AddressInfo).port}${path}`;
const text = (change: object = {}) =>
  post(TEXT, { content: 'a', version: 2, scene: 2, openid: alice.openid(), ...change });
const media = (change: object = {}) =>
  post(MEDIA, {
    media_url: urlOf('/picture'),
    media_type: 2,
    version: 2,
    scene: 1,
    openid: alice.openid(),
    ...change,
  });
const verdicts = async (after: string | number = '2s'): Promise<any[]> => {
  wechat.clock.advance(after);
  await wechat.settle();
  return pushes.arrived.map(({ body }) => JSON.parse(body));
};

describe.each([
  ['a text', text],
  ['a file', media],
])('a check of %s', (_, check) => {
  it.each<[string, object, number]>([
    ['version 1', { version: 1 }, 47001],
    ['an unknown scene', { scene: 5 }, 40129],
    ['an unknown user', { openid: 'oNobody' }, 40003],
    ['a user who has not visited', { openid: 'bob' }, 61010],
  ])('is refused for %s', async (__, change: { openid?: string }, errcode) => {
    const openid = change.openid === 'bob' ? wechat.users.get('bob')!.openid() : change.openid;
    expect(await check({ ...change, ...(openid && { openid }) })).toMatchObject({ errcode });
  });

  it('is refused for the openid of another app', async () => {
    const openid = alice.openid('wx00000000000000aa');
    expect(await check({ openid })).toMatchObject({ errcode: 43104 });
  });

  it('is limited per minute', async () => {
    const slow = await startWechatSandbox({
      quotas: { [TEXT]: { perMinute: 0 }, [MEDIA]: { perMinute: 0 } },
    });
    const other = new WechatClient(slow);
    for (const path of [TEXT, MEDIA])
      expect(await other.post(path, await other.withToken(), {})).toMatchObject({ errcode: 44991 });
    await slow.close();
  });
});

describe('a text', () => {
  it.each<[object, object]>([
    [{}, { suggest: 'pass', label: 100 }],
    [{ content: 'a 敏感词' }, { suggest: 'risky', label: 20001 }],
    [{ title: '敏感词' }, { suggest: 'risky' }],
  ])('%j is %j', async (change, result) => {
    expect(await text(change)).toMatchObject({
      errcode: 0,
      result,
      trace_id: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{8}){2}$/),
    });
  });

  it('has the verdict that a test sets', async () => {
    wechat.contentVerdict('*', { suggest: 'review', label: 20012 });
    expect(await text()).toMatchObject({ result: { suggest: 'review', label: 20012 } });
    wechat.contentVerdict('*', { errcode: 87020 });
    expect(await text()).toMatchObject({ errcode: 87020 });
  });

  it('has 1 to 2500 characters', async () => {
    expect(await text({ content: '茶'.repeat(2500) })).toMatchObject({ errcode: 0 });
    expect(await text({ content: '茶'.repeat(2501) })).toMatchObject({ errcode: 47001 });
    expect(await text({ content: '' })).toMatchObject({ errcode: 47001 });
  });
});

describe('a file', () => {
  it('is downloaded, and passes after two seconds', async () => {
    const { trace_id } = await media();
    expect(await verdicts()).toMatchObject([
      {
        FromUserName: alice.openid(),
        MsgType: 'event',
        Event: 'wxa_media_check',
        appid: client.mini.appId,
        trace_id,
        version: 2,
        errcode: 0,
        result: { suggest: 'pass', label: 100 },
        detail: [{ strategy: 'content_model', errcode: 0 }],
      },
    ]);
    expect(requested).toEqual(['/picture']);
  });

  it.each([
    ['is missing', '/missing'],
    ['is larger than 10 MB', '/large'],
    ['is elsewhere', '/moved'],
    ['is on another machine', 'http://192.0.2.1/picture'],
    ['has no http URL', 'file:///etc/passwd'],
  ])('that %s is -1008', async (_, path) => {
    await media({ media_url: path.startsWith('/') ? urlOf(path) : path });
    const [verdict] = await verdicts();
    expect(verdict).toMatchObject({ errcode: -1008 });
    expect(verdict).not.toHaveProperty('result');
  });

  it.each<[string, object, number]>([
    ['no URL', { media_url: '' }, 47001],
    ['a video', { media_type: 3 }, 40004],
  ])('is refused with %s', async (_, change, errcode) => {
    expect(await media(change)).toMatchObject({ errcode });
  });

  it('has the verdict that a test sends, once for each call, and the usual one no more', async () => {
    const { trace_id } = await media();
    wechat.contentVerdict(trace_id, { suggest: 'risky' });
    wechat.contentVerdict(trace_id, { suggest: 'risky', after: '1m' });
    expect(await verdicts('1m')).toMatchObject([{ trace_id, result: { suggest: 'risky' } }]);
    wechat.contentVerdict(trace_id, { suggest: 'review' });
    expect(await verdicts()).toHaveLength(2);
    expect(() => wechat.contentVerdict('x', {})).toThrow('no check');
  });

  it('has a verdict before the response', async () => {
    wechat.contentVerdict('*', { suggest: 'risky', before: true });
    const { trace_id } = await media();
    expect(JSON.parse(pushes.arrived[0]!.body)).toMatchObject({ trace_id });
  });
});
