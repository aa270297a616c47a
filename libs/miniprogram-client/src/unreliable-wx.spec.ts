import * as fc from 'fast-check';
import { FakeServer } from '../test-support/fake-server.js';
import { FAULTS, WxFault, unreliable } from '../test-support/unreliable-wx.js';
import { Phone, createPhone } from '../test-support/wx-shim.js';
import { Session, askToSubscribe, createSession, ensureScope } from './index.js';

const SECOND = 1_000;
/** Three attempts of a request, each with a login of three attempts before it, each at its deadline, with all pauses. */
const LONGEST = 10 * 60 * SECOND;
/** Two requests, and ten minutes of the pay sheet. */
const LONGEST_PAYMENT = 3 * LONGEST;

const ACTIONS = [
  'request',
  'upload',
  'download',
  'pay',
  'refresh',
  'login',
  'logout',
  'restart',
] as const;
type Action = (typeof ACTIONS)[number];

const fault = fc.option(fc.constantFrom(...FAULTS), { nil: undefined, freq: 2 });
const faults = fc.record({
  login: fc.array(fault, { maxLength: 4 }),
  checkSession: fc.array(fault, { maxLength: 2 }),
  request: fc.array(fault, { maxLength: 8 }),
  uploadFile: fc.array(fault, { maxLength: 3 }),
  downloadFile: fc.array(fault, { maxLength: 3 }),
  requestPayment: fc.array(fault, { maxLength: 3 }),
  getStorageSync: fc.array(fault, { maxLength: 3 }),
  setStorageSync: fc.array(fault, { maxLength: 3 }),
});

type Outcome = { value: unknown } | { error: unknown } | 'pending';

let server: FakeServer;
let phone: Phone;
let pending: Partial<Record<string, (WxFault | undefined)[]>>;
let session: Session;

const wx = () => unreliable(phone.wx, (name) => pending[name]?.shift());

function start(): void {
  session = createSession({ baseUrl: server.url, wx: wx() });
}

/** Moves the clock by the maximum duration of every call. */
async function outcomeOf(promise: Promise<unknown>, ms = LONGEST): Promise<Outcome> {
  const settled: Outcome[] = [];
  promise.then(
    (value) => settled.push({ value }),
    (error: unknown) => settled.push({ error }),
  );
  for (let passed = 0; settled.length === 0 && passed < ms; passed += 5 * SECOND)
    await jest.advanceTimersByTimeAsync(5 * SECOND);
  return settled[0] ?? 'pending';
}

function run(action: Action): Promise<unknown> {
  switch (action) {
    case 'request':
      return session.request({ url: '/me' });
    case 'upload':
      return session.uploadFile({ url: '/recordings', filePath: 'http://tmp/1.mp3' });
    case 'download':
      return session.downloadFile({ url: '/recordings/1/content' });
    case 'pay':
      return session.pay({ id: '1' });
    case 'restart':
      return Promise.resolve(start());
    default:
      return session[action]();
  }
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  server = new FakeServer();
  phone = createPhone({ send: server.send, login: server.wxLogin });
  phone.files.set('http://tmp/1.mp3', new Uint8Array(1));
  pending = {};
});
afterEach(() => jest.useRealTimers());

describe('a wx whose functions throw, never call back, or call back late or twice', () => {
  it('never leaves a promise pending, and the next login and request succeed', async () => {
    await fc.assert(
      fc.asyncProperty(
        faults,
        fc.array(fc.constantFrom(...ACTIONS), { minLength: 1, maxLength: 6 }),
        async (going, actions) => {
          pending = going;
          start();
          const outcomes = await Promise.all(
            actions.map((action) =>
              outcomeOf(run(action), action === 'pay' ? LONGEST_PAYMENT : LONGEST),
            ),
          );
          for (const outcome of outcomes) {
            expect(outcome).not.toBe('pending');
            if (typeof outcome === 'object' && 'error' in outcome)
              expect(outcome.error).toMatchObject({
                name: 'RequestError',
                error: expect.stringMatching(/^ERR_/),
              });
          }
          pending = {};
          const recovered = session.login().then(() => session.request({ url: '/me' }));
          expect(await outcomeOf(recovered)).toMatchObject({ value: { path: '/me' } });
        },
      ),
      { numRuns: 300 },
    );
  }, 120_000);

  it('control: a promise without a deadline stays pending', async () => {
    pending = { login: ['never calls back'] };
    const naive = new Promise((success, fail) => wx().login({ success, fail }));
    expect(await outcomeOf(naive)).toBe('pending');
  });

  it('fails a login after 10 seconds, and the next call in the queue runs', async () => {
    start();
    pending = { login: ['never calls back'] };
    const login = session.login();
    await jest.advanceTimersByTimeAsync(1 * SECOND);
    const logout = session.logout();
    expect(await outcomeOf(login, 15 * SECOND)).toMatchObject({
      error: { error: 'ERR_WX', message: 'timeout: no callback within 10000 ms' },
    });
    expect(await outcomeOf(logout, 15 * SECOND)).toMatchObject({ value: undefined });
  });

  it('passes the deadline to wx too, and takes one from the options', async () => {
    const seen: Record<string, unknown>[] = [];
    const { login, request } = phone.wx;
    phone.wx.login = (options) => [seen.push({ ...options }), login(options)];
    phone.wx.request = (options) => [seen.push({ ...options }), request(options)];
    session = createSession({ baseUrl: server.url, wx: phone.wx, timeout: 3 * SECOND });
    await outcomeOf(session.request({ url: '/me' }));
    await outcomeOf(session.request({ url: '/me', timeout: 90 * SECOND }));
    expect(seen.map(({ timeout }) => timeout)).toEqual([3_000, 3_000, 3_000, 90_000]);
  });

  it.each(FAULTS)('does not leave a permission pending if it %s', async (name) => {
    for (const call of ['requirePrivacyAuthorize', 'getSetting', 'authorize']) {
      pending = { [call]: [name] };
      expect(await outcomeOf(ensureScope('scope.record', { wx: wx() }))).not.toBe('pending');
    }
    phone.permissions['scope.record'] = false;
    for (const call of ['showModal', 'openSetting']) {
      pending = { [call]: [name] };
      expect(await outcomeOf(ensureScope('scope.record', { wx: wx() }))).not.toBe('pending');
    }
  });

  it.each(FAULTS)('that %s does not keep the question for messages pending', async (name) => {
    pending = { requestSubscribeMessage: [name] };
    const asked = phone.tap(() => askToSubscribe(['paid'], { wx: wx() }));
    expect(await outcomeOf(asked)).not.toBe('pending');
  });
});

describe('a storage that cannot be read', () => {
  it('does not prevent the start of the mini program', async () => {
    pending = { getStorageSync: Array<WxFault>(9).fill('throws') };
    start();
    expect(session.state).toEqual({ signedIn: false });
    expect(await outcomeOf(session.request({ url: '/me' }))).toMatchObject({
      value: { by: 'rd-1' },
    });
  });

  it('is read again, so that neither the session nor a logout is lost', async () => {
    start();
    await outcomeOf(session.request({ url: '/me' }));
    pending = { getStorageSync: ['throws'] };
    start();
    expect(session.state.signedIn).toBe(false);
    expect(await outcomeOf(session.request({ url: '/me' }))).toMatchObject({
      value: { by: 'rd-1' },
    });

    await outcomeOf(session.logout());
    pending = { getStorageSync: ['throws'] };
    start();
    expect(session.state.signedIn).toBe(false);
    expect(await outcomeOf(session.request({ url: '/me' }))).toMatchObject({
      error: { error: 'ERR_SIGNED_OUT' },
    });
  });
});
