import { LRUCache } from 'lru-cache';
import type { Subscription } from 'rxjs';
import { safeCause } from '../error-cause.js';
import { inTime } from '../in-time.js';
import { MinuteLog } from '../minute-log.js';
import { SingleFlight } from '../single-flight.js';
import type { WechatApp, WechatAppKind, WechatAppRegistry } from '../wechat-app.js';
import type { WechatClock } from '../wechat.clock.js';
import { StoreUnavailableError, WechatConfigError } from '../wechat.errors.js';
import { hideApp, problemsOfApp } from '../wechat.options.js';

/** How long a result of the registry is used, from the call on. */
const MAX_AGE_MS = 30_000;
/** How long the registry may take. */
const TIMEOUT_MS = 2_000;
/** Clients choose appIds, so absent apps are kept, too. The oldest results are dropped. */
const MAX_ENTRIES = 10_000;

interface Entry {
  app?: WechatApp;
  /** By `WechatClock`. */
  readAt: number;
}

/** Calls the registry of the application: at most once in 30 seconds for each app, with a deadline. */
export class AppRegistryCache {
  private readonly log = new MinuteLog('WechatApps');
  private readonly entries = new LRUCache<string, Entry>({ max: MAX_ENTRIES });
  private readonly reads = new SingleFlight<WechatApp | undefined>();
  private readonly subscription?: Subscription;
  /** Counts the changes. A result that was read before a change is not kept. */
  private version = 0;

  constructor(
    private readonly registry: WechatAppRegistry,
    private readonly clock: WechatClock,
  ) {
    this.subscription = registry.changes?.subscribe({
      next: (appId) => this.forget(appId),
      error: (error: unknown) =>
        this.log.error(
          `The changes of the app registry ended: ${String(error)}. Changes are found after 30 s.`,
        ),
    });
  }

  /** @throws StoreUnavailableError, WechatConfigError if the registry returns an app that is not valid */
  find(appId: string): Promise<WechatApp | undefined> {
    return this.read(`app ${appId}`, async () => {
      const app = await this.registry.find(appId);
      return app?.appId === appId ? app : undefined;
    });
  }

  /** @throws as `find` */
  default(kind: WechatAppKind): Promise<WechatApp | undefined> {
    return this.read(`default ${kind}`, () => this.registry.default(kind));
  }

  close(): void {
    this.subscription?.unsubscribe();
  }

  /** Any app can have been or become a default. */
  private forget(appId: string): void {
    this.version++;
    this.entries.delete(`app ${appId}`);
    for (const kind of ['mini-program', 'mobile', 'website'])
      this.entries.delete(`default ${kind}`);
  }

  private async read(
    key: string,
    query: () => Promise<WechatApp | undefined>,
  ): Promise<WechatApp | undefined> {
    const readAt = this.clock.now();
    const known = this.entries.get(key);
    if (known && known.readAt <= readAt && readAt - known.readAt < MAX_AGE_MS) return known.app;
    const { version } = this;
    return this.reads.run(`${version} ${key}`, async () => {
      const found = await this.ask(query);
      const app = found && this.valid(found);
      if (version === this.version) this.entries.set(key, { app, readAt });
      return app;
    });
  }

  private valid(app: WechatApp): WechatApp {
    const problems = problemsOfApp(app).map((problem) => `an app of the registry: ${problem}`);
    if (problems.length === 0) return hideApp(app);
    const error = new WechatConfigError(problems);
    this.log.error(error.message);
    throw error;
  }

  private async ask<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await inTime(TIMEOUT_MS, query);
    } catch (error) {
      this.log.error(`The app registry failed: ${String(error)}`);
      throw new StoreUnavailableError('The app registry does not respond.', {
        cause: safeCause(error),
      });
    }
  }
}
