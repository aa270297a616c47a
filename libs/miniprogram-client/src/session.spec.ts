import { Phone, createPhone } from '../test-support/wx-shim.js';
import { FakeServer } from '../test-support/fake-server.js';
import { failureOf, over, useFakeTime } from '../test-support/time.js';
import { RequestError, Session, SessionOptions, createSession } from './index.js';

const MINUTE = 60_000;

let server: FakeServer;
let phone: Phone;
let session: Session;

/** Starts the mini program on this phone: a new session object with the storage of the last one. */
function start(options: Partial<SessionOptions> = {}): Session {
  session = createSession({ baseUrl: server.url, wx: phone.wx, ...options });
  return session;
}

const me = () => session.request<{ by: string }>({ url: '/me' });
const refreshKeys = () =>
  server.seen.filter(({ path }) => path === '/auth/refresh').map(({ refreshKey }) => refreshKey);
const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  useFakeTime(new Date('2026-11-20T08:00:00Z'));
  server = new FakeServer();
  phone = createPhone({ send: server.send, login: server.wxLogin });
  start();
});

afterEach(() => jest.useRealTimers());

describe('login', () => {
  it('happens with the first request, which then carries the session', async () => {
    expect(session.state).toEqual({ signedIn: false });
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(session.state).toEqual({ signedIn: true, expiresAt: Date.now() + 30 * MINUTE });
    expect(server.seen.map((call) => [call.path, call.session_rd])).toEqual([
      ['/auth/login', undefined],
      ['/me', 'rd-1'],
    ]);
  });

  it('survives a restart of the mini program, and invalid data in the storage is ignored', async () => {
    await over(me());
    start();
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    for (const invalid of ['"old token"', '17', 'null', '{"token":"x"}', '[]']) {
      phone.storage.set(`session_rd ${server.url}`, invalid);
      start();
      expect(session.state).toEqual({ signedIn: false });
    }
  });

  it('is stored per server, so that a session of a test server is never sent to production', async () => {
    await over(me());
    expect(start({ baseUrl: 'https://test.example.com' }).state.signedIn).toBe(false);
  });

  it('keeps a live session if wx.checkSession succeeds', async () => {
    await over(session.login());
    await over(session.login());
    expect(phone.calls).toMatchObject({ login: 1, checkSession: 1 });
  });

  it('replaces a live session whose session_key is stale, and the server revokes the old one', async () => {
    await over(session.login());
    phone.sessionKeyIsValid = false;
    await over(Promise.all([session.login(), session.login()]));
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
    expect(server.logins).toHaveLength(1);
    expect(phone.calls['login']).toBe(2);
  });

  it('keeps the live session if replacing it fails', async () => {
    await over(session.login());
    phone.sessionKeyIsValid = false;
    server.next('/auth/login', { statusCode: 403, error: 'ERR_WECHAT_BLOCKED' });
    expect((await failureOf(session.login())).error).toBe('ERR_WECHAT_BLOCKED');
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
  });

  it('calls no wx.checkSession for ordinary requests', async () => {
    await over(Promise.all([me(), me()]));
    await over(me());
    expect(phone.calls['checkSession']).toBeUndefined();
  });

  it('sends the appId, and calls onLogin, whose exception does not fail the login', async () => {
    const logins: unknown[] = [];
    start({ appId: 'wx1', onLogin: (response) => logins.push(response) });
    await over(me());
    expect(server.seen[0]?.body).toBe('{"code":"code-1","appId":"wx1"}');
    expect(logins).toEqual([
      expect.objectContaining({ session_rd: 'rd-1', isNewUser: false, user: { id: 'u1' } }),
    ]);
  });

  it('uses the paths of the options', async () => {
    start({ loginPath: '/v2/login' });
    server.next('/v2/login', { statusCode: 404, error: 'ERR_NOT_FOUND' });
    expect((await failureOf(me())).error).toBe('ERR_NOT_FOUND');
  });

  it('uses a new code, once, when the server refuses the first', async () => {
    server.next('/auth/login', { statusCode: 401, code: 40029, error: 'ERR_WECHAT_CODE' });
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(phone.calls['login']).toBe(2);
  });

  it('fails when the server refuses the second code too', async () => {
    const refusal = { statusCode: 401, code: 40029, error: 'ERR_WECHAT_CODE' };
    server.next('/auth/login', refusal, refusal, refusal);
    expect(await failureOf(me())).toMatchObject({ ...refusal, msg: 'failed with ERR_WECHAT_CODE' });
    expect(phone.calls['login']).toBe(2);
  });

  it('fails at once for all waiting requests when WeChat has blocked the user, and pauses', async () => {
    const blocked = { statusCode: 403, code: 40226, error: 'ERR_WECHAT_BLOCKED' };
    server.next('/auth/login', blocked, blocked);
    const failures = await Promise.all(Array.from({ length: 50 }, () => failureOf(me())));
    expect(
      failures.every((error) => error.error === 'ERR_WECHAT_BLOCKED' && error instanceof Error),
    ).toBe(true);
    expect((await failureOf(me())).code).toBe(40226);
    expect(phone.calls['login']).toBe(1);
    await passes(3000);
    await failureOf(me());
    expect(phone.calls['login']).toBe(2);
  });

  it('starts at once after a failure if the app calls login()', async () => {
    server.next('/auth/login', { statusCode: 403, error: 'ERR_WECHAT_BLOCKED' });
    await failureOf(me());
    await over(session.login());
    expect(session.state.signedIn).toBe(true);
  });

  it('retries a lost exchange with a new code', async () => {
    server.next('/auth/login', 'lost', 'down');
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
    expect(
      new Set(server.seen.filter((call) => call.path === '/auth/login').map((call) => call.body))
        .size,
    ).toBe(2);
  });

  it('rejects with the errMsg and errno of wx.login', async () => {
    phone.failNext('login', { errMsg: 'login:fail 操作太频繁', errno: 1003 });
    expect(await failureOf(me())).toMatchObject({
      error: 'ERR_WX',
      code: 1003,
      msg: 'login:fail 操作太频繁',
      statusCode: 0,
    });
  });

  it('does not accept the login page of a public network as a session', async () => {
    server.next('/auth/login', { statusCode: 200, html: '<h1>Welcome</h1>' });
    expect(await failureOf(me())).toMatchObject({ error: 'ERR_ANSWER', statusCode: 200 });
    expect(session.state).toEqual({ signedIn: false });
  });

  it('works with a full storage until the restart', async () => {
    phone.storageIsFull = true;
    await over(me());
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(start().state.signedIn).toBe(false);
  });
});

describe('a session that the server does not accept', () => {
  beforeEach(() => over(me()));

  it('costs one login for fifty requests, and each gets its response', async () => {
    server.endAll();
    const responses = await over(Promise.all(Array.from({ length: 50 }, me)));
    expect(responses.map((response) => response.by)).toEqual(Array(50).fill('rd-2'));
    expect(phone.calls['login']).toBe(2);
  });

  it('costs one login for two pages that load one after the other', async () => {
    server.endAll();
    const first = Promise.all(Array.from({ length: 5 }, me));
    await passes(0);
    const second = Promise.all(Array.from({ length: 5 }, me));
    expect((await over(Promise.all([first, second]))).flat()).toHaveLength(10);
    expect(phone.calls['login']).toBe(2);
  });

  it('costs no second login for a late response', async () => {
    const gates: (() => void)[] = [];
    server.pause = () => new Promise<void>((open) => gates.push(open));
    server.endAll();
    const late = me();
    await passes(0);
    server.pause = () => Promise.resolve();
    await over(me()); // logs in meanwhile
    gates.forEach((open) => open());
    expect(await over(late)).toMatchObject({ by: 'rd-2' });
    expect(phone.calls['login']).toBe(2);
  });

  it('is not sent after its expiry', async () => {
    await passes(31 * MINUTE);
    expect(session.state.signedIn).toBe(false);
    await over(me());
    expect(server.seen.map((call) => call.path)).toEqual([
      '/auth/login',
      '/me',
      '/auth/login',
      '/me',
    ]);
  });

  it('is sent with the next login, so that the server can revoke it if a thief has refreshed it', async () => {
    server.endAll();
    await over(me());
    start();
    server.endAll();
    await over(me());
    const logins = server.seen.filter(({ path }) => path === '/auth/login');
    expect(logins.map((login) => login.session_rd)).toEqual([undefined, 'rd-1', 'rd-2']);
  });

  it('is replaced once per request, and the second 401 goes to the caller', async () => {
    const ended = { statusCode: 401, code: 1000, error: 'ERR_WECHAT_SESSION' };
    server.next('/me', ended, ended, ended);
    expect(await failureOf(me())).toMatchObject(ended);
    expect(server.count('/me')).toBe(3);
    expect(phone.calls['login']).toBe(2);
  });

  it('is not the reason of every 401', async () => {
    server.next('/me/phone', { statusCode: 401, code: 40029, error: 'ERR_WECHAT_CODE' });
    const failure = await failureOf(
      session.request({ url: '/me/phone', method: 'PUT', data: { code: 'used' } }),
    );
    expect(failure.error).toBe('ERR_WECHAT_CODE');
    expect(phone.calls['login']).toBe(1);
  });
});

describe('an unavailable server', () => {
  beforeEach(() => over(me()));

  it('gets the request again after a pause, and no login', async () => {
    server.next('/me', {}, {});
    const before = Date.now();
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(Date.now() - before).toBeGreaterThanOrEqual(1500); // 500 ms, then 1 s, each with jitter
    expect(phone.calls['login']).toBe(1);
  });

  it('gets three attempts', async () => {
    server.next('/me', {}, {}, {}, {});
    expect(await failureOf(me())).toMatchObject({
      statusCode: 503,
      error: 'ERR_STORE_UNAVAILABLE',
    });
    expect(server.count('/me')).toBe(4);
    expect(phone.calls['login']).toBe(1);
  });

  it('gets the pause of its Retry-After', async () => {
    server.next('/me', { retryAfter: 4 });
    const response = me();
    await passes(3900);
    expect(server.count('/me')).toBe(2);
    await over(response);
    expect(server.count('/me')).toBe(3);
  });

  it('is not waited for when Retry-After is over ten seconds', async () => {
    server.next('/me', { retryAfter: 30 });
    expect(await failureOf(me())).toMatchObject({ statusCode: 503, retryAfter: 30_000 });
    expect(server.count('/me')).toBe(2);
  });

  it('gets no login before its Retry-After is over', async () => {
    server.endAll();
    server.next('/auth/login', { retryAfter: 60, error: 'ERR_WECHAT_UNAVAILABLE' });
    expect((await failureOf(me())).error).toBe('ERR_WECHAT_UNAVAILABLE');
    await passes(30_000);
    expect((await failureOf(me())).error).toBe('ERR_WECHAT_UNAVAILABLE');
    expect(server.count('/auth/login')).toBe(2);
    await passes(31_000);
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
  });

  it('gets three logins for fifty requests, each with its own code', async () => {
    server.endAll();
    server.next('/auth/login', {}, {}, {});
    const failures = await Promise.all(Array.from({ length: 50 }, () => failureOf(me())));
    expect(failures.every((failure) => failure.statusCode === 503)).toBe(true);
    const logins = server.seen.filter((call) => call.path === '/auth/login').slice(1);
    expect(new Set(logins.map((call) => call.body)).size).toBe(3);
    expect(logins).toHaveLength(3);
  });

  it('gets no retry of a request whose response was lost, because it may have taken effect', async () => {
    server.next('/orders', 'lost');
    expect(await failureOf(session.request({ url: '/orders', method: 'POST' }))).toMatchObject({
      error: 'ERR_NETWORK',
      statusCode: 0,
    });
    expect(server.count('/orders')).toBe(1);
  });
});

describe('refresh', () => {
  beforeEach(async () => {
    await over(me());
    session.onShow();
  });

  it('runs every twenty minutes in the foreground, so the session does not expire', async () => {
    await passes(65 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(3);
    expect(await over(me())).toMatchObject({ by: 'rd-4' });
    expect(phone.calls['login']).toBe(1);
  });

  it('stops in the background, and runs at once in the foreground if it is due', async () => {
    session.onHide();
    await passes(25 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(0);
    session.onShow();
    await passes(0);
    expect(server.count('/auth/refresh')).toBe(1);
  });

  it('leaves a session that expired in the background to the next request', async () => {
    session.onHide();
    await passes(45 * MINUTE);
    session.onShow();
    await passes(0);
    expect(server.seen).toHaveLength(2);
    await over(me());
    expect(phone.calls['login']).toBe(2);
  });

  it('runs after two thirds of a shorter life, and as often as the options say', async () => {
    start({ refreshEvery: 5 * MINUTE });
    session.onShow();
    await over(session.refresh());
    const before = server.count('/auth/refresh');
    await passes(16 * MINUTE);
    expect(server.count('/auth/refresh') - before).toBe(3);
  });

  it('is one call for all callers', async () => {
    await over(Promise.all([session.refresh(), session.refresh(), session.refresh()]));
    expect(server.count('/auth/refresh')).toBe(1);
  });

  it('lets requests use the old session meanwhile', async () => {
    const refreshing = session.refresh();
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    await over(refreshing);
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
  });

  it('retries with the same key when the response is lost, and gets the same successor', async () => {
    server.next('/auth/refresh', 'lost');
    await over(session.refresh());
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
    expect(phone.calls['login']).toBe(1);
    const [first, second] = refreshKeys();
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(second).toBe(first);
  });

  it('uses a new key for each refresh, and no key for anything else', async () => {
    for (let i = 0; i < 3; i++) await over(session.refresh());
    expect(new Set(refreshKeys()).size).toBe(3);
    expect(server.seen.filter(({ path }) => path !== '/auth/refresh')).toEqual(
      expect.not.arrayContaining([expect.objectContaining({ refreshKey: expect.any(String) })]),
    );
  });

  it('stores the key before it sends the request, repeats it after a restart, and replaces it with the session', async () => {
    const stored = (): { refreshKey?: string; session_rd: string } =>
      JSON.parse(phone.storage.get(`session_rd ${server.url}`)!).kept;
    let storedWhenSent: string | undefined;
    server.pause = () => {
      storedWhenSent ??= stored().refreshKey;
      return Promise.resolve();
    };
    server.next('/auth/refresh', 'lost', 'down', 'down');
    await failureOf(session.refresh());
    expect(storedWhenSent).toBe(refreshKeys()[0]);
    start(); // WeChat ended the mini program after the third attempt
    await over(session.refresh());
    expect(new Set(refreshKeys())).toEqual(new Set([storedWhenSent]));
    expect(stored().refreshKey).not.toBe(storedWhenSent);
    expect([await over(me()), phone.calls['login']]).toEqual([
      expect.objectContaining({ by: 'rd-2' }),
      1,
    ]);
  });

  it('control: a restart that forgets the key loses the session', async () => {
    server.next('/auth/refresh', 'lost', 'down', 'down');
    await failureOf(session.refresh());
    const { kept, signedOut } = JSON.parse(phone.storage.get(`session_rd ${server.url}`)!);
    delete kept.refreshKey;
    phone.storage.set(`session_rd ${server.url}`, JSON.stringify({ kept, signedOut }));
    start();
    await over(session.refresh());
    expect(phone.calls['login']).toBe(2);
  });

  it('becomes one login when the lost response is older than the grace time', async () => {
    server.next('/auth/refresh', 'lost', 'down', 'down');
    await failureOf(session.refresh());
    await passes(3 * MINUTE); // the next attempt looks like the reuse of a stolen session, so the server revokes it
    expect(await over(me())).toMatchObject({ by: 'rd-3' });
    expect(phone.calls['login']).toBe(2);
  });

  it('survives an interruption in the background', async () => {
    server.pause = () => new Promise<void>(() => {});
    const refreshing = session.refresh();
    await passes(0);
    session.onHide();
    phone.interrupt();
    server.pause = () => Promise.resolve();
    session.onShow();
    await over(refreshing);
    expect(session.state.signedIn).toBe(true);
    expect(phone.calls['login']).toBe(1);
  });

  it('logs in once when the server does not accept the session', async () => {
    server.endAll();
    await over(Promise.all([session.refresh(), me(), me(), session.refresh(), session.login()]));
    expect(server.mostLoginsAtOnce).toBe(1);
    expect(phone.calls['login']).toBe(2);
  });

  it('keeps the session during an outage and refreshes it afterwards', async () => {
    server.next('/auth/refresh', {}, {}, {}, {}, {}, {});
    await passes(20 * MINUTE);
    await passes(MINUTE / 2);
    expect(server.count('/auth/refresh')).toBe(3);
    expect(session.state.signedIn).toBe(true);
    await passes(6 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(7);
    expect(phone.calls['login']).toBe(1);
  });

  it('is not delayed for days when the clock of the phone is set back', async () => {
    jest.setSystemTime(Date.now() - 24 * 60 * MINUTE);
    session.onShow();
    await passes(21 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(1);
  });
});

describe('logout', () => {
  beforeEach(() => over(me()));

  it('revokes the session on the server and lasts until login(), also after a restart', async () => {
    await over(session.logout());
    expect(server.logins).toHaveLength(0);
    expect((await failureOf(me())).error).toBe('ERR_SIGNED_OUT');
    start();
    expect((await failureOf(session.refresh())).error).toBe('ERR_SIGNED_OUT');
    await over(session.login());
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
  });

  it('is not undone by a pending request', async () => {
    const gates: (() => void)[] = [];
    server.pause = () => new Promise<void>((open) => gates.push(open));
    const straggler = me();
    await passes(0);
    server.pause = () => Promise.resolve();
    await over(session.logout());
    gates.forEach((open) => open());
    expect((await failureOf(straggler)).error).toBe('ERR_SIGNED_OUT');
    expect(phone.calls['login']).toBe(1);
  });

  it('revokes the session of a pending login', async () => {
    server.endAll();
    const waiting = me().catch((error: RequestError) => error.error);
    await passes(0);
    await over(session.logout());
    await over(waiting);
    expect(server.logins).toHaveLength(0);
    expect(session.state.signedIn).toBe(false);
  });

  it('signs out on the phone even if the server is unavailable, and rejects', async () => {
    server.next('/auth/logout', 'down', 'down', 'down');
    const failure = failureOf(session.logout());
    expect(session.state.signedIn).toBe(false);
    expect((await failure).error).toBe('ERR_NETWORK');
    expect((await failureOf(me())).error).toBe('ERR_SIGNED_OUT');
  });

  it('resolves when the server does not accept the session, or there is none', async () => {
    server.endAll();
    await over(session.logout());
    await over(session.logout());
    expect(server.count('/auth/logout')).toBe(1);
  });

  it('is followed by a login that is called at the same time', async () => {
    const leaving = session.logout();
    await over(session.login());
    await over(leaving);
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
    expect(server.logins).toHaveLength(1);
  });

  it('stops the refresh', async () => {
    session.onShow();
    await over(session.logout());
    await passes(60 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(0);
  });
});

describe('calls', () => {
  it('resolve with the data, and send data as wx.request does', async () => {
    expect(
      await over(session.request({ url: '/me', method: 'PUT', data: { nickName: '小明' } })),
    ).toMatchObject({
      sent: { nickName: '小明' },
    });
    await over(
      session.request({ url: '/recordings', data: { page: 2 }, header: { 'X-Trace': '7' } }),
    );
    expect(server.seen.at(-1)).toMatchObject({ path: '/recordings', session_rd: 'rd-1' });
  });

  it('reject with the fields of the failure', async () => {
    server.next('/auth/phone-login', { statusCode: 404, code: 404, error: 'ERR_NOT_REGISTERED' });
    const failure = await failureOf(
      session.request({ url: '/auth/phone-login', method: 'POST', data: { code: 'c' } }),
    );
    expect(failure).toBeInstanceOf(Error);
    expect(failure).toMatchObject({
      statusCode: 404,
      code: 404,
      error: 'ERR_NOT_REGISTERED',
      data: null,
      message: failure.msg,
    });
  });

  it('reject with ERR_ANSWER when a proxy responds for the server', async () => {
    server.next('/me', { statusCode: 502, html: '<h1>Bad gateway</h1>' });
    expect(await failureOf(me())).toMatchObject({
      error: 'ERR_ANSWER',
      statusCode: 502,
      code: 502,
    });
  });

  it.each([
    ['a field named success', { success: true, orderId: 7 }],
    ['success false and a reason', { success: false, reason: 'sold out' }],
    ['code and data, but no msg', { code: 200, data: null, success: true }],
    ['a code that is text', { code: 'OK', msg: 'ok', data: 1, success: true }],
    ['a list', [1, 2]],
    ['nothing but text', 'ok'],
  ])('resolve with the whole body if it is not an envelope: %s', async (_, body) => {
    server.next('/orders', { statusCode: 200, html: JSON.stringify(body) });
    expect(await over(session.request({ url: '/orders' }))).toEqual(body);
  });

  it('control: a test for the field success alone loses the body', () => {
    const naive = (body: object) => ('success' in body ? (body as { data?: unknown }).data : body);
    expect(naive({ success: true, orderId: 7 })).toBeUndefined();
  });

  it('reject if the envelope of a 200 says success: false', async () => {
    const envelope = { code: 7, msg: 'no', data: { left: 0 }, success: false, error: 'ERR_SOLD' };
    server.next('/orders', { statusCode: 200, html: JSON.stringify(envelope) });
    expect(await failureOf(session.request({ url: '/orders' }))).toMatchObject({
      error: 'ERR_SOLD',
      code: 7,
      data: { left: 0 },
    });
  });

  it('keep the body of a failure without an envelope', async () => {
    server.next('/orders', { statusCode: 422, html: JSON.stringify({ field: 'count' }) });
    expect(await failureOf(session.request({ url: '/orders' }))).toMatchObject({
      error: 'ERR_ANSWER',
      statusCode: 422,
      data: { field: 'count' },
    });
  });

  it('upload a file and parse the response, after a login if needed', async () => {
    await over(me());
    server.endAll();
    phone.files.set('http://tmp/voice.mp3', new Uint8Array(10));
    const upload = session.uploadFile({
      url: '/recordings',
      filePath: 'http://tmp/voice.mp3',
      formData: { duration: 1200 },
    });
    expect(await over(upload)).toMatchObject({
      by: 'rd-2',
      sent: { name: 'file', fileName: 'voice.mp3', size: 10, fields: { duration: '1200' } },
    });
  });

  it('read the failure of a binary request from its bytes', async () => {
    server.next('/qrcodes', { statusCode: 400, code: 40169, error: 'ERR_WECHAT_SCENE' });
    const image = session.request({
      url: '/qrcodes',
      method: 'POST',
      responseType: 'arraybuffer',
      data: { scene: '' },
    });
    expect(await failureOf(image)).toMatchObject({ code: 40169, error: 'ERR_WECHAT_SCENE' });
  });

  it('download a file, after a login if needed', async () => {
    await over(me());
    server.endAll();
    const path = await over(session.downloadFile({ url: '/recordings/1/content' }));
    expect([...(phone.files.get(path) ?? [])]).toEqual([1, 2, 3]);
    server.next('/recordings/2/content', { statusCode: 404, error: 'ERR_NOT_FOUND' });
    expect(await failureOf(session.downloadFile({ url: '/recordings/2/content' }))).toMatchObject({
      statusCode: 404,
    });
  });

  it('are sent only to the server', async () => {
    const elsewhere = await failureOf(session.request({ url: 'https://evil.example.com/' }));
    expect(elsewhere.message).toBe(
      'url is a path under baseUrl, like "/me"; it was "https://evil.example.com/".',
    );
  });

  it('throw if the options are invalid, with the fix in the message', () => {
    expect(() => createSession({ baseUrl: 'api.example.com', wx: phone.wx })).toThrow(
      'createSession needs a baseUrl like "https://api.example.com".',
    );
    expect(() => createSession({ baseUrl: server.url })).toThrow(
      'There is no wx.login. With Taro pass { wx: Taro }. Web pages (H5) are not supported.',
    );
  });
});
