import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import type { TcpFault } from '../support/tcp-proxy.js';
import { Instance, killInstances } from './instance.js';
import { isFull, Lag, load } from './rows.js';
import { any } from './team.js';

/** The duration: an hour before a release, else a few seconds. `SOAK_MINUTES` overrides it. */
const MINUTES = Number(process.env['SOAK_MINUTES'] ?? (isFull ? 60 : 0.05));
const CLIENTS = 20;
const INSTANCES = isFull ? 4 : 2;
/** The longest pause of a client between two requests. Without pauses the other rows would get no CPU time. */
const THINKING = isFull ? 200 : 20;
/** Not measured, because a process grows in its first minutes: code is compiled, and the heap reaches its size. */
const WARM_UP = Math.min(10, MINUTES / 2);
const LONG_ENOUGH_FOR_MEMORY = 10;
/** The limit of memory growth, in MB per minute and process. */
const SLOPE = 1;

const LATEST = { guard: 300, http: 50, login: 6_000 };
/** Client and proxy run in this process, so a request and its response wait for the same event loop this many times. */
const HOPS = 4;
const LOGIN = '/sns/jscode2session';

const NETWORK: TcpFault[] = [
  { kind: 'blackhole' },
  { kind: 'reset' },
  { kind: 'close' },
  { kind: 'slicer' },
  { kind: 'garbage' },
  { kind: 'dropReply' },
  { kind: 'delay', ms: 200 },
  { kind: 'delay', ms: 2_000 },
];
const WECHAT: Fault[] = [
  { status: 502 },
  { errcode: -1 },
  { errcode: 45011 },
  { hang: true },
  { reset: 'after-work' },
  { body: '<html>' },
  { delay: '300ms' },
];
/** Error codes that a client may get during faults. All others are violations. */
const ALLOWED_ERRORS = [
  'ERR_STORE_UNAVAILABLE',
  'ERR_WECHAT_UNAVAILABLE',
  'ERR_WECHAT_RESPONSE',
  'ERR_WECHAT_RATE_LIMIT',
];

/** A response of an instance. */
interface AppResponse {
  status: number;
  body: { openid?: string; session_rd?: string; error?: string };
  late: number;
}

/** A client with its own user. It checks each response against the earlier ones and records violations. */
class Client {
  readonly violations: string[] = [];
  responses = 0;
  private token?: string;
  private readonly ended: string[] = [];

  constructor(
    private readonly user: SandboxUser,
    private readonly instances: Instance[],
  ) {}

  async act(): Promise<void> {
    if (!this.token) return this.login();
    const acts = ['enter', 'enter', 'enter', 'refresh', 'haunt', 'leave', 'login'] as const;
    await this[any(acts)]();
  }

  async login(): Promise<void> {
    const { code } = await this.user.login();
    const response = await this.ask(LATEST.login, (instance) => instance.login(code));
    if (this.isExcused('login', response)) return;
    this.token = response.body.session_rd;
  }

  async enter(): Promise<number> {
    const { status, body } = await this.ask(LATEST.guard, (instance) =>
      instance.as(this.token!, '/me'),
    );
    if (status === 200 && body.openid !== this.user.openid())
      this.violations.push(`I1 ${body.openid}`);
    if (status !== 200 && status !== 503)
      this.violations.push(`I2 ${status} for a session that was not ended`);
    return status;
  }

  /** Retries a refresh at once when its response is lost, as the client library does. */
  private async refresh(): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      const response = await this.ask(LATEST.login, (instance) =>
        instance.post('/refresh', this.token!),
      );
      if (!this.isExcused('refresh', response)) return void (this.token = response.body.session_rd);
      await sleep(50);
    }
    this.token = undefined;
  }

  private async leave(): Promise<void> {
    const token = this.token!;
    this.token = undefined;
    const response = await this.ask(LATEST.login, (instance) => instance.post('/logout', token));
    if (!this.isExcused('logout', response)) this.ended.push(token);
  }

  private async haunt(): Promise<void> {
    const token = this.ended.at(-1);
    if (!token) return;
    const { status } = await this.ask(LATEST.guard, (instance) => instance.as(token, '/me'));
    if (status !== 401 && status !== 503) this.violations.push(`I1 ${status} after a logout`);
  }

  private async ask(
    latest: number,
    request: (instance: Instance) => Promise<Response>,
  ): Promise<AppResponse> {
    const lag = new Lag();
    const startedAt = performance.now();
    const response = await request(any(this.instances));
    const text = await response.text();
    const allowed =
      latest + LATEST.http + HOPS * lag.end() + 2 * Number(response.headers.get('x-lag'));
    const late = performance.now() - startedAt - allowed;
    this.responses++;
    if (late > 0)
      this.violations.push(`I3 ${response.url} came ${late} ms late: ${response.status}`);
    if (response.status >= 400 && text.includes('srd_')) this.violations.push(`I4 ${response.url}`);
    return {
      status: response.status,
      body: text === '' ? {} : (JSON.parse(text) as AppResponse['body']),
      late,
    };
  }

  private isExcused(what: string, { status, body }: AppResponse): boolean {
    if (status < 400) return false;
    if (!ALLOWED_ERRORS.includes(body.error ?? ''))
      this.violations.push(`I2 ${what}: ${status} ${body.error}`);
    return true;
  }
}

interface Sample {
  minute: number;
  mb: number;
}

/** Returns MB per minute, by least squares. */
function slopeOf(samples: Sample[]): number {
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, each) => sum + of(each), 0) / samples.length;
  const [minute, mb] = [mean((each) => each.minute), mean((each) => each.mb)];
  return (
    mean((each) => (each.minute - minute) * (each.mb - mb)) /
    mean((each) => (each.minute - minute) ** 2)
  );
}

/** The memory of a process over time. */
class Memory {
  private readonly startedAt = performance.now();
  private readonly samples: Sample[] = [];

  constructor(private readonly instance: Instance) {}

  async sample(): Promise<void> {
    this.samples.push({
      minute: (performance.now() - this.startedAt) / 60_000,
      mb: (await this.instance.rss()) / 1e6,
    });
  }

  /** Returns the growth in MB per minute after the warm-up. */
  slope(): number {
    return slopeOf(this.samples.filter(({ minute }) => minute > WARM_UP));
  }
}

it('control: detects a leak of 2 MB a minute in a heap that rises and falls', () => {
  const sawtooth = Array.from({ length: 300 }, (_, i) => ({ minute: i / 6, mb: 120 + (i % 20) }));
  const leak = sawtooth.map(({ minute, mb }) => ({ minute, mb: mb + 2 * minute }));
  expect([slopeOf(sawtooth) < SLOPE, slopeOf(leak) > SLOPE]).toEqual([true, true]);
});

describeRedis('four processes, while Redis, the network and WeChat fail at random,', () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let wechat: WechatSandbox;
  let instances: Instance[];

  beforeAll(async () => {
    Logger.overrideLogger(false);
    [redis, wechat] = await Promise.all([
      TestRedis.start(),
      startWechatSandbox({ quotas: { [LOGIN]: { perDay: 1e9, perMinute: 1e9 } } }),
    ]);
    proxy = await TcpProxy.start(redis.port);
    instances = await Promise.all(
      Array.from({ length: INSTANCES }, () => Instance.start(wechat, proxy)),
    );
  });
  afterAll(async () => {
    killInstances();
    await wechat.close();
    await proxy.close();
    await redis.end();
  });

  const fail = async (): Promise<void> => {
    const kind = any(['network', 'wechat', 'freeze'] as const);
    if (kind === 'network') proxy.always(any(NETWORK));
    if (kind === 'wechat') wechat.always(LOGIN, any(WECHAT));
    if (kind === 'freeze') redis.freeze();
    await sleep(isFull ? 1_000 + Math.random() * 3_000 : 300);
    redis.thaw();
    proxy.pass();
    wechat.clear();
  };

  it(
    `D2 never mix up users, keep logouts, do not leak memory, and work again afterwards, ${MINUTES} minutes`,
    async () => {
      const clients = Array.from(
        { length: CLIENTS },
        () => new Client(wechat.users.create(), instances),
      );
      const memories = instances.map((instance) => new Memory(instance));
      const idle = [...clients];
      const traffic = load(CLIENTS, async () => {
        const client = idle.shift()!; // a client sends one request at a time; there are as many callers as clients
        await client.act();
        await sleep(Math.random() * THINKING);
        idle.push(client);
      });
      for (const endsAt = performance.now() + MINUTES * 60_000; performance.now() < endsAt;) {
        await fail();
        await sleep(isFull ? 4_000 + Math.random() * 8_000 : 200);
        await Promise.all(memories.map((memory) => memory.sample()));
      }
      await traffic.stop();
      expect(clients.flatMap(({ violations }) => violations)).toEqual([]);
      await Promise.all(clients.map(async (client) => {
        await client.login();
        await until(async () => (await client.enter()) === 200);
      })); // prettier-ignore
      expect(clients.flatMap(({ violations }) => violations)).toEqual([]);
      expect(clients.reduce((sum, { responses }) => sum + responses, 0)).toBeGreaterThan(100);
      expect(instances.map(({ isRunning }) => isRunning)).toEqual(instances.map(() => true));
      expectLittleGrowth(memories.map((memory) => memory.slope()));
    },
    MINUTES * 60_000 + 60_000,
  );
});

function expectLittleGrowth(slopes: number[]): void {
  if (isFull)
    process.stderr.write(
      `\nD2: memory of each process after ${WARM_UP} minutes, in MB per minute: ${slopes.map((slope) => slope.toFixed(2)).join(', ')}\n`,
    );
  if (MINUTES >= LONG_ENOUGH_FOR_MEMORY) expect(Math.max(...slopes)).toBeLessThan(SLOPE);
}
