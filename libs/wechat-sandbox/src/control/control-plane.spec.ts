import { startWechatSandbox, type WechatSandbox } from '../index.js';
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

it('says what there is, without secrets', async () => {
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

it('lets a user log in, tap and consent', async () => {
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

it('moves time, spoils answers and ends tokens', async () => {
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

it('shows the calls with their secrets masked', async () => {
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
])('answers POST %s %j with %i and the cure', async (path, body, status, cure) => {
  expect(await post(path, body)).toEqual({ status, error: expect.stringContaining(cure) });
});

it('is open to pages of any origin', async () => {
  const preflight = await fetch(`${wechat.url}/sandbox/users/alice/login`, { method: 'OPTIONS' });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
  expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, POST');
});
