import { startWechatSandbox } from '../index.js';
import type { WechatSandbox } from '../index.js';
import { WechatClient } from '../wechat-client.for-spec.js';

let wechat: WechatSandbox;
let client: WechatClient;

beforeEach(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
  client = new WechatClient(wechat);
});
afterEach(() => wechat.close());

async function get(path: string): Promise<any> {
  return (await fetch(`${wechat.url}/sandbox${path}`)).json();
}

/** Calls the control plane as `curl -d` does: JSON under a form's content type, or no body at all. */
async function post(path: string, body?: object | string): Promise<any> {
  const text = typeof body === 'object' ? JSON.stringify(body) : body;
  const headers =
    text === undefined ? undefined : { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await fetch(`${wechat.url}/sandbox${path}`, {
    method: 'POST',
    headers,
    body: text,
  });
  return { status: response.status, ...((await response.json()) as object) };
}

it('lists apps and routes, without secrets', async () => {
  const all = await get('');
  expect(all.routes).toContain('POST /sandbox/clock/advance {by}');
  expect(all.apps).toContainEqual({
    appId: client.mini.appId,
    kind: 'mini-program',
    name: '示例小程序',
  });
  expect(JSON.stringify(all)).not.toContain(client.mini.secret);
  expect(await get('/nothing')).toEqual({
    error: expect.stringContaining('GET /sandbox lists all'),
  });
});

it('runs the actions of a user', async () => {
  const { code, errMsg } = await post('/users/alice/login');
  expect(errMsg).toBe('login:ok');
  const session = await client.exchange(code);
  const users = await get('/users');
  expect(users[0]).toMatchObject({
    id: 'alice',
    phoneNumber: '13580006666',
    openids: { [client.mini.appId]: session.openid },
  });

  expect(await post('/users/alice/getUserInfo', { appId: client.mini.appId })).toMatchObject({
    errMsg: 'getUserInfo:ok',
  });
  expect(await post('/users/alice/getUserProfile')).toMatchObject({ errMsg: 'getUserProfile:ok' });
  expect(await post('/users/alice/getPhoneNumber')).toMatchObject({
    errMsg: 'getPhoneNumber:ok',
    code: expect.any(String),
  });
  expect(await post('/users/alice/getWeRunData')).toMatchObject({ errMsg: 'getWeRunData:ok' });
  expect(await post('/users/alice/getShareInfo')).toMatchObject({ errMsg: 'getShareInfo:ok' });
  expect(await post('/users/alice/getGroupEnterInfo')).toMatchObject({
    errMsg: 'getGroupEnterInfo:ok',
  });
  expect(await post('/users/alice/authorize', { scope: 'snsapi_base' })).toMatchObject({
    code: expect.any(String),
  });
  expect(await post('/users/alice/rotateSessionKey')).toEqual({ status: 200 });
  expect(wechat.users.get('alice')?.sessionKey()).not.toBe(session.session_key);
});

it('creates users', async () => {
  expect(
    await post('/users', { id: 'carol', nickName: 'Carol', highRisk: true, login: 'x' }),
  ).toMatchObject({
    id: 'carol',
    highRisk: true,
  });
  const { code } = await wechat.users.get('carol')!.login();
  expect(await client.exchange(code)).toMatchObject({ errcode: 40226 });
});

it('moves the clock, sets faults and revokes tokens', async () => {
  const before = wechat.clock.now();
  expect(Date.parse((await post('/clock/advance', { by: '5m' })).now)).toBeGreaterThanOrEqual(
    before + 300_000,
  );
  expect(await get('/clock')).toMatchObject({ now: expect.stringMatching(/Z$/) });

  await post('/next', { path: '/sns/jscode2session', errcode: 45011 });
  await post('/always', { path: '/sns/jscode2session', errcode: -1 });
  expect([(await client.exchange('x')).errcode, (await client.exchange('x')).errcode]).toEqual([
    45011, -1,
  ]);
  await post('/clear');
  expect(await client.exchange('x')).toMatchObject({ errcode: 40029 });

  const { access_token } = await client.stableToken();
  await post('/access-tokens/invalidate', { appId: client.mini.appId });
  expect(wechat.accessTokens.isValid(access_token)).toBe(false);
});

it('shows the calls with masked secrets', async () => {
  await client.exchange('the code');
  await client.stableToken();
  await client.post('/wxa/business/getuserphonenumber', {}, 'not JSON');
  const calls = await get('/requests');
  expect(calls[0]).toMatchObject({
    method: 'GET',
    query: { appid: client.mini.appId, secret: '***', js_code: '***' },
  });
  expect(calls[1].body).toMatchObject({ secret: '***' });
  expect(calls[2].body).toBe('(8 characters)');
  expect(JSON.stringify(calls)).not.toContain(client.mini.secret);
});

it.each([
  ['/users/nobody/login', {}, 404, 'There are: alice, bob, mallory'],
  ['/users/alice/dance', {}, 404, 'There are: login, getUserInfo'],
  ['/users/alice/constructor', {}, 404, 'no such action'],
  ['/users/alice/login', { appId: 'wx0' }, 400, 'no mini-program app wx0'],
  ['/users/alice/login', { appId: 1 }, 400, 'appId must be a text'],
  ['/users/alice/authorize', { scope: 'all' }, 400, 'scope must be one of snsapi_base'],
  ['/users', { id: 'alice' }, 400, 'Choose another id'],
  ['/clock/advance', {}, 400, 'by is missing'],
  ['/clock/advance', 'by=5m', 400, 'The body is not a JSON object'],
  ['/next', { path: '/sns/nothing' }, 400, 'has no WeChat path'],
  ['/next', { path: '/sns/jscode2session', code: 1 }, 400, 'A fault has no field code'],
  ['/next', {}, 400, 'path is missing'],
])('responds to POST %s %j with %i and the solution', async (path, body, status, cure) => {
  expect(await post(path, body)).toEqual({ status, error: expect.stringContaining(cure) });
});

it.each([
  ['times', 3e7, 'an integer from 1 to 10000'],
  ['times', 0, 'an integer from 1 to 10000'],
  ['times', 1.5, 'an integer from 1 to 10000'],
  ['errcode', 1e12, 'an integer of 32 bits'],
  ['status', 700, 'an integer from 200 to 599'],
  ['status', 100, 'an integer from 200 to 599'],
  ['delay', '30d', 'a duration of at most one day'],
  ['drip', '25h', 'a duration of at most one day'],
  ['errmsg', 'x'.repeat(8193), 'at most 8192 characters'],
  ['contentType', 'text/html\r\n\r\n<script>', 'without line breaks'],
  ['redirect', '/\r\nset-cookie: a=b', 'without line breaks'],
  ['headers', { 'x-a': 'a\r\nset-cookie: a=b' }, 'valid HTTP headers'],
  ['headers', { 'x a': 'a' }, 'valid HTTP headers'],
  [
    'headers',
    Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`x-${n}`, 'a'])),
    'at most 50',
  ],
  ['body', null, 'an object, or a text or Buffer of at most 67108864 bytes'],
])('bounds %s of a fault: %p is 400', async (field, value, rule) => {
  const before = process.memoryUsage().rss;
  for (const route of ['/next', '/always'])
    expect(await post(route, { path: '/sns/jscode2session', [field]: value })).toEqual({
      status: 400,
      error: expect.stringMatching(new RegExp(`^${field}: .*${rule}`, 's')),
    });
  expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
});

it('bounds the queue of faults, the clock, texts and bodies', async () => {
  for (let n = 0; n < 1000; n++) wechat.next('/sns/jscode2session', { errcode: -1, times: 10_000 });
  expect(await post('/next', { path: '/sns/jscode2session', errcode: -1 })).toEqual({
    status: 400,
    error: expect.stringContaining('1000 faults are queued'),
  });
  expect(await post('/clock/advance', { by: '36501d' })).toEqual({
    status: 400,
    error: expect.stringContaining('at most 100 years'),
  });
  expect(await post('/users', { nickName: 'x'.repeat(2049) })).toEqual({
    status: 400,
    error: 'nickName must be a text of at most 2048 characters.',
  });
  expect(await post('/users', { nickName: 'x'.repeat(1_100_000) })).toEqual({
    status: 413,
    error: 'A body may have at most 1 MiB.',
  });
  const { body, status } = await client.send(
    '/wxa/getwxacode',
    {},
    {
      method: 'POST',
      body: 'x'.repeat(2 * 1024 * 1024 + 1),
    },
  );
  await body?.cancel();
  expect(status).toBe(413);
  expect(wechat.requests).toEqual([]);
});

describe('the pages that may call it', () => {
  const call = async (origin: string, method = 'POST'): Promise<Response> =>
    fetch(`${wechat.url}/sandbox/users/alice/login`, { method, headers: { origin } });

  it('are its own', async () => {
    expect((await call(wechat.url)).status).toBe(200);
    for (const origin of ['http://localhost:5173', 'https://example.com', 'null'])
      for (const method of ['POST', 'OPTIONS']) {
        const response = await call(origin, method);
        expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([
          403,
          null,
        ]);
      }
  });

  it('are those of an origin that a test allows', async () => {
    await wechat.close();
    const origin = 'http://localhost:5173';
    wechat = await startWechatSandbox({ demoUsers: true, allowedOrigins: [origin] });
    expect((await call(origin, 'OPTIONS')).status).toBe(204);
    const response = await call(origin);
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([
      200,
      origin,
    ]);
    expect((await call('http://localhost:5174')).status).toBe(403);
    await expect(startWechatSandbox({ allowedOrigins: ['localhost:5173'] })).rejects.toThrow(
      'is not a valid origin',
    );
  });
});
