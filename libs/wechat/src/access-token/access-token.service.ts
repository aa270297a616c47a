import { Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { accessTokenChannel, traced } from '../diagnostics.js';
import { PlatformClient } from '../platform/platform.client.js';
import { SingleFlight } from '../single-flight.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import {
  StoreUnavailableError,
  WechatResponseError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import type { WechatApp } from '../wechat.options.js';
import { AccessTokenRepository } from './access-token.repository.js';
import { fetchAccessToken } from './fetch-access-token.js';
import type { AccessToken, AccessTokenMode } from './fetch-access-token.js';

const SECOND_MS = 1000;
/** WeChat renews a token five minutes before it expires, and both tokens work from then on. */
const REFRESH_BEFORE_MS = 295 * SECOND_MS;
/** Each instance subtracts a random part of this time, so that instances do not refresh at the same moment. */
const REFRESH_JITTER_MS = 50 * SECOND_MS;
/** A token that expires sooner is not used: it could expire during the call. */
const MIN_TTL_MS = 30 * SECOND_MS;
/** The time between two background refreshes of an app. */
const BACKGROUND_INTERVAL_MS = 5 * SECOND_MS;
/** Longer than a fetch can take. The lock of a process that was killed expires after this time. */
const LOCK_TTL_MS = 8 * SECOND_MS;
const LOCK_POLL_MS = 50;
const LOCK_MAX_WAIT_MS = 3 * SECOND_MS;
/** WeChat allows 20 forced refreshes a day, 30 seconds apart. This library uses half of them and leaves the rest to the operator. */
const FORCED_INTERVAL_MS = 30 * SECOND_MS;
const MAX_FORCED_PER_DAY = 10;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;
/** A caller whose token was refused can join a fetch that started before the refusal, and get the refused token again. */
const MAX_JOINED_FETCHES = 3;

/**
 * Returns the access token of a mini program. All callers and all instances share one token. It is cached in memory and
 * refreshed in the background before it expires. A failed refresh does not remove a token that is still valid.
 *
 * @example
 * ```ts
 * const token = await accessTokens.get();      // WechatApiClient calls this for you
 * ```
 */
@Injectable()
export class AccessTokenService implements BeforeApplicationShutdown {
  private readonly logger = new Logger('WechatAccessToken');
  private readonly tokens = new Map<string, AccessToken>();
  private readonly fetches = new SingleFlight<AccessToken>();
  private readonly triedAt = new Map<string, number>();
  private readonly refreshBeforeMs = REFRESH_BEFORE_MS - Math.random() * REFRESH_JITTER_MS;

  /** @internal */
  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly apps: WechatApps,
    private readonly platform: PlatformClient,
    private readonly store: WechatStore,
    private readonly clock: WechatClock,
    private readonly repository: AccessTokenRepository,
  ) {}

  /**
   * Returns the current access token.
   * @param appId a mini program. Default: the first one
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
   * @throws WechatAppError, WechatConfigError, WechatRateLimitError, WechatUnavailableError, WechatResponseError, StoreUnavailableError
   */
  async get(appId?: string): Promise<string> {
    const app = await this.apps.require('mini-program', appId);
    const known = this.knownOf(app);
    if (!known || this.ttlMs(known) <= MIN_TTL_MS)
      return (await this.fetchShared(app, this.requirement())).token;
    if (this.ttlMs(known) <= this.refreshBeforeMs) this.refreshInBackground(app);
    return known.token;
  }

  /**
   * Returns a token after WeChat refused one. If another caller or instance has fetched a newer token, it returns that token.
   * Otherwise it fetches one.
   * @param appId a mini program
   * @param refused the token that WeChat refused
   * @throws WechatResponseError also if WeChat returns the refused token again and no forced refresh is left; what `get` throws
   */
  async renew(appId: string, refused: string): Promise<string> {
    const app = await this.apps.require('mini-program', appId);
    const known = this.knownOf(app);
    if (known && known.token !== refused) return known.token;
    return (await this.fetchShared(app, this.requirement({ refused }))).token;
  }

  /** Waits for running fetches while the store is still open, because their locks would delay other instances. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.fetches.settled();
  }

  /** The fields hold access tokens and app secrets. */
  [inspect.custom](): string {
    return 'AccessTokenService {}';
  }

  toJSON(): object {
    return {};
  }

  private requirement(more: Partial<Requirement> = {}): Requirement {
    return { minTtlMs: MIN_TTL_MS, deadline: this.platform.deadline(), ...more };
  }

  /** A token that was fetched with another secret is dropped. */
  private knownOf(app: WechatApp): AccessToken | undefined {
    const known = this.tokens.get(app.appId);
    return known?.version === this.apps.versionOf(app) ? known : undefined;
  }

  private ttlMs({ expiresAt }: AccessToken): number {
    return expiresAt - this.clock.now();
  }

  private refreshInBackground(app: WechatApp): void {
    const now = this.clock.now();
    if (now - (this.triedAt.get(app.appId) ?? 0) < BACKGROUND_INTERVAL_MS) return;
    this.triedAt.set(app.appId, now);
    this.fetchShared(app, this.requirement({ minTtlMs: this.refreshBeforeMs })).catch(
      (error: Error) =>
        this.logger.warn(
          `The access token is still valid, but its refresh failed: ${error.message}`,
        ),
    );
  }

  /** Runs one fetch at a time per app. A caller that gets its refused token from a fetch that it joined joins or starts the next one. */
  private async fetchShared(app: WechatApp, requirement: Requirement): Promise<AccessToken> {
    for (let joined = 1; ; joined++) {
      const key = `${app.appId} ${this.apps.versionOf(app) ?? ''}`;
      const token = await this.fetches.run(key, async () => {
        const fetched = await this.fetchOnce(app, requirement);
        this.tokens.set(app.appId, fetched);
        return fetched;
      });
      if (token.token !== requirement.refused || joined === MAX_JOINED_FETCHES) return token;
    }
  }

  /** Returns the token that another instance has stored, or takes the lock and fetches one. */
  private async fetchOnce(app: WechatApp, requirement: Requirement): Promise<AccessToken> {
    const lock = { key: KEY_PREFIX.accessTokenLock + app.appId, owner: randomBytes(16) };
    const startedAt = performance.now();
    try {
      while (performance.now() - startedAt < LOCK_MAX_WAIT_MS) {
        const stored = await this.findStored(app);
        if (stored && this.satisfies(stored, requirement)) return stored;
        if (await this.store.add(lock.key, lock.owner, LOCK_TTL_MS))
          return await this.fetchLocked(app, requirement, lock);
        await sleep(LOCK_POLL_MS);
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      this.requireStableMode(error);
      return this.fetch(app, requirement);
    }
    this.requireStableMode(
      new WechatUnavailableError(
        'Another instance holds the lock for fetching the access token for too long.',
      ),
    );
    return this.fetchAndStore(app, requirement, await this.findStored(app));
  }

  /**
   * Allows a fetch without the lock in stable mode only. Two instances that fetch a stable token get the same token, but a
   * second legacy token invalidates the first.
   * @throws `otherwise` in legacy mode
   */
  private requireStableMode(otherwise: Error): void {
    if (this.options.api.accessTokenMode !== 'stable') throw otherwise;
  }

  private async fetchLocked(
    app: WechatApp,
    requirement: Requirement,
    lock: { key: string; owner: Buffer },
  ): Promise<AccessToken> {
    try {
      const before = await this.findStored(app);
      return before && this.satisfies(before, requirement)
        ? before
        : await this.fetchAndStore(app, requirement, before);
    } finally {
      await this.store.remove(lock.key, lock.owner).catch(() => undefined); // the lock expires anyway
    }
  }

  private satisfies(token: AccessToken, { refused, minTtlMs }: Requirement): boolean {
    return token.token !== refused && this.ttlMs(token) > minTtlMs;
  }

  /**
   * Fetches a token and stores it, unless another instance has stored a token meanwhile that expires later. So an instance
   * that was paused until its lock expired does not overwrite a newer token.
   * @param before the record when the fetch started
   * @returns the token in the store
   */
  private async fetchAndStore(
    app: WechatApp,
    requirement: Requirement,
    before: AccessToken | undefined,
  ): Promise<AccessToken> {
    const fetched = await this.fetch(app, requirement);
    const stored = await this.repository.update(app.appId, (current) => {
      const isNew =
        current &&
        current.version === fetched.version &&
        !isSame(current, before) &&
        current.token !== requirement.refused;
      return isNew && current.expiresAt >= fetched.expiresAt ? current : fetched;
    });
    return stored?.record ?? fetched;
  }

  private async fetch(app: WechatApp, { refused, deadline }: Requirement): Promise<AccessToken> {
    const fetched = await this.fetchAs(this.options.api.accessTokenMode, app, deadline);
    if (fetched.token !== refused) return fetched;
    await this.countForcedRefresh(app);
    return this.fetchAs('forced', app, deadline);
  }

  private async fetchAs(
    mode: AccessTokenMode,
    app: WechatApp,
    deadline: number,
  ): Promise<AccessToken> {
    const fetched = await traced(accessTokenChannel, { mode }, () =>
      fetchAccessToken(this.platform, app, mode, this.clock.now(), deadline),
    );
    const version = this.apps.versionOf(app);
    return version === undefined ? fetched : { ...fetched, version };
  }

  private async countForcedRefresh({ appId }: WechatApp): Promise<void> {
    const recent = await this.store.count(KEY_PREFIX.forcedRefresh + appId, 1, FORCED_INTERVAL_MS);
    const today =
      recent.count === 1
        ? await this.store.count(KEY_PREFIX.forcedRefreshesToday + appId, 1, DAY_MS)
        : undefined;
    if (!today || today.count > MAX_FORCED_PER_DAY) {
      this.tokens.delete(appId);
      throw new WechatResponseError(
        'WeChat refuses the access token that it returns, and the limit of forced refreshes is reached.',
      );
    }
  }

  private async findStored(app: WechatApp): Promise<AccessToken | undefined> {
    const stored = (await this.repository.get(app.appId))?.record;
    return stored?.version === this.apps.versionOf(app) ? stored : undefined;
  }
}

/** The token that a caller needs: not the refused token, and valid for at least `minTtlMs`. */
interface Requirement {
  minTtlMs: number;
  refused?: string;
  /** When the fetch fails, by `performance.now()`. The wait for another instance counts. */
  deadline: number;
}

function isSame(one: AccessToken, other: AccessToken | undefined): boolean {
  return one.token === other?.token && one.expiresAt === other.expiresAt;
}
