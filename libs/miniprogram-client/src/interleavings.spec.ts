import * as fc from 'fast-check';
import { Phone, createPhone } from '../test-support/wx-shim.js';
import { FakeServer, Fault } from '../test-support/fake-server.js';
import { AbortablePromise, Session, createSession } from './index.js';

/** Events on a phone and on a server, in any order. */
const EVENTS = [
  'request',
  'upload',
  'download',
  'pay',
  'abort',
  'refresh',
  'login',
  'logout',
  'show',
  'hide',
  'the session_key becomes stale',
  'the server loses its sessions',
  'minutes pass',
  'an hour passes',
];
const CALLS_PER_EVENT = 13; // three attempts, four login exchanges, three attempts, three refreshes
const CALLS_PER_PAYMENT = 2 * CALLS_PER_EVENT; // two requests

const fault: fc.Arbitrary<Fault> = fc.constantFrom<Fault>(
  'lost',
  'down',
  { statusCode: 503 },
  { statusCode: 503, retryAfter: 2 },
  { statusCode: 503, retryAfter: 120 },
  { statusCode: 401, code: 1000, error: 'ERR_WECHAT_SESSION' },
  { statusCode: 401, code: 40029, error: 'ERR_WECHAT_CODE' },
  { statusCode: 403, code: 40226, error: 'ERR_WECHAT_BLOCKED' },
  { statusCode: 200, html: '<h1>Welcome</h1>' },
);
const faults = fc.record({
  '/auth/login': fc.array(fault, { maxLength: 6 }),
  '/auth/refresh': fc.array(fault, { maxLength: 6 }),
  '/auth/logout': fc.array(fault, { maxLength: 3 }),
  '/me': fc.array(fault, { maxLength: 8 }),
  '/recordings': fc.array(fault, { maxLength: 4 }),
  '/orders/1/pay': fc.array(fault, { maxLength: 4 }),
  '/orders/1/sync': fc.array(fault, { maxLength: 4 }),
});

class Story {
  readonly server = new FakeServer();
  readonly phone: Phone = createPhone({
    send: this.server.send,
    login: this.server.wxLogin,
    requestPayment: () => this.order.schedule(Promise.resolve({ errMsg: 'requestPayment:ok' })),
  });
  readonly session: Session = createSession({ baseUrl: this.server.url, wx: this.phone.wx });
  private readonly calls: AbortablePromise<unknown>[] = [];
  private pending = 0;
  /** The clock may run while a response is pending, so that a call can reach its timeout. */
  private isSlow = true;

  constructor(
    private readonly order: fc.Scheduler,
    private readonly timeRuns: Iterator<boolean>,
    going: Record<string, Fault[]>,
  ) {
    Object.entries(going).forEach(([path, wrong]) => this.server.next(path, ...wrong));
    this.server.pause = () => order.schedule(Promise.resolve());
    this.phone.files.set('http://tmp/1.mp3', new Uint8Array(1));
  }

  async run(events: string[]): Promise<void> {
    for (const event of events) {
      await this.happens(event);
      await this.step();
    }
    await this.settled();
  }

  private async settled(): Promise<void> {
    for (let steps = 0; this.pending > 0; steps++) {
      if (steps > 5000) throw new Error(`${this.pending} promises never settle`);
      await this.step();
    }
  }

  /** Ends the faults and the delays. From any state, login() and a request must succeed then. */
  async end(): Promise<unknown> {
    this.server.recover();
    this.isSlow = false;
    let response: unknown;
    this.follow(
      this.session
        .login()
        .then(async () => (response = await this.session.request({ url: '/me' }))),
    );
    await this.settled();
    return response;
  }

  /** Delivers one pending response, or moves the clock. */
  private async step(): Promise<void> {
    const timeRuns: boolean = this.isSlow && this.timeRuns.next().value;
    if (this.order.count() > 0 && !timeRuns) await this.order.waitNext(1);
    else await jest.advanceTimersByTimeAsync(400);
  }

  private async happens(event: string): Promise<void> {
    if (event === 'request') this.followCall(this.session.request({ url: '/me' }));
    if (event === 'upload')
      this.followCall(
        this.session.uploadFile({ url: '/recordings', filePath: 'http://tmp/1.mp3' }),
      );
    if (event === 'download') this.followCall(this.session.downloadFile({ url: '/recordings' }));
    if (event === 'abort') this.calls.pop()?.abort();
    if (event === 'pay') this.follow(this.session.pay({ id: '1' }));
    if (event === 'refresh') this.follow(this.session.refresh());
    if (event === 'login') this.follow(this.session.login());
    if (event === 'logout') this.follow(this.session.logout());
    if (event === 'show') this.session.onShow();
    if (event === 'hide') this.session.onHide();
    if (event === 'the session_key becomes stale') this.phone.sessionKeyIsValid = false;
    if (event === 'the server loses its sessions') this.server.endAll();
    if (event === 'minutes pass') await jest.advanceTimersByTimeAsync(2 * 60_000);
    if (event === 'an hour passes') await jest.advanceTimersByTimeAsync(60 * 60_000);
  }

  private followCall(call: AbortablePromise<unknown>): void {
    this.calls.push(call);
    this.follow(call);
  }

  private follow(promise: Promise<unknown>): void {
    this.pending++;
    const settled = () => this.pending--;
    promise.then(settled, settled);
  }
}

describe('for all events, in any order of the responses', () => {
  beforeEach(() =>
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }),
  );
  afterEach(() => jest.useRealTimers());

  it('there is never more than one login at a time, nothing loops, every promise settles, and the next login works', async () => {
    const events = fc.array(fc.constantFrom(...EVENTS), { minLength: 1, maxLength: 25 });
    const timeRuns = fc.infiniteStream(fc.boolean());
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        timeRuns,
        faults,
        events,
        async (order, time, going, chosen) => {
          const happening = [...chosen, 'request']; // waits for a login that an aborted call has started
          const story = new Story(order, time, going);
          await story.run(happening);

          expect(story.server.mostLoginsAtOnce).toBeLessThanOrEqual(1);
          const payments = happening.filter((event) => event === 'pay').length;
          expect(story.server.seen.length).toBeLessThanOrEqual(
            (happening.length - payments) * CALLS_PER_EVENT + payments * CALLS_PER_PAYMENT,
          );
          expect(story.phone.calls['login'] ?? 0).toBeLessThanOrEqual(
            (happening.length + payments) * 4,
          );
          await expect(story.end()).resolves.toMatchObject({ path: '/me' });
        },
      ),
      { numRuns: 1000 },
    );
  });
});
