import { connect } from 'node:net';
import { startWechatSandbox } from './index.js';
import type { Fault, WechatSandbox } from './index.js';
import { WechatClient } from './wechat-client.for-spec.js';

const LOGIN = '/sns/jscode2session';
const STABLE = '/cgi-bin/stable_token';

let wechat: WechatSandbox;
let client: WechatClient;

beforeEach(async () => {
  wechat = await startWechatSandbox();
  client = new WechatClient(wechat);
});
afterEach(() => wechat.close());

const freshCode = async () => (await wechat.users.create().login()).code;

async function arrivalOf(calls: number): Promise<void> {
  while (wechat.requests.length < calls) await new Promise(setImmediate);
}

/** Returns the error code of a failed connection. */
async function breakage(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'responded',
    (error: Error & { cause?: { code?: string } }) => error.cause?.code ?? error.name,
  );
}

describe('next()', () => {
  it('refuses the next call only, and leaves the code unused', async () => {
    const code = await freshCode();
    wechat.next(LOGIN, { errcode: 45011 });
    expect(await client.exchange(code)).toEqual({
      errcode: 45011,
      errmsg: expect.stringMatching(/^api minute-quota.*, rid: /),
    });
    expect(await client.exchange(code)).toHaveProperty('openid');
  });

  it('queues faults in order, with times, on one path', async () => {
    wechat.next(LOGIN, { errcode: -1, times: 2 });
    wechat.next(LOGIN, { errcode: 40029, errmsg: 'mine' });
    wechat.next('*', { errcode: 50000 });
    const codes = [];
    for (let i = 0; i < 3; i++) codes.push((await client.exchange('x')).errcode);
    expect(codes).toEqual([-1, -1, 40029]);
    expect(await client.stableToken()).toMatchObject({
      errcode: 50000,
      errmsg: expect.stringMatching(/^system error rid: /),
    });
    expect(await client.stableToken()).toHaveProperty('access_token');
  });

  it('sends a status, headers, any body and a redirect', async () => {
    const see = async (fault: Fault) => {
      wechat.next(STABLE, fault);
      const response = await client.send(STABLE, {}, { method: 'POST', body: '{}' });
      return [
        response.status,
        response.headers.get('content-type'),
        response.headers.get('retry-after'),
        await response.text(),
      ];
    };
    expect(await see({ status: 502 })).toEqual([
      502,
      'text/html',
      null,
      '<html><h1>502</h1></html>',
    ]);
    const json = 'application/json; encoding=utf-8';
    expect(await see({ status: 503, body: { a: 1 }, headers: { 'retry-after': '3' } })).toEqual([
      503,
      json,
      '3',
      '{"a":1}',
    ]);
    expect(await see({ body: '<html>', contentType: 'text/plain' })).toEqual([
      200,
      'text/plain',
      null,
      '<html>',
    ]);
    expect(await see({ body: Buffer.from('\u0000\u0001') })).toEqual([
      200,
      json,
      null,
      '\u0000\u0001',
    ]);
    expect(await see({ headers: { 'retry-after': '9' }, body: '' })).toEqual([200, json, '9', '']);
    wechat.next(STABLE, { redirect: 'http://127.0.0.1:9/elsewhere' });
    const response = await client.send(STABLE);
    expect([response.status, response.headers.get('location')]).toEqual([
      302,
      'http://127.0.0.1:9/elsewhere',
    ]);
  });

  it('changes the usual response after the call has taken effect', async () => {
    const code = await freshCode();
    wechat.next(LOGIN, { transform: (json) => ({ ...json, session_key: 'short' }) });
    expect(await client.exchange(code)).toMatchObject({
      session_key: 'short',
      openid: expect.any(String),
    });
    expect(await client.exchange(code)).toMatchObject({ errcode: 40163 });
  });

  it('reports when the function of the test throws', async () => {
    wechat.next(LOGIN, {
      transform: () => {
        throw new Error('my mistake');
      },
    });
    const response = await client.send(LOGIN);
    expect([response.status, await response.text()]).toEqual([
      500,
      expect.stringContaining('not a response of WeChat: Error: my mistake'),
    ]);
  });

  it('delays the response, not the effect', async () => {
    const code = await freshCode();
    wechat.next(LOGIN, { delay: '80ms' });
    const start = performance.now();
    const slow = client.exchange(code);
    await arrivalOf(1);
    wechat.clock.advance('5m');
    expect(await slow).toHaveProperty('openid');
    expect(performance.now() - start).toBeGreaterThan(75);
  });

  it('resets the connection before, after and within the response', async () => {
    const code = await freshCode();
    wechat.next(LOGIN, { reset: true });
    wechat.next(LOGIN, { reset: 'mid-answer' });
    wechat.next(LOGIN, { reset: 'after-work' });
    expect(await breakage(client.exchange(code))).toBe('ECONNRESET');
    expect(await breakage(client.exchange('x'))).toBe('UND_ERR_SOCKET');
    expect(await breakage(client.exchange(code))).toBe('ECONNRESET');
    expect(await client.exchange(code)).toMatchObject({ errcode: 40163 });
    wechat.next(STABLE, { reset: 'before-reading' });
    expect(await breakage(client.stableToken())).not.toBe('responded');
    expect(wechat.requestsTo(STABLE)).toMatchObject([{ body: undefined }]);
    expect(wechat.requestsTo(LOGIN)).toHaveLength(4);
  });

  it('hangs without or with effect, until the client aborts', async () => {
    const code = await freshCode();
    const untilArrived = async (
      call: (signal: AbortSignal) => Promise<unknown>,
    ): Promise<string> => {
      const controller = new AbortController();
      const calls = wechat.requests.length;
      const broken = breakage(call(controller.signal));
      await arrivalOf(calls + 1);
      controller.abort();
      return broken;
    };
    wechat.next(LOGIN, { hang: true });
    expect(await untilArrived((signal) => client.send(LOGIN, { js_code: code }, { signal }))).toBe(
      'AbortError',
    );
    expect(await client.exchange(code)).toHaveProperty('openid');
    wechat.next(STABLE, { hang: 'after-work' });
    expect(
      await untilArrived((signal) => client.send(STABLE, {}, { method: 'POST', signal })),
    ).toBe('AbortError');
  });

  it('sends the body or the whole response byte by byte', async () => {
    wechat.next(LOGIN, { body: '0123456789', drip: 5 });
    const start = performance.now();
    expect(await (await client.send(LOGIN)).text()).toBe('0123456789');
    expect(performance.now() - start).toBeGreaterThan(30);
    wechat.next(LOGIN, { errcode: -1, drip: '1ms', dripFrom: 'headers' });
    expect(await client.exchange('x')).toMatchObject({ errcode: -1 });
    wechat.next(LOGIN, { drip: '10s' });
    expect(
      await breakage(
        client.send(LOGIN, {}, { signal: AbortSignal.timeout(30) }).then((slow) => slow.text()),
      ),
    ).toBe('TimeoutError');
  });
});

describe('always() and clear()', () => {
  it('replace every response until they are cleared, after queued faults', async () => {
    wechat.always('*', { status: 503 });
    wechat.always(LOGIN, { errcode: -1 });
    wechat.next(LOGIN, { errcode: 40226 });
    expect((await client.send(STABLE)).status).toBe(503);
    expect([(await client.exchange('x')).errcode, (await client.exchange('x')).errcode]).toEqual([
      40226, -1,
    ]);
    wechat.clear(LOGIN);
    expect((await client.send(LOGIN)).status).toBe(503);
    wechat.clear();
    expect(await client.stableToken()).toHaveProperty('access_token');
  });
});

it('explains why a fault is not valid', () => {
  expect(() => wechat.next('/sns/jscode2sesion', {})).toThrow(
    /no WeChat path \/sns\/jscode2sesion.*\/sns\/jscode2session, /,
  );
  expect(() => wechat.next(LOGIN, { errCode: 1 } as Fault)).toThrow(
    'A fault has no field errCode. It has: errcode, ',
  );
  expect(() => wechat.next(LOGIN, { errcode: '1' as unknown as number })).toThrow(
    "errcode: '1' is not a valid value. It must be an integer",
  );
  expect(() => wechat.always(LOGIN, { delay: 'soon' })).toThrow('"soon" is not a duration');
  expect(() => wechat.always(LOGIN, { reset: 'sometimes' as unknown as true })).toThrow(
    "reset: 'sometimes'",
  );
});

it('closes at once while calls are delayed, slow, hanging and idle', async () => {
  const idle = connect(Number(new URL(wechat.url).port), '127.0.0.1');
  idle.on('error', () => undefined);
  for (const fault of [{ delay: '1h' }, { drip: '1h' }, { hang: true as const }])
    wechat.next(LOGIN, fault);
  const calls = Array.from({ length: 3 }, () =>
    breakage(client.send(LOGIN).then((response) => response.text())),
  );
  await arrivalOf(3);
  const start = performance.now();
  await wechat.close();
  expect(performance.now() - start).toBeLessThan(1000);
  expect(await Promise.all(calls)).not.toContain('responded');
  idle.destroy();
});

it('handles many slow responses at once', async () => {
  wechat.always(LOGIN, { delay: 20 });
  const warnings: Error[] = [];
  process.on('warning', (warning) => warnings.push(warning));
  const responses = await Promise.all(Array.from({ length: 200 }, () => client.exchange('x')));
  expect(responses.every(({ errcode }) => errcode === 40029)).toBe(true);
  expect(warnings).toEqual([]);
});
