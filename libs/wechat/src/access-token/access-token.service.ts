import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Keyring } from '../crypto/keyring.js';
import { sealJson, unsealJson } from '../crypto/sealed-json.js';
import { PlatformClient } from '../platform/platform.client.js';
import { accessTokenChannel, traced } from '../diagnostics.js';
import { WechatStore } from '../store/wechat.store.js';
import { WechatClock } from '../wechat.clock.js';
import {
  StoreUnavailableError,
  WechatResponseError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import type { WechatApp } from '../wechat.options.js';
import { fetchAccessToken } from './fetch-access-token.js';
import type { AccessToken, AccessTokenMode } from './fetch-access-token.js';

const SECOND = 1000;
/** WeChat renews a token five minutes before its end and lets both work from then on. */
const SOFT_EXPIRY = 295 * SECOND;
/** Instances ask at different moments of that window. */
const SOFT_SPREAD = 50 * SECOND;
/** A call that starts with less than this left could be refused half-way. */
const HARD_EXPIRY = 30 * SECOND;
/** In the window a background refresh is tried this often. */
const BACKGROUND_EVERY = 5 * SECOND;
/** Longer than a fetch may take; a holder that died is waited for no longer than this. */
const LOCK_TTL = 8 * SECOND;
const LOCK_POLL = 50;
const LOCK_PATIENCE = 3 * SECOND;
/** WeChat allows 20 forced refreshes a day, 30 seconds apart; half of them stay for the operator. */
const FORCED_APART = 30 * SECOND;
const FORCED_A_DAY = 10;
const DAY = 24 * 60 * 60 * SECOND;

/**
 * The access token of a mini program: one for all callers and all instances. It is served from memory, refreshed in the
 * background while the old one still works, and never erased because a refresh failed.
 *
 * @example
 * ```ts
 * const token = await accessTokens.get();      // WechatApiClient adds it for you
 * ```
 */
@Injectable()
export class AccessTokenService implements BeforeApplicationShutdown {
  private readonly logger = new Logger('WechatAccessToken');
  private readonly tokens = new Map<string, AccessToken>();
  private readonly flights = new Map<string, Promise<AccessToken>>();
  private readonly triedAt = new Map<string, number>();
  private readonly softExpiry = SOFT_EXPIRY - Math.random() * SOFT_SPREAD;

  constructor(
    @Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions,
    @Inject(PlatformClient) private readonly platform: PlatformClient,
    @Inject(WechatStore) private readonly store: WechatStore,
    @Inject(WechatClock) private readonly clock: WechatClock,
    @Inject(Keyring) private readonly keyring: Keyring,
  ) {}

  /**
   * The current access token of a mini program; the first one where no appId is given.
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
   * @throws WechatAppError, WechatConfigError, WechatRateLimitError, WechatUnavailableError, WechatResponseError, StoreUnavailableError
   */
  async get(appId?: string): Promise<string> {
    const app = this.options.app('mini-program', appId);
    const known = this.tokens.get(app.appId);
    if (!known || this.lifeOf(known) <= HARD_EXPIRY)
      return (await this.obtain(app, this.wanted())).token;
    if (this.lifeOf(known) <= this.softExpiry) this.refreshInBackground(app);
    return known.token;
  }

  /**
   * The token to use after WeChat refused `refused`: somebody else's newer one if there is one, else a fresh one.
   * @throws WechatResponseError if WeChat keeps handing out the refused token and no forced refresh is left
   */
  async renew(appId: string, refused: string): Promise<string> {
    const app = this.options.app('mini-program', appId);
    const known = this.tokens.get(appId);
    if (known && known.token !== refused) return known.token;
    return (await this.obtain(app, this.wanted({ refused }))).token;
  }

  /** A fetch that no request waits for is finished all the same, while the store is still open: its lock would hold up the others. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.allSettled(this.flights.values());
  }

  private wanted(more: Partial<WantedToken> = {}): WantedToken {
    return { minLife: HARD_EXPIRY, deadline: this.platform.deadline(), ...more };
  }

  private lifeOf({ expiresAt }: AccessToken): number {
    return expiresAt - this.clock.now();
  }

  private refreshInBackground(app: WechatApp): void {
    const now = this.clock.now();
    if (now - (this.triedAt.get(app.appId) ?? 0) < BACKGROUND_EVERY) return;
    this.triedAt.set(app.appId, now);
    this.obtain(app, this.wanted({ minLife: this.softExpiry })).catch((error: Error) =>
      this.logger.warn(`The access token still works, but its refresh failed: ${error.message}`),
    );
  }

  /** One flight per app. Whoever joins one that brings the refused token starts the next. */
  private async obtain(app: WechatApp, wanted: WantedToken): Promise<AccessToken> {
    const flying = this.flights.get(app.appId);
    if (flying) {
      const token = await flying;
      return token.token === wanted.refused ? this.obtain(app, wanted) : token;
    }
    const flight = this.obtainShared(app, wanted).finally(() => this.flights.delete(app.appId));
    this.flights.set(app.appId, flight);
    const token = await flight;
    this.tokens.set(app.appId, token);
    return token;
  }

  /** What another instance has stored, or a fresh one, fetched by whichever instance holds the lock. */
  private async obtainShared(app: WechatApp, wanted: WantedToken): Promise<AccessToken> {
    const lock = { key: `wx:lock:at:${app.appId}`, owner: randomBytes(16) };
    try {
      for (
        const started = performance.now();
        performance.now() - started < LOCK_PATIENCE;
        await sleep(LOCK_POLL)
      ) {
        const { token } = await this.stored(app);
        if (token && this.satisfies(token, wanted)) return token;
        if (await this.store.add(lock.key, lock.owner, LOCK_TTL))
          return await this.fetchLocked(app, wanted, lock);
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      this.requireStable(error);
      return this.fetch(app, wanted);
    }
    this.requireStable(
      new WechatUnavailableError(
        'Another instance is fetching the access token and does not finish.',
      ),
    );
    return this.fetchAndStore(app, wanted, await this.stored(app));
  }

  /** Two instances that fetch a stable token get the same one; two that fetch a legacy token take it from each other. */
  private requireStable(otherwise: Error): void {
    if (this.options.api.accessTokenMode !== 'stable') throw otherwise;
  }

  private async fetchLocked(
    app: WechatApp,
    wanted: WantedToken,
    lock: { key: string; owner: Buffer },
  ): Promise<AccessToken> {
    try {
      const before = await this.stored(app);
      return before.token && this.satisfies(before.token, wanted)
        ? before.token
        : await this.fetchAndStore(app, wanted, before);
    } finally {
      await this.store.remove(lock.key, lock.owner).catch(() => undefined); // it runs out by itself
    }
  }

  private satisfies(token: AccessToken, { refused, minLife }: WantedToken): boolean {
    return token.token !== refused && this.lifeOf(token) > minLife;
  }

  /**
   * Stores only over what was there before, or over what is older: an instance that slept through its lock does not overwrite a
   * newer token, and its answer does not keep a newer one out. What was asked for later lasts longer.
   */
  private async fetchAndStore(
    app: WechatApp,
    wanted: WantedToken,
    before: StoredToken,
  ): Promise<AccessToken> {
    const fetched = await this.fetch(app, wanted);
    if (await this.put(app, fetched, before)) return fetched;
    const other = await this.stored(app);
    if (
      other.token &&
      other.token.token !== wanted.refused &&
      other.token.expiresAt >= fetched.expiresAt
    )
      return other.token;
    await this.put(app, fetched, other);
    return fetched;
  }

  private put(
    app: WechatApp,
    token: AccessToken,
    { sealed: before }: StoredToken,
  ): Promise<boolean> {
    const sealed = sealJson(this.keyring, app.appId, keyOf(app), token);
    const ttl = Math.max(1, this.lifeOf(token));
    return before
      ? this.store.replace(keyOf(app), before, sealed, ttl)
      : this.store.add(keyOf(app), sealed, ttl);
  }

  private async fetch(app: WechatApp, { refused, deadline }: WantedToken): Promise<AccessToken> {
    const fetched = await this.fetchAs(this.options.api.accessTokenMode, app, deadline);
    if (fetched.token !== refused) return fetched;
    await this.spendForcedRefresh(app);
    return this.fetchAs('forced', app, deadline);
  }

  private fetchAs(mode: AccessTokenMode, app: WechatApp, deadline: number): Promise<AccessToken> {
    return traced(accessTokenChannel, { mode }, () =>
      fetchAccessToken(this.platform, app, mode, this.clock.now(), deadline),
    );
  }

  private async spendForcedRefresh({ appId }: WechatApp): Promise<void> {
    const recent = await this.store.count(`wx:force:${appId}`, 1, FORCED_APART);
    const today =
      recent.count === 1 ? await this.store.count(`wx:forced:${appId}`, 1, DAY) : undefined;
    if (!today || today.count > FORCED_A_DAY) {
      this.tokens.delete(appId);
      throw new WechatResponseError(
        'WeChat refuses the access token that it hands out, and no forced refresh is left for now.',
      );
    }
  }

  private async stored(app: WechatApp): Promise<StoredToken> {
    const sealed = await this.store.get(keyOf(app));
    return { sealed, token: unsealJson<AccessToken>(this.keyring, keyOf(app), sealed) };
  }
}

/** What a caller can use: not the token that WeChat refused, and with some life left. */
interface WantedToken {
  minLife: number;
  refused?: string;
  /** When to give up, the wait for another instance included. */
  deadline: number;
}

interface StoredToken {
  sealed?: Buffer;
  token?: AccessToken;
}

function keyOf({ appId }: WechatApp): string {
  return `wx:at:${appId}`;
}
