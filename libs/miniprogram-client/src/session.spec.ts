import { Phone, createPhone } from '../test-support/wx-shim.js';
import { FakeServer } from '../test-support/fake-server.js';
import { RequestError, Session, SessionOptions, createSession } from './index.js';

const MINUTE = 60_000;

let server: FakeServer;
let phone: Phone;
let session: Session;

/** A mini program starts on this phone: a new session object over the storage of the last one. */
function start(options: Partial<SessionOptions> = {}): Session {
  session = createSession({ baseUrl: server.url, wx: phone.wx, ...options });
  return session;
}

/** Lets time pass until the promise is settled. */
async function over<T>(promise: Promise<T>): Promise<T> {
  const state = { settled: false };
  const mark = () => (state.settled = true);
  promise.then(mark, mark);
  for (let step = 0; !state.settled; step = 50) await jest.advanceTimersByTimeAsync(step);
  return promise;
}

const failureOf = (promise: Promise<unknown>): Promise<RequestError> =>
  over(
    promise.then(
      (value) => Promise.reject(new Error(`expected a failure, got ${JSON.stringify(value)}`)),
      (error: RequestError) => error,
    ),
  );

const me = () => session.request<{ by: string }>({ url: '/me' });
const refreshKeys = () =>
  server.seen.filter(({ path }) => path === '/auth/refresh').map(({ refreshKey }) => refreshKey);
const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  jest.useFakeTimers({
    now: new Date('2026-11-20T08:00:00Z'),
    doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'],
  });
  server = new FakeServer();
  phone = createPhone({ send: server.send, login: server.wxLogin });
  start();
});

afterEach(() => jest.useRealTimers());

describe('login', () => {
  it('happens by itself with the first request, which then carries the session', async () => {
    expect(session.state).toEqual({ signedIn: false });
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(session.state).toEqual({ signedIn: true, expiresAt: Date.now() + 30 * MINUTE });
    expect(server.seen.map((call) => [call.path, call.session_rd])).toEqual([
      ['/auth/login', undefined],
      ['/me', 'rd-1'],
    ]);
  });

  it('outlives a restart of the mini program, and so does no garbage in storage', async () => {
    await over(me());
    start();
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    for (const garbage of ['"old token"', '17', 'null', '{"token":"x"}', '[]']) {
      phone.storage.set(`session_rd ${server.url}`, garbage);
      start();
      expect(session.state).toEqual({ signedIn: false });
    }
  });

  it('is kept apart per server, so that a test session never reaches production', async () => {
    await over(me());
    expect(start({ baseUrl: 'https://test.example.com' }).state.signedIn).toBe(false);
  });

  it('keeps a living session if wx.checkSession agrees', async () => {
    await over(session.login());
    await over(session.login());
    expect(phone.calls).toMatchObject({ login: 1, checkSession: 1 });
  });

  it('replaces a living session whose session_key is stale, and the server ends the old one', async () => {
    await over(session.login());
    phone.sessionKeyIsValid = false;
    await over(Promise.all([session.login(), session.login()]));
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
    expect(server.logins).toHaveLength(1);
    expect(phone.calls['login']).toBe(2);
  });

  it('keeps the living session if replacing it fails', async () => {
    await over(session.login());
    phone.sessionKeyIsValid = false;
    server.next('/auth/login', { statusCode: 403, error: 'ERR_WECHAT_BLOCKED' });
    expect((await failureOf(session.login())).error).toBe('ERR_WECHAT_BLOCKED');
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
  });

  it('is not preceded by wx.checkSession in ordinary requests', async () => {
    await over(Promise.all([me(), me()]));
    await over(me());
    expect(phone.calls['checkSession']).toBeUndefined();
  });

  it('sends the appId, and tells the app, whose own mistake does not spoil the login', async () => {
    const told: unknown[] = [];
    start({ appId: 'wx1', onLogin: (answer) => told.push(answer) });
    await over(me());
    expect(server.seen[0]?.body).toBe('{"code":"code-1","appId":"wx1"}');
    expect(told).toEqual([
      expect.objectContaining({ session_rd: 'rd-1', isNewUser: false, user: { id: 'u1' } }),
    ]);
  });

  it('takes paths of its own', async () => {
    start({ loginPath: '/v2/login' });
    server.next('/v2/login', { statusCode: 404, error: 'ERR_NOT_FOUND' });
    expect((await failureOf(me())).error).toBe('ERR_NOT_FOUND');
  });

  it('takes a new code, once, when the server refuses the first', async () => {
    server.next('/auth/login', { statusCode: 401, code: 40029, error: 'ERR_WECHAT_CODE' });
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(phone.calls['login']).toBe(2);
  });

  it('gives up when the server refuses the second code too', async () => {
    const refusal = { statusCode: 401, code: 40029, error: 'ERR_WECHAT_CODE' };
    server.next('/auth/login', refusal, refusal, refusal);
    expect(await failureOf(me())).toMatchObject({ ...refusal, msg: 'failed with ERR_WECHAT_CODE' });
    expect(phone.calls['login']).toBe(2);
  });

  it('gives up at once when WeChat has blocked the user, for everyone who waits, and rests', async () => {
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

  it('is tried at once after a failure if the app asks for it', async () => {
    server.next('/auth/login', { statusCode: 403, error: 'ERR_WECHAT_BLOCKED' });
    await failureOf(me());
    await over(session.login());
    expect(session.state.signedIn).toBe(true);
  });

  it('repeats a lost exchange with a new code', async () => {
    server.next('/auth/login', 'lost', 'down');
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
    expect(
      new Set(server.seen.filter((call) => call.path === '/auth/login').map((call) => call.body))
        .size,
    ).toBe(2);
  });

  it('hands on what wx.login says', async () => {
    phone.failNext('login', { errMsg: 'login:fail 操作太频繁', errno: 1003 });
    expect(await failureOf(me())).toMatchObject({
      error: 'ERR_WX',
      code: 1003,
      msg: 'login:fail 操作太频繁',
      statusCode: 0,
    });
  });

  it("does not take a hotel's page for a session", async () => {
    server.next('/auth/login', { statusCode: 200, html: '<h1>Welcome</h1>' });
    expect(await failureOf(me())).toMatchObject({ error: 'ERR_ANSWER', statusCode: 200 });
    expect(session.state).toEqual({ signedIn: false });
  });

  it('works with a full storage, until the restart', async () => {
    phone.storageIsFull = true;
    await over(me());
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(start().state.signedIn).toBe(false);
  });
});

describe('a session that is gone', () => {
  beforeEach(() => over(me()));

  it('costs one login for fifty requests, and every one gets its answer', async () => {
    server.endAll();
    const answers = await over(Promise.all(Array.from({ length: 50 }, me)));
    expect(answers.map((answer) => answer.by)).toEqual(Array(50).fill('rd-2'));
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

  it('costs no second login for an answer that comes late', async () => {
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

  it('is not sent once its time is over', async () => {
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

  it('is replaced once per request: the second 401 is handed to the caller', async () => {
    const gone = { statusCode: 401, code: 1000, error: 'ERR_WECHAT_SESSION' };
    server.next('/me', gone, gone, gone);
    expect(await failureOf(me())).toMatchObject(gone);
    expect(server.count('/me')).toBe(3);
    expect(phone.calls['login']).toBe(2);
  });

  it('is not what another 401 means', async () => {
    server.next('/me/phone', { statusCode: 401, code: 40029, error: 'ERR_WECHAT_CODE' });
    const failure = await failureOf(
      session.request({ url: '/me/phone', method: 'PUT', data: { code: 'used' } }),
    );
    expect(failure.error).toBe('ERR_WECHAT_CODE');
    expect(phone.calls['login']).toBe(1);
  });
});

describe('a server that cannot answer', () => {
  beforeEach(() => over(me()));

  it('is asked again after a pause, and no login is made of it', async () => {
    server.next('/me', {}, {});
    const before = Date.now();
    expect(await over(me())).toMatchObject({ by: 'rd-1' });
    expect(Date.now() - before).toBeGreaterThanOrEqual(1500); // 500 ms, then 1 s, each with jitter
    expect(phone.calls['login']).toBe(1);
  });

  it('is given up after three tries', async () => {
    server.next('/me', {}, {}, {}, {});
    expect(await failureOf(me())).toMatchObject({
      statusCode: 503,
      error: 'ERR_STORE_UNAVAILABLE',
    });
    expect(server.count('/me')).toBe(4);
    expect(phone.calls['login']).toBe(1);
  });

  it('gets the rest it asks for', async () => {
    server.next('/me', { retryAfter: 4 });
    const answer = me();
    await passes(3900);
    expect(server.count('/me')).toBe(2);
    await over(answer);
    expect(server.count('/me')).toBe(3);
  });

  it('is not waited for when it asks for more than ten seconds', async () => {
    server.next('/me', { retryAfter: 30 });
    expect(await failureOf(me())).toMatchObject({ statusCode: 503, retryAfter: 30_000 });
    expect(server.count('/me')).toBe(2);
  });

  it('is left alone by logins for as long as it asked, then found again', async () => {
    server.endAll();
    server.next('/auth/login', { retryAfter: 60, error: 'ERR_WECHAT_UNAVAILABLE' });
    expect((await failureOf(me())).error).toBe('ERR_WECHAT_UNAVAILABLE');
    await passes(30_000);
    expect((await failureOf(me())).error).toBe('ERR_WECHAT_UNAVAILABLE');
    expect(server.count('/auth/login')).toBe(2);
    await passes(31_000);
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
  });

  it('sees three logins of fifty requests, each with a code of its own', async () => {
    server.endAll();
    server.next('/auth/login', {}, {}, {});
    const failures = await Promise.all(Array.from({ length: 50 }, () => failureOf(me())));
    expect(failures.every((failure) => failure.statusCode === 503)).toBe(true);
    const logins = server.seen.filter((call) => call.path === '/auth/login').slice(1);
    expect(new Set(logins.map((call) => call.body)).size).toBe(3);
    expect(logins).toHaveLength(3);
  });

  it('is not asked twice by a request whose answer was lost: only the caller knows whether that is safe', async () => {
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

  it('comes every twenty minutes while the app is in front, so the session does not end', async () => {
    await passes(65 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(3);
    expect(await over(me())).toMatchObject({ by: 'rd-4' });
    expect(phone.calls['login']).toBe(1);
  });

  it('pauses in the background and is made up for at once', async () => {
    session.onHide();
    await passes(25 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(0);
    session.onShow();
    await passes(0);
    expect(server.count('/auth/refresh')).toBe(1);
  });

  it('leaves a session that ended in the background to the next request', async () => {
    session.onHide();
    await passes(45 * MINUTE);
    session.onShow();
    await passes(0);
    expect(server.seen).toHaveLength(2);
    await over(me());
    expect(phone.calls['login']).toBe(2);
  });

  it('comes when two thirds of a shorter life are over, and as often as the app says', async () => {
    start({ refreshEvery: 5 * MINUTE });
    session.onShow();
    await over(session.refresh());
    const before = server.count('/auth/refresh');
    await passes(16 * MINUTE);
    expect(server.count('/auth/refresh') - before).toBe(3);
  });

  it('is one call for all who ask', async () => {
    await over(Promise.all([session.refresh(), session.refresh(), session.refresh()]));
    expect(server.count('/auth/refresh')).toBe(1);
  });

  it('lets requests run on with the old session meanwhile', async () => {
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
    start(); // WeChat ended the mini program after the third try
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

  it('turns into one login when the lost answer is older than the grace time', async () => {
    server.next('/auth/refresh', 'lost', 'down', 'down');
    await failureOf(session.refresh());
    await passes(3 * MINUTE); // the next try looks like the reuse of a stolen session, and ends it
    expect(await over(me())).toMatchObject({ by: 'rd-3' });
    expect(phone.calls['login']).toBe(2);
  });

  it('survives being cut off in the background', async () => {
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

  it('logs in once when the server no longer knows the session', async () => {
    server.endAll();
    await over(Promise.all([session.refresh(), me(), me(), session.refresh(), session.login()]));
    expect(server.mostLoginsAtOnce).toBe(1);
    expect(phone.calls['login']).toBe(2);
  });

  it('keeps the session through an outage and comes back for it', async () => {
    server.next('/auth/refresh', {}, {}, {}, {}, {}, {});
    await passes(20 * MINUTE);
    await passes(MINUTE / 2);
    expect(server.count('/auth/refresh')).toBe(3);
    expect(session.state.signedIn).toBe(true);
    await passes(6 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(7);
    expect(phone.calls['login']).toBe(1);
  });

  it('does not sleep for days when the clock of the phone is set back', async () => {
    jest.setSystemTime(Date.now() - 24 * 60 * MINUTE);
    session.onShow();
    await passes(21 * MINUTE);
    expect(server.count('/auth/refresh')).toBe(1);
  });
});

describe('logout', () => {
  beforeEach(() => over(me()));

  it('ends the session on the server and holds until login(), over a restart too', async () => {
    await over(session.logout());
    expect(server.logins).toHaveLength(0);
    expect((await failureOf(me())).error).toBe('ERR_SIGNED_OUT');
    start();
    expect((await failureOf(session.refresh())).error).toBe('ERR_SIGNED_OUT');
    await over(session.login());
    expect(await over(me())).toMatchObject({ by: 'rd-2' });
  });

  it('is not undone by a request that was under way', async () => {
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

  it('ends the session of a login that was under way', async () => {
    server.endAll();
    const waiting = me().catch((error: RequestError) => error.error);
    await passes(0);
    await over(session.logout());
    await over(waiting);
    expect(server.logins).toHaveLength(0);
    expect(session.state.signedIn).toBe(false);
  });

  it('signs out of the phone even if the server cannot be told, and says so', async () => {
    server.next('/auth/logout', 'down', 'down', 'down');
    const failure = failureOf(session.logout());
    expect(session.state.signedIn).toBe(false);
    expect((await failure).error).toBe('ERR_NETWORK');
    expect((await failureOf(me())).error).toBe('ERR_SIGNED_OUT');
  });

  it('is done when the server does not know the session any more, or there is none', async () => {
    server.endAll();
    await over(session.logout());
    await over(session.logout());
    expect(server.count('/auth/logout')).toBe(1);
  });

  it('gives way to a login that is asked for in the same breath', async () => {
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
  it('resolve with the data, and send data the way wx.request does', async () => {
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

  it('reject with what the failure carries', async () => {
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

  it('reject as ERR_ANSWER when a proxy answers for the server', async () => {
    server.next('/me', { statusCode: 502, html: '<h1>Bad gateway</h1>' });
    expect(await failureOf(me())).toMatchObject({
      error: 'ERR_ANSWER',
      statusCode: 502,
      code: 502,
    });
  });

  it('upload a file and parse the answer, after a login if need be', async () => {
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

  it('read the failure of a binary request out of its bytes', async () => {
    server.next('/qrcodes', { statusCode: 400, code: 40169, error: 'ERR_WECHAT_SCENE' });
    const image = session.request({
      url: '/qrcodes',
      method: 'POST',
      responseType: 'arraybuffer',
      data: { scene: '' },
    });
    expect(await failureOf(image)).toMatchObject({ code: 40169, error: 'ERR_WECHAT_SCENE' });
  });

  it('download a file, after a login if need be', async () => {
    await over(me());
    server.endAll();
    const path = await over(session.downloadFile({ url: '/recordings/1/content' }));
    expect([...(phone.files.get(path) ?? [])]).toEqual([1, 2, 3]);
    server.next('/recordings/2/content', { statusCode: 404, error: 'ERR_NOT_FOUND' });
    expect(await failureOf(session.downloadFile({ url: '/recordings/2/content' }))).toMatchObject({
      statusCode: 404,
    });
  });

  it('go nowhere but to the server', async () => {
    const elsewhere = await failureOf(session.request({ url: 'https://evil.example.com/' }));
    expect(elsewhere.message).toBe(
      'url is a path under baseUrl, like "/me"; it was "https://evil.example.com/".',
    );
  });

  it('are refused where the session is made wrongly, with the cure', () => {
    expect(() => createSession({ baseUrl: 'api.example.com', wx: phone.wx })).toThrow(
      'createSession needs a baseUrl like "https://api.example.com".',
    );
    expect(() => createSession({ baseUrl: server.url })).toThrow('Outside WeChat, pass { wx }.');
  });
});
