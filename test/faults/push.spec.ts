import { Logger } from '@nestjs/common';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { RedisStore } from '../../libs/wechat/src/store/redis/redis.store.js';
import { Canaries } from '../security/canaries.js';
import { CountingStore } from '../support/counting-store.js';
import { observe } from '../support/observed.js';
import { pushOptions, startPushApp, startPushServices } from '../support/push-app.js';
import type { PushApp, PushServices } from '../support/push-app.js';
import { decrypt, PUSH, securePush, textMessage } from '../support/push-messages.js';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { isFull, often, trials } from './rows.js';

const PAIRS = isFull ? 1_000 : 20;
const FAILURES = isFull ? 100 : 3;
const WORKERS = join(__dirname, 'workers');

beforeAll(() => Logger.overrideLogger(false));

describeRedis('pushes on two instances', () => {
  let redis: TestRedis;
  let stores: RedisStore[];
  let instances: PushServices[];
  const children = new Set<ChildProcess>();

  beforeAll(async () => {
    redis = await TestRedis.start();
    stores = await Promise.all([1, 2].map(() => RedisStore.open({ url: redis.url })));
    instances = await Promise.all(
      stores.map((store) => startPushServices(pushOptions(undefined, { store }))),
    );
  });
  beforeEach(() => {
    for (const { received } of instances) {
      received.messages.length = 0;
      received.handle = () => undefined;
    }
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(instances.map(({ close }) => close()));
    await Promise.all(stores.map((store) => store.close()));
    await redis.end();
  });

  const deliver = (message = securePush(textMessage()), to = instances) =>
    Promise.all(to.map(({ pushes }) => pushes.handle(message)));
  const statuses = async (...args: Parameters<typeof deliver>): Promise<number[]> =>
    (await deliver(...args)).map(({ status }) => status);
  const runs = (): number =>
    instances.reduce((sum, { received }) => sum + received.messages.length, 0);
  const replyIn = ({ body }: { body: string }): unknown =>
    body === 'success'
      ? body
      : JSON.parse(decrypt((JSON.parse(body) as { Encrypt: string }).Encrypt));

  it(`Q2 Q4 runs the handler once if both get the same push at once, and both have its reply${often(PAIRS)}`, async () => {
    let atOnce = 0;
    let most = 0;
    for (const { received } of instances)
      received.handle = async ({ id }) => {
        most = Math.max(most, ++atOnce);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        atOnce--;
        return { reply: id };
      };
    for (let i = 0; i < PAIRS; i++) {
      const message = textMessage();
      const replies = (await deliver(securePush(message))).map(replyIn);
      const reply = { reply: message['MsgId'] };
      expect([replies, runs(), most]).toEqual([[reply, reply], i + 1, 1]);
      // a repeat has another signature, and its reply another encryption
      expect((await deliver(securePush(message))).map(replyIn)).toEqual([reply, reply]);
    }
  });

  it('Q3 tells pushes apart by app, sender, time and MsgId, and events by their content', async () => {
    const text = textMessage({ FromUserName: 'o1' });
    const event = { ...text, MsgType: 'event', Event: 'debug_demo', MsgId: undefined };
    const different = [
      text,
      { ...text, FromUserName: 'o2' },
      { ...text, CreateTime: 1 },
      { ...text, MsgId: '1' },
      event,
      { ...event, Event: 'wxa_media_check' },
      { ...event, debug_str: 'a' },
    ];
    for (const message of [...different, ...different]) await deliver(securePush(message));
    expect(runs()).toBe(different.length);
    await deliver(securePush({ ...text, Content: 'the same MsgId, sender and time' }));
    expect(runs()).toBe(different.length);
  });

  it(`Q5 responds with 500 if the handler throws, and a later delivery runs it on any instance${often(FAILURES)}`, async () => {
    for (let i = 0; i < FAILURES; i++) {
      const message = securePush(textMessage());
      for (const { received } of instances)
        received.handle = () => Promise.reject(new Error('the database is gone'));
      expect(await statuses(message, [instances[0]!])).toEqual([500]);
      for (const { received } of instances) received.handle = () => undefined;
      expect(await statuses(message, [instances[1]!])).toEqual([200]);
      expect(runs()).toBe(i + 1);
    }
  });

  async function startProcess(handlerMs: number) {
    const options = pushOptions(undefined, { redis: { url: redis.url } });
    const child = fork(
      join(WORKERS, 'push-receiver.ts'),
      [JSON.stringify({ options, handlerMs })],
      {
        execArgv: ['--import', join(WORKERS, 'register.mjs')],
        env: { ...process.env, NO_COLOR: '1' },
        silent: true,
      },
    );
    children.add(child);
    const ran: string[] = [];
    child.on('message', (message: { ran?: string }) => message.ran && ran.push(message.ran));
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    return { child, ran, url };
  }

  it.each(trials(20, 1))(
    'Q1 runs the handler again after kill -9 between its effect and the response: a repeat waits for the claim to expire',
    async () => {
      const { child, ran, url } = await startProcess(60_000);
      const message = securePush(textMessage());
      const query = new URLSearchParams(message.query).toString();
      const lost = fetch(`${url}/wechat/push?${query}`, {
        method: 'POST',
        body: new Uint8Array(message.body),
      }).catch(() => undefined);
      await until(() => ran.length === 1);
      child.kill('SIGKILL');
      await lost;
      expect(await statuses(message)).toEqual([200, 200]); // within 10 s, before WeChat's last delivery ends
      expect(runs()).toBe(1);
      expect(await statuses(message)).toEqual([200, 200]);
      expect(runs()).toBe(1);
    },
  );

  it.each(trials(20, 1))(
    'Q1 runs the handler once over a slow store, and returns 503 without a run over one that is too slow',
    async () => {
      const proxy = await TcpProxy.start(Number(new URL(redis.url).port));
      const store = await RedisStore.open({ url: proxy.url });
      const slow = await startPushServices(pushOptions(undefined, { store }));
      try {
        proxy.always({ kind: 'delay', ms: 50 });
        const both = await statuses(securePush(textMessage()), [slow, instances[0]!]);
        expect([both, runs() + slow.received.messages.length]).toEqual([[200, 200], 1]);
        slow.received.messages.length = 0;
        proxy.always({ kind: 'delay', ms: 2_000 });
        expect(await statuses(securePush(textMessage()), [slow])).toEqual([503]);
        expect(slow.received.messages).toEqual([]);
      } finally {
        await slow.close();
        await proxy.close();
        await store.close();
      }
    },
  );

  it('Q1 is 503 while the store is dead or frozen, and no handler runs', async () => {
    for (const fault of ['SIGSTOP', 'kill'] as const) {
      const message = securePush(textMessage());
      await (fault === 'kill' ? redis.kill() : redis.freeze());
      const startedAt = performance.now();
      expect(await statuses(message)).toEqual([503, 503]);
      expect(performance.now() - startedAt).toBeLessThan(4_500);
      expect(runs()).toBe(0);
      await (fault === 'kill' ? redis.start() : redis.thaw());
      await until(async () => (await statuses(message))[0] === 200);
      expect(runs()).toBe(1);
      for (const { received } of instances) received.messages.length = 0;
    }
  });
});

describe('pushes of the sandbox', () => {
  let wechat: WechatSandbox;
  let app: PushApp;
  const runsOf = (content: string): number =>
    app.received.messages.filter(({ data }) => data['Content'] === content).length;

  beforeAll(async () => {
    wechat = await startWechatSandbox({ apps: [{ appId: PUSH.appId, secret: 's' }] });
    app = await startPushApp();
    const { appId, token, aesKey } = PUSH;
    wechat.configurePush(appId, { url: `${app.url}/wechat/push`, token, aesKey });
  });
  beforeEach(() => (app.received.handle = () => undefined));
  afterEach(() => wechat.clear());
  afterAll(async () => {
    await app.close();
    await wechat.close();
  });

  it.each(trials(20, 1))(
    'Q4 sends nothing while a handler runs: handlers of 3, 6 and 12 s run once, and delivery 1, 2 and 3 gets the reply',
    async (trial) => {
      app.received.handle = async ({ data }) => {
        const [seconds] = String(data['Content']).split(' ');
        await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
        return { seconds };
      };
      const before = wechat.deliveries.length;
      const contents = [3, 6, 12].map((seconds) => `${seconds} s, trial ${trial}`);
      await Promise.all(
        contents.map((Content) => wechat.push(PUSH.appId, { MsgType: 'text', Content })),
      );
      await until(() => wechat.deliveries.slice(before).every(({ done }) => done));
      const attempts = wechat.deliveries.slice(before).map((delivery) => delivery.attempts);
      expect(attempts.map((list) => list.map(({ status }) => status))).toEqual([
        [200],
        [0, 200],
        [0, 0, 200],
      ]);
      expect(attempts.map((list) => list.at(-1)!.reply)).toEqual(
        ['3', '6', '12'].map((seconds) => ({ seconds })),
      );
      expect(contents.map(runsOf)).toEqual([1, 1, 1]);
    },
  );

  it('Q4 responds with 500 to a handler that takes longer than 14 s, and a later delivery joins its run', async () => {
    let finish!: (reply: object) => void;
    app.received.handle = () => new Promise((resolve) => (finish = resolve));
    const message = securePush(textMessage());
    const startedAt = performance.now();
    const late = await app.push(message);
    const seconds = (performance.now() - startedAt) / 1000;
    expect([late.status, await late.text(), seconds > 13.9 && seconds < 17]).toEqual([
      500,
      '',
      true,
    ]);
    const joined = app.push(message);
    await new Promise((resolve) => setTimeout(resolve, 100));
    finish({ late: true });
    const { Encrypt } = (await (await joined).json()) as { Encrypt: string };
    expect(JSON.parse(decrypt(Encrypt))).toEqual({ late: true });
  });

  it(`Q11 handles a verdict of the content check once, whether it comes three times at once, again, or late${often(isFull ? 1_000 : 5)}`, async () => {
    app.received.messages.length = 0;
    const count = isFull ? 1_000 : 5;
    for (let i = 0; i < count; i++) {
      const verdict = {
        Event: 'wxa_media_check',
        trace_id: `trace-${i}`,
        errcode: 0,
        result: { suggest: 'pass', label: 100 },
      };
      wechat.nextDelivery(i % 2 === 0 ? { duplicate: 3 } : { drop: true });
      const { id } = await wechat.push(PUSH.appId, verdict);
      wechat.clock.advance('5s');
      await wechat.settle();
      await wechat.deliverAgain(id);
    }
    const traces = app.received.messages.map(({ data }) => data['trace_id']);
    expect(traces).toEqual(Array.from({ length: count }, (_, i) => `trace-${i}`));
  });
});

it('Q12 shows no token, AES key, openid, message or reply in a log, a span, a metric, an inspected object, or the store', async () => {
  const observed = observe();
  const canaries = new Canaries();
  const values: unknown[] = [];
  class Spied extends CountingStore {
    constructor() {
      super();
      for (const verb of ['add', 'replace'] as const) {
        const write = this[verb] as (...args: unknown[]) => Promise<unknown>;
        Object.assign(this, {
          [verb]: (...args: unknown[]) => {
            values.push(args.map((arg) => (Buffer.isBuffer(arg) ? arg.toString('latin1') : arg)));
            return write.apply(this, args);
          },
        });
      }
    }
  }
  const lines: unknown[] = [];
  const log = (...args: unknown[]): void => void lines.push(args);
  const options = pushOptions(
    { token: PUSH.token, aesKeys: [PUSH.oldKey] },
    { store: new Spied() },
  );
  const services = await startPushServices(options);
  Logger.overrideLogger({ log, error: log, warn: log, debug: log });
  canaries.add('aesKey', PUSH.oldKey);
  canaries.add('openid', 'oCANARYopenid0123456789abcdef');
  canaries.add('message', 'CANARYcontent0123456789');
  canaries.add('reply', 'CANARYreply0123456789');
  const message = (over: object = {}): ReturnType<typeof textMessage> =>
    textMessage({
      FromUserName: 'oCANARYopenid0123456789abcdef',
      Content: 'CANARYcontent0123456789',
      ...over,
    });
  const sealing = { aesKey: PUSH.oldKey };
  services.received.handle = () => ({ Content: 'CANARYreply0123456789' });
  const push = securePush(message(), sealing);
  const bodies = [
    (await services.pushes.handle(push)).body,
    (await services.pushes.handle(push)).body,
  ];
  services.received.handle = () => ['CANARYreply0123456789'];
  await services.pushes.handle(securePush(message(), sealing));
  for (const wrong of [
    { aesKey: PUSH.aesKey },
    { ...sealing, appId: 'wx0' },
    { ...sealing, token: 'x' },
    { ...sealing, age: 9_999 },
  ])
    await services.pushes.handle(securePush(message(), wrong));
  await services.pushes.handle(securePush(message({ MsgType: undefined }), sealing));
  const errors = await Promise.allSettled([services.pushes.open(securePush(message()))]);
  Logger.overrideLogger(false);
  const inspected = [services.pushes, options].map((object) => inspect(object, { depth: 20 }));
  const spans = observed
    .spans()
    .map(({ name, attributes, events, status }) => [name, attributes, events, status]);
  const shown = inspect(
    [lines, errors, inspected[0], values, bodies, spans, await observed.metrics()],
    {
      depth: 20,
      maxStringLength: null,
    },
  );
  expect([lines.length >= 4, values.length > 4, errors[0]!.status]).toEqual([
    true,
    true,
    'rejected',
  ]);
  expect(canaries.in(shown)).toEqual([]);
  expect(shown).not.toContain(`'${PUSH.token}'`);
  expect(canaries.in(`${shown}${inspected[1]}`)).toEqual(['aesKey']); // control: the options as the test wrote them
  await services.close();
  await observed.stop();
});
