import type { Scheduler } from 'fast-check';
import { SessionService, WechatCodeError, WechatEvents, WechatStore } from 'nestjs-wechat';
import { ResolvedWechatOptions } from 'nestjs-wechat';
import type { StoreCount, WechatModuleOptions } from 'nestjs-wechat';
import { WechatApps } from '../../libs/wechat/src/app-registry/wechat-apps.js';
import { Keyring } from '../../libs/wechat/src/crypto/keyring.js';
import type {
  PlatformClient,
  PlatformRequest,
} from '../../libs/wechat/src/platform/platform.client.js';
import { SessionKeyService } from '../../libs/wechat/src/session/session-key.service.js';
import { SessionWatcher } from '../../libs/wechat/src/session/session-watcher.js';
import { SessionRepository } from '../../libs/wechat/src/session/session.repository.js';
import { UserSessions } from '../../libs/wechat/src/session/user-sessions.js';
import { UserRepository } from '../../libs/wechat/src/session/user.repository.js';
import { ProcessClock } from '../../libs/wechat/src/wechat.clock.js';

const NOON = Date.UTC(2026, 0, 1, 12);

/** A store on a `Map`, with a clock that only `advance` moves. */
export class MapStore extends WechatStore {
  readonly entries = new Map<string, { value: Buffer; expiresAt: number }>();
  private time = NOON;

  readonly clock = new ProcessClock(() => this.time);

  advance(ms: number): void {
    this.time += ms;
  }
  /** Runs a verb in one step. Subclasses add delays before and after it. */
  protected do<T>(_verb: string, _key: string, work: () => T): Promise<T> {
    return Promise.resolve(work());
  }
  get(key: string): Promise<Buffer | undefined> {
    return this.do('get', key, () => this.read(key));
  }
  add(key: string, value: Buffer, ttlMs: number): Promise<boolean> {
    return this.do('add', key, () => !this.read(key) && this.write(key, value, ttlMs));
  }
  replace(key: string, expected: Buffer, value: Buffer, ttlMs: number): Promise<boolean> {
    return this.do(
      'replace',
      key,
      () => this.read(key)?.equals(expected) === true && this.write(key, value, ttlMs),
    );
  }
  remove(key: string, expected?: Buffer): Promise<boolean> {
    return this.do('remove', key, () => {
      const value = this.read(key);
      return (
        value !== undefined && (!expected || value.equals(expected)) && this.entries.delete(key)
      );
    });
  }
  take(key: string): Promise<Buffer | undefined> {
    return this.do('take', key, () => {
      const value = this.read(key);
      this.entries.delete(key);
      return value;
    });
  }
  count(key: string, by: number, windowMs: number): Promise<StoreCount> {
    return this.do('count', key, () => {
      const expiresAt = this.read(key) ? this.entries.get(key)!.expiresAt : this.time + windowMs;
      const count = Number(this.read(key) ?? 0) + by;
      this.write(key, Buffer.from(String(count)), expiresAt - this.time);
      return { count, resetsInMs: expiresAt - this.time };
    });
  }

  private read(key: string): Buffer | undefined {
    const entry = this.entries.get(key);
    return entry && entry.expiresAt > this.time ? entry.value : undefined;
  }
  private write(key: string, value: Buffer, ttlMs: number): true {
    this.entries.set(key, { value, expiresAt: this.time + ttlMs });
    return true;
  }
}

/** A store behind a simulated network. fast-check chooses the delay of every request and of every reply. */
export class ScheduledStore extends MapStore {
  constructor(private readonly scheduler: Scheduler) {
    super();
  }

  protected override async do<T>(verb: string, key: string, work: () => T): Promise<T> {
    await this.scheduler.schedule(Promise.resolve(), `${verb} ${key.slice(0, 9)}`);
    const result = work();
    await this.scheduler.schedule(Promise.resolve(), `reply to ${verb}`);
    return result;
  }
}

/** WeChat without HTTP. A code is `<user>-<n>` and can be used once. */
export class BareWechat {
  private readonly used = new Set<string>();
  exchanges = 0;

  client(): PlatformClient {
    return {
      json: (request: PlatformRequest) => Promise.resolve(this.exchange(request)),
    } as unknown as PlatformClient;
  }

  private exchange({ query }: PlatformRequest): Record<string, unknown> {
    const code = query?.['js_code'] ?? '';
    if (this.used.has(code)) throw new WechatCodeError();
    this.used.add(code);
    this.exchanges++;
    return { openid: openidOf(code), session_key: Buffer.alloc(16, code).toString('base64') };
  }
}

export function openidOf(code: string): string {
  return `openid-${code.split('-')[0]}`;
}

export interface BareInstance {
  sessions: SessionService;
  events: WechatEvents;
}

const APPS: WechatModuleOptions['apps'] = [
  { appId: 'wx1234567890abcdef', secret: 'secret-of-the-app', kind: 'mini-program' },
];

/** SessionService without Nest, because a property test creates thousands of them. */
export function bareInstance(
  store: MapStore,
  wechat: BareWechat,
  session: WechatModuleOptions['session'] = {},
): BareInstance {
  const options = new ResolvedWechatOptions({ apps: APPS, session });
  const keyring = new Keyring(options.apps, []);
  const events = new WechatEvents();
  const { clock } = store;
  const apps = new WechatApps(options, clock, undefined as never);
  const repository = new SessionRepository(store, keyring, clock, events, apps);
  const users = new UserRepository(store, keyring, clock);
  const keys = new SessionKeyService(users, clock, undefined as never, events);
  const parts = [
    options,
    apps,
    wechat.client(),
    clock,
    keyring,
    repository,
    new UserSessions(repository, users, clock, options),
    keys,
    events,
    new SessionWatcher(options, clock, repository, events),
  ] as const;
  return { sessions: new SessionService(...parts), events };
}
