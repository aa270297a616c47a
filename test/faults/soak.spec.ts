import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionService, WechatError } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { Fault, SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { describeRedis, TestRedis, until } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import type { TcpFault } from '../support/tcp-proxy.js';
import { isFull, Lag, load } from './rows.js';
import { any, Connections } from './team.js';

/** An hour before a release, a few seconds otherwise; `SOAK_MINUTES` says how long. */
const MINUTES = Number(process.env['SOAK_MINUTES'] ?? (isFull ? 60 : 0.05));
const CLIENTS = 20;
const MEMBERS = 4;
const LATEST = { guard: 300, http: 50, login: 6_000 };
/** Client, application, proxy and back again are one process here: each of them waits for the same busy event loop. */
const HOPS = 5;
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
/** What a client may be told while things fail; everything else is a violation. */
const EXCUSES = ['ERR_STORE_UNAVAILABLE', 'ERR_WECHAT_UNAVAILABLE', 'ERR_WECHAT_RESPONSE', 'ERR_WECHAT_RATE_LIMIT'];

/** A client with a user of its own. It knows what it was told, and complains of everything that does not fit. */
class Client {
  readonly violations: string[] = [];
  answers = 0;
  private token?: string;
  private readonly ended: string[] = [];

  constructor(
    private readonly user: SandboxUser,
    private readonly apps: TeamApp[],
  ) {}

  async act(): Promise<void> {
    if (!this.token) return this.login();
    const acts = ['enter', 'enter', 'enter', 'refresh', 'haunt', 'leave', 'login'] as const;
    await this[any(acts)]();
  }

  async login(): Promise<void> {
    const { code } = await this.user.login();
    const startedAt = performance.now();
    const issued = await this.excused('login', () => this.sessions().login(code));
    if (performance.now() - startedAt > LATEST.login + LATEST.http) this.violations.push('I3 a login came late');
    if (issued) this.token = issued.session_rd;
  }

  async enter(): Promise<number> {
    const lag = new Lag();
    const startedAt = performance.now();
    const answer = await any(this.apps).as(this.token!, '/me');
    this.answers++;
    const body = (await answer.json()) as { openid?: string };
    const ms = performance.now() - startedAt;
    const late = ms - LATEST.guard - LATEST.http - HOPS * lag.end();
    if (late > 0) this.violations.push(`I3 a guarded request came ${late} ms late: ${answer.status}`);
    if (answer.status === 200 && body.openid !== this.user.openid()) this.violations.push(`I1 ${body.openid}`);
    if (answer.status !== 200 && answer.status !== 503) this.violations.push(`I2 ${answer.status} for a session that nobody has ended`);
    return answer.status;
  }

  /** A lost answer is asked for again at once, as the client library does. */
  private async refresh(): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      const issued = await this.excused('refresh', () => this.sessions().refresh(this.token!));
      if (issued) return void (this.token = issued.session_rd);
      await sleep(50);
    }
    this.token = undefined;
  }

  private async leave(): Promise<void> {
    const token = this.token!;
    this.token = undefined;
    const acknowledged = await this.excused('logout', async () => {
      await this.sessions().end(token);
      return true;
    });
    if (acknowledged) this.ended.push(token);
  }

  private async haunt(): Promise<void> {
    const token = this.ended.at(-1);
    if (!token) return;
    const { status } = await any(this.apps).as(token, '/me');
    this.answers++;
    if (status !== 401 && status !== 503) this.violations.push(`I1 ${status} after a logout`);
  }

  private sessions(): SessionService {
    return any(this.apps).get(SessionService);
  }

  private async excused<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    this.answers++;
    try {
      return await work();
    } catch (error) {
      const known = error instanceof WechatError && EXCUSES.includes(error.code);
      if (!known) this.violations.push(`I2 ${what}: ${String(error)}`);
      if (JSON.stringify(error).includes('srd_')) this.violations.push(`I4 ${what}`);
      return undefined;
    }
  }
}

describeRedis('four instances, while Redis, the network and WeChat fail at random', () => {
  let redis: TestRedis;
  let proxy: TcpProxy;
  let wechat: WechatSandbox;
  let connections: Connections;
  let apps: TeamApp[];
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);

  beforeAll(async () => {
    Logger.overrideLogger(false);
    [redis, wechat] = await Promise.all([TestRedis.start(), startWechatSandbox({ quotas: { [LOGIN]: { perDay: 1e9, perMinute: 1e9 } } })]);
    proxy = await TcpProxy.start(redis.port);
    connections = await Connections.open(proxy.url, wechat, MEMBERS);
    apps = await Promise.all(connections.stores.map((store) => startTeamApp(optionsFor(wechat, { store }))));
    process.on('unhandledRejection', note).on('uncaughtException', note);
  });
  afterAll(async () => {
    process.off('unhandledRejection', note).off('uncaughtException', note);
    await closeTeamApps();
    await connections.close();
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
    'D2 nobody becomes somebody else, nobody comes back after a logout, and all is well once it is over',
    async () => {
      const clients = Array.from({ length: CLIENTS }, () => new Client(wechat.users.create(), apps));
      const idle = [...clients];
      const traffic = load(CLIENTS, async () => {
        const client = idle.shift()!; // a client does one thing at a time, and there are as many callers as clients
        await client.act();
        idle.push(client);
      });
      for (const endsAt = performance.now() + MINUTES * 60_000; performance.now() < endsAt;) {
        await fail();
        await sleep(isFull ? 4_000 + Math.random() * 8_000 : 200);
      }
      await traffic.stop();
      expect(clients.flatMap(({ violations }) => violations)).toEqual([]);
      expect(unhandled).toEqual([]);
      await Promise.all(clients.map(async (client) => {
        await client.login();
        await until(async () => (await client.enter()) === 200);
      })); // prettier-ignore
      expect(clients.flatMap(({ violations }) => violations)).toEqual([]);
      expect(clients.reduce((sum, { answers }) => sum + answers, 0)).toBeGreaterThan(100);
    },
    MINUTES * 60_000 + 30_000,
  );
});
