import { FakeServer } from '../test-support/fake-server.js';
import { HttpSend } from '../test-support/http.js';
import { failureOf, over, useFakeTime } from '../test-support/time.js';
import { createPhone } from '../test-support/wx-shim.js';
import { RequestError, ResponseToUnwrap, SessionOptions, createSession } from './index.js';

let server: FakeServer;

beforeEach(() => {
  useFakeTime();
  server = new FakeServer();
});
afterEach(() => jest.useRealTimers());

function start(unwrap?: SessionOptions['unwrap'], send: HttpSend = server.send) {
  const { wx } = createPhone({ send, login: server.wxLogin });
  return createSession({ baseUrl: server.url, wx, unwrap });
}
type Session = ReturnType<typeof start>;

const me = (session: Session) => session.request<{ by: string }>({ url: '/me' });

describe('a server with the envelope { code: 0, message, data } and status 200 for every failure', () => {
  /** The fake server behind a filter and an interceptor, as many Nest applications have them. */
  const teamServer: HttpSend = async (call) => {
    const response = await server.send(call);
    const text = Buffer.from(response.bytes).toString('utf8');
    if (!text.startsWith('{')) return response;
    const { success, msg, data, error, code } = JSON.parse(text);
    const codes: Record<string, number> = {
      ERR_WECHAT_SESSION: 40101,
      ERR_WECHAT_CODE: 40029,
      ERR_STORE_UNAVAILABLE: 50300,
    };
    const body = success
      ? { code: 0, message: 'ok', data }
      : { code: codes[error] ?? code, message: `失败：${msg}`, data };
    return {
      ...response,
      statusCode: 200,
      bytes: new Uint8Array(Buffer.from(JSON.stringify(body))),
    };
  };

  // #region unwrap
  const ERRORS: Record<number, Partial<RequestError>> = {
    40101: { error: 'ERR_WECHAT_SESSION' }, // the client logs in and repeats the request
    40029: { error: 'ERR_WECHAT_CODE' }, // the client logs in with a new code
    50300: { statusCode: 503 }, // the client waits and repeats the request
  };

  function unwrap({ data: body }: ResponseToUnwrap): unknown {
    const { code, message, data } = body as { code: number; message: string; data: unknown };
    if (code === 0) return data;
    throw Object.assign(new Error(message), { code, data }, ERRORS[code]);
  }
  // #endregion unwrap

  let session: Session;
  beforeEach(() => (session = start(unwrap, teamServer)));

  it('logs in, requests and uploads', async () => {
    expect(await over(me(session))).toMatchObject({ by: 'rd-1' });
    await over(session.refresh());
    expect(await over(me(session))).toMatchObject({ by: 'rd-2' });
  });

  it('rejects with the fields that unwrap sets, and the client sets the others', async () => {
    server.next('/orders', { statusCode: 409, code: 1201, error: 'ERR_SOLD', data: { left: 0 } });
    expect(await failureOf(session.request({ url: '/orders' }))).toMatchObject({
      name: 'RequestError',
      error: 'ERR_ANSWER',
      code: 1201,
      message: '失败：failed with ERR_SOLD',
      msg: '失败：failed with ERR_SOLD',
      statusCode: 200,
      data: { left: 0 },
      retryAfter: 0,
    });
  });

  it('logs in again if the code of a failure means that the session has ended', async () => {
    await over(me(session));
    server.endAll();
    expect(await over(me(session))).toMatchObject({ by: 'rd-2' });
  });

  it('uses a new login code when the first is refused, and waits when the server is unavailable', async () => {
    server.next('/auth/login', { statusCode: 401, error: 'ERR_WECHAT_CODE' });
    server.next('/me', { statusCode: 503 }, { statusCode: 503, retryAfter: 2 });
    expect(await over(me(session))).toMatchObject({ by: 'rd-1' });
    expect([server.count('/auth/login'), server.count('/me')]).toEqual([2, 3]);
  });

  it('reads the failure of a binary request in any language', async () => {
    server.next('/qrcodes', { statusCode: 400, code: 40169, error: 'ERR_WECHAT_SCENE' });
    const call = { url: '/qrcodes', method: 'POST', responseType: 'arraybuffer' } as const;
    expect(await failureOf(session.request(call))).toMatchObject({
      code: 40169,
      message: '失败：failed with ERR_WECHAT_SCENE',
    });
  });

  it('control: without unwrap a failure looks like a success', async () => {
    const naive = start(undefined, teamServer);
    const login = await failureOf(me(naive));
    expect(login.message).toBe('The response has no session_rd. Is baseUrl right?');
  });
});

describe('a server that sends Nest’s own bodies', () => {
  /** The data without an envelope, and failures as Nest's exceptions write them. */
  const plainServer: HttpSend = async (call) => {
    const response = await server.send(call);
    const text = Buffer.from(response.bytes).toString('utf8');
    if (!text.startsWith('{')) return response;
    const { success, data, error } = JSON.parse(text);
    const body =
      success || error.startsWith('ERR_WECHAT') ? (success ? data : JSON.parse(text)) : data;
    return { ...response, bytes: new Uint8Array(Buffer.from(JSON.stringify(body))) };
  };

  it('needs no unwrap', async () => {
    const session = start(undefined, plainServer);
    expect(await over(me(session))).toMatchObject({ by: 'rd-1' });
    server.endAll();
    expect(await over(me(session))).toMatchObject({ by: 'rd-2' });
  });

  it.each([
    ['a text', 'The coffee is sold out', 'The coffee is sold out'],
    [
      'the list of ValidationPipe',
      ['count is no number', 'id is empty'],
      'count is no number,id is empty',
    ],
  ])('rejects with the message of an exception: %s', async (_, message, shown) => {
    const session = start(undefined, plainServer);
    const exception = { statusCode: 409, message, error: 'Conflict' };
    server.next('/orders', { statusCode: 409, error: 'ERR_OWN', data: exception });
    expect(await failureOf(session.request({ url: '/orders' }))).toMatchObject({
      error: 'ERR_ANSWER',
      statusCode: 409,
      code: 409,
      message: shown,
      msg: shown,
      data: exception,
    });
  });
});

describe('an own unwrap', () => {
  it('sees the status and the header, and its fields are kept', async () => {
    const session = start(({ statusCode, data }) => {
      const { data: payload, error } = data as { data?: unknown; error?: string };
      if (statusCode < 300) return { wrapped: payload, ...(payload as object) };
      throw Object.assign(new Error('refused'), { error });
    });
    expect(await over(me(session))).toMatchObject({ by: 'rd-1', wrapped: { path: '/me' } });
    server.endAll();
    expect(await over(me(session))).toMatchObject({ by: 'rd-2' });
    server.next('/me', { statusCode: 403, error: 'ERR_OWN' });
    expect(await failureOf(me(session))).toMatchObject({ error: 'ERR_OWN', message: 'refused' });
  });
});
