import { FakeServer } from '../test-support/fake-server.js';
import { createTaro } from '../test-support/taro-shim.js';
import { failureOf, over, useFakeTime } from '../test-support/time.js';
import { Phone, createPhone } from '../test-support/wx-shim.js';
import { Session, createSession } from './index.js';

const ABORTED = { name: 'RequestError', error: 'ERR_ABORTED', statusCode: 0 };

describe.each([
  ['wx', (phone: Phone) => phone.wx],
  ['Taro', (phone: Phone) => createTaro(phone.wx)],
])('a call with %s', (_, platform) => {
  let server: FakeServer;
  let phone: Phone;
  let session: Session;
  let abortedByPhone: number;

  beforeEach(() => {
    useFakeTime();
    server = new FakeServer();
    abortedByPhone = 0;
    phone = createPhone({
      send(call) {
        call.signal?.addEventListener('abort', () => abortedByPhone++);
        return server.send(call);
      },
      login: server.wxLogin,
    });
    phone.files.set('http://tmp/1.mp3', new Uint8Array(9));
    session = createSession({ baseUrl: server.url, wx: platform(phone) });
  });
  afterEach(() => jest.useRealTimers());

  const calls = {
    request: () => session.request({ url: '/recordings' }),
    uploadFile: () => session.uploadFile({ url: '/recordings', filePath: 'http://tmp/1.mp3' }),
    downloadFile: () => session.downloadFile({ url: '/recordings' }),
  };
  const kinds = ['request', 'uploadFile', 'downloadFile'] as const;

  it.each(kinds)('of %s is stopped by abort() while it runs', async (kind) => {
    await over(session.login());
    server.pause = () => new Promise<void>(() => {});
    const call = calls[kind]();
    await jest.advanceTimersByTimeAsync(1);
    expect(phone.calls[kind]).toBeGreaterThan(0);
    call.abort();
    await expect(call).rejects.toMatchObject(ABORTED);
    expect(abortedByPhone).toBe(1);
  });

  it.each(kinds)('of %s is never sent if it is aborted during the login', async (kind) => {
    const call = calls[kind]();
    call.abort();
    await expect(call).rejects.toMatchObject(ABORTED);
    expect(await over(session.request({ url: '/me' }))).toMatchObject({ by: 'rd-1' });
    expect(server.count('/recordings')).toBe(0);
  });

  it('is not retried after abort()', async () => {
    server.next('/recordings', { statusCode: 503, retryAfter: 5 });
    const call = calls.request();
    const failure = failureOf(call);
    await jest.advanceTimersByTimeAsync(2_000);
    call.abort();
    expect(await failure).toMatchObject(ABORTED);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(server.count('/recordings')).toBe(1);
  });

  it('keeps its result if it is aborted too late', async () => {
    const call = calls.request();
    await over(call);
    call.abort();
    expect(await call).toMatchObject({ path: '/recordings' });
  });

  it('reports the progress of an upload and of a download', async () => {
    const progress: number[] = [];
    const onProgress = (percent: number) => void progress.push(percent);
    const filePath = 'http://tmp/1.mp3';
    await over(session.uploadFile({ url: '/recordings', filePath, onProgress }));
    expect(progress.splice(0)).toEqual([40, 100]);
    await over(session.downloadFile({ url: '/recordings/1/content', onProgress }));
    expect(progress).toEqual([40, 100]);
  });
});
