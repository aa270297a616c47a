import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import type { Observable } from 'rxjs';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { Keyring } from '../crypto/keyring.js';
import { sessionChannel, Traced } from '../diagnostics.js';
import { parseDuration } from '../duration.js';
import type { Duration } from '../duration.js';
import { PlatformClient } from '../platform/platform.client.js';
import { requireCode } from '../platform/wechat-text.js';
import { SingleFlight } from '../single-flight.js';
import type {
  IssuedSession,
  WechatSession,
  WechatSessionInfo,
  WechatUserKey,
} from '../wechat-session.js';
import { WechatClock } from '../wechat.clock.js';
import {
  StoreUnavailableError,
  WechatBadRequestError,
  WechatSessionError,
} from '../wechat.errors.js';
import { WechatEvents } from '../wechat.events.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import type { WechatApp } from '../wechat.options.js';
import { code2Session } from './code2session.js';
import { isSameRequest, requestHashOf } from './request-id.js';
import { SessionKeyService } from './session-key.service.js';
import { newSecret, TokenFormat } from './session-token.js';
import type { SessionToken } from './session-token.js';
import { SessionWatcher } from './session-watcher.js';
import { SessionRepository } from './session.repository.js';
import type { SessionRecord, StoredSession } from './session.repository.js';
import { UserSessions } from './user-sessions.js';

/**
 * Sessions: login, lookup, refresh, revocation. A session is one record in the store, found by its token. A refresh changes it
 * by one compare-and-set and a revocation removes it, so every later read finds it changed or absent.
 *
 * @example
 * ```ts
 * const { session_rd, expiresIn } = await sessions.login(code);      // the code of wx.login
 * const session = await sessions.find(session_rd);                   // what SessionGuard does
 * await sessions.revokeAll(session);                                 // logged out everywhere
 * ```
 */
@Injectable()
export class SessionService {
  private readonly logins = new SingleFlight<IssuedSession>();
  private readonly tokens: TokenFormat;

  /** @internal */
  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly apps: WechatApps,
    private readonly platform: PlatformClient,
    private readonly clock: WechatClock,
    keyring: Keyring,
    private readonly sessions: SessionRepository,
    private readonly userSessions: UserSessions,
    private readonly sessionKeys: SessionKeyService,
    private readonly events: WechatEvents,
    private readonly watcher: SessionWatcher,
  ) {
    this.tokens = new TokenFormat(keyring, 'srd');
  }

  /**
   * Logs a user in with the code of `wx.login`. Concurrent calls with the same code share one exchange and get the same
   * `session_rd`.
   *
   * @param options
   * @param options.appId the mini program. Default: the first one of the options
   * @param options.replaces a `session_rd` that the client still has, also one that is no longer valid. Its session is revoked
   *   after the login. If the token was replaced and its grace time is over, `reuse` is emitted.
   * @throws WechatBadRequestError, WechatAppError, WechatCodeError, WechatBlockedError, WechatRateLimitError,
   *   WechatUnavailableError, WechatResponseError, WechatConfigError, StoreUnavailableError
   */
  async login(
    code: string,
    { appId, replaces }: { appId?: string; replaces?: string } = {},
  ): Promise<IssuedSession> {
    requireCode(code, 'wx.login');
    const app = await this.apps.require('mini-program', appId);
    const issued = await this.logins.run(`${app.appId} ${code}`, () => this.exchange(app, code));
    if (replaces !== undefined) await this.revoke(replaces);
    return issued;
  }

  /**
   * Finds the session of a `session_rd`. Reads the store once, and not at all if this library did not issue the token.
   * @throws WechatSessionError, StoreUnavailableError
   */
  @Traced(sessionChannel, { operation: 'find' })
  async find(sessionRd: string): Promise<WechatSession> {
    const token = this.tokens.parse(sessionRd) ?? refuse();
    const { id, record } = (await this.sessions.get(token.id)) ?? refuse();
    const now = this.clock.now();
    const { validUntil } = useOf(record, token, now);
    return validUntil > now ? sessionOf(id, record, validUntil) : refuse();
  }

  /**
   * Replaces a `session_rd` by its successor. Guards accept the replaced token until the grace time ends.
   *
   * A client that lost the response repeats the refresh within the grace time and gets the same successor, if it repeats
   * with the same `requestId`. A refresh with a replaced token and another `requestId`, or with a token that was replaced
   * earlier, is reuse: the session is revoked and `reuse` is emitted. If neither the refresh nor its repetition has a
   * `requestId`, a thief with a copy of the token cannot be distinguished from the client during the grace time.
   *
   * @param options
   * @param options.requestId made by the client for this refresh, at random; 1 to 128 printable ASCII characters
   * @throws WechatBadRequestError, WechatSessionError, StoreUnavailableError
   */
  @Traced(sessionChannel, { operation: 'refresh' })
  async refresh(
    sessionRd: string,
    { requestId }: { requestId?: string } = {},
  ): Promise<IssuedSession> {
    const requestHash = requestHashOf(requestId);
    const token = this.tokens.parse(sessionRd) ?? refuse();
    let outcome: 'reused' | 'refreshed' | undefined;
    const stored = await this.sessions.update(token.id, (record = refuse()) => {
      const now = this.clock.now();
      const { use, validUntil } = useOf(record, token, now);
      const isRetry =
        use === 'previous' && isSameRequest(record.previous?.requestHash, requestHash);
      outcome = use === 'current' ? 'refreshed' : isRetry ? undefined : 'reused';
      if (outcome === 'reused') return record;
      if (validUntil <= now) refuse();
      return isRetry ? record : this.refreshed(record, now, requestHash);
    });
    if (!stored) return refuse();
    if (outcome === 'reused') {
      const session = sessionOf(token.id, stored.record, stored.record.expiresAt);
      this.events.emit('reuse', { session });
      await this.sessions.remove(token.id);
      return refuse();
    }
    const issued = this.issue(token, stored);
    if (outcome === 'refreshed') this.events.emit('refresh', { session: issued.session });
    return issued;
  }

  /**
   * Revokes the session that this `session_rd` belongs to, also if the token was replaced or has expired: its owner gives the
   * session up, so any other holder is a thief. If the token was replaced and its grace time is over, `reuse` is emitted.
   * Does nothing if this library did not issue the token.
   * @throws StoreUnavailableError
   */
  async revoke(sessionRd: string): Promise<void> {
    const token = this.tokens.parse(sessionRd);
    if (!token) return;
    const record = (await this.sessions.get(token.id))?.record;
    if (record && useOf(record, token, this.clock.now()).use === 'replaced')
      this.events.emit('reuse', { session: sessionOf(token.id, record, record.expiresAt) });
    // An absent record is removed again: an earlier removal may not have reached the replicas.
    await this.sessions.remove(token.id);
  }

  /**
   * Revokes one session of a user in one app.
   * @param user a session of the user, or `{ appId, openid }`
   * @param id the `id` of the session to revoke, as `list` returns it
   * @throws WechatSessionError if the user has no live session with this id, StoreUnavailableError
   */
  revokeById(user: WechatUserKey, id: string): Promise<void> {
    return this.userSessions.revokeById(user, id);
  }

  /**
   * Revokes all sessions of the same user in the same app except this one.
   * @returns how many of the revoked sessions were live
   * @throws StoreUnavailableError
   */
  revokeOthers(session: WechatSession): Promise<number> {
    return this.userSessions.revokeAll(session, { includingOwn: false });
  }

  /**
   * Revokes all sessions of a user in one app.
   * @param user a session of the user, which is revoked too, or `{ appId, openid }`
   * @returns how many of the revoked sessions were live
   * @throws StoreUnavailableError
   */
  revokeAll(user: WechatUserKey & { id?: string }): Promise<number> {
    return this.userSessions.revokeAll(user, { includingOwn: true });
  }

  /**
   * Lists the live sessions of a user in one app, oldest first.
   * @param user a session of the user, which is marked as `current` in the list, or `{ appId, openid }`
   * @throws StoreUnavailableError
   */
  list(user: WechatUserKey & { id?: string }): Promise<WechatSessionInfo[]> {
    return this.userSessions.list(user);
  }

  /**
   * Finds a session by its id. Its `session_rd` may have expired; the session itself must not have expired or been revoked.
   * Use it for tokens of your own that are valid as long as the session.
   * @throws WechatSessionError if the session was revoked or has expired, StoreUnavailableError
   */
  async findById(id: string): Promise<WechatSession> {
    const { record } = (await this.sessions.get(id)) ?? refuse();
    if (record.loginExpiresAt <= this.clock.now()) throw new WechatSessionError();
    return sessionOf(id, record, record.expiresAt);
  }

  /**
   * Returns an Observable for a connection that outlives its request, such as server-sent events or a WebSocket. It emits once and
   * completes when the session is revoked or expires; a refresh in time keeps it open.
   *
   * A revocation by this instance ends it at once. A revocation by another instance and the expiry end it at the next read of the
   * store. The store is read on subscription and then every `every`. While the store does not respond it stays open.
   *
   * @param options
   * @param options.every time between two reads. Default: '15s'
   * @throws WechatBadRequestError if `every` is not a duration above zero
   * @example
   * ```ts
   * return ticks.pipe(takeUntil(sessions.untilRevoked(session)));      // in a handler with @Sse()
   * ```
   */
  untilRevoked(
    session: WechatSession,
    { every = '15s' }: { every?: Duration } = {},
  ): Observable<void> {
    const everyMs = parseDuration(every);
    if (!everyMs) throw new WechatBadRequestError("every must be a duration such as '15s'");
    return this.watcher.untilRevoked(session, everyMs);
  }

  /**
   * Asks WeChat whether the stored session_key of this user is still valid. If it is not, new open data cannot be decrypted until
   * the mini program calls wx.login again.
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/checkSessionKey.html
   * @throws what WechatApiClient.call throws
   */
  checkSessionKey(session: WechatSession): Promise<boolean> {
    return this.sessionKeys.check(session);
  }

  /**
   * Replaces the session_key of the user at WeChat. The old key is invalid at once. The session stays valid.
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/ResetUserSessionKey.html
   * @throws WechatSessionError if the stored key is not valid any more, and what WechatApiClient.call throws
   */
  resetSessionKey(session: WechatSession): Promise<void> {
    return this.sessionKeys.reset(session);
  }

  /**
   * Writes the session first and lists it second. A session that is not listed yet has not been returned to a client. The user is
   * read while the session is written.
   */
  @Traced(sessionChannel, { operation: 'login' })
  private async exchange(app: WechatApp, code: string): Promise<IssuedSession> {
    const { openid, unionid, sessionKey } = await code2Session(this.platform, app, code);
    const { appId } = app;
    const token = this.tokens.create();
    const now = this.clock.now();
    const loginExpiresAt = now + this.options.session.maxAgeMs;
    const writing = this.write(token.id, {
      appId,
      openid,
      unionid,
      issuedAt: now,
      refreshedAt: now,
      expiresAt: Math.min(now + this.options.session.ttlMs, loginExpiresAt),
      loginExpiresAt,
      secret: token.secret,
    });
    const listed = { id: token.id, issuedAt: now, loginExpiresAt };
    const [stored, first] = await Promise.all([
      writing,
      this.userSessions.add({ appId, openid }, listed, sessionKey, writing),
    ]);
    const issued = this.issue(token, stored);
    this.events.emit('login', { session: issued.session, first });
    return issued;
  }

  private async write(id: string, record: SessionRecord): Promise<StoredSession> {
    const stored = await this.sessions.add(id, record);
    if (!stored) throw new StoreUnavailableError('The store already has a session with a new id.');
    return stored;
  }

  /** Returns the record with a new secret. The current one becomes the previous one. */
  private refreshed(record: SessionRecord, now: number, requestHash?: Buffer): SessionRecord {
    return {
      ...record,
      secret: newSecret(),
      previous: {
        secret: record.secret,
        graceUntil: now + this.options.session.refreshGraceMs,
        ...(requestHash && { requestHash }),
      },
      refreshedAt: now,
      expiresAt: Math.min(now + this.options.session.ttlMs, record.loginExpiresAt),
    };
  }

  /** Returns the current token of a record, whichever token of the session was sent. */
  private issue({ selector }: SessionToken, { id, record, key }: StoredSession): IssuedSession {
    return {
      session_rd: this.tokens.format({ id, selector, secret: record.secret }, key),
      expiresIn: Math.max(0, Math.round((record.expiresAt - this.clock.now()) / 1000)),
      session: sessionOf(id, record, record.expiresAt),
    };
  }
}

function refuse(): never {
  throw new WechatSessionError();
}

/** Which token of its session a token is: the current one, the previous one within its grace time, or an older one. */
interface TokenUse {
  use: 'current' | 'previous' | 'replaced';
  /** When the token expires, in milliseconds since 1970. 0 for a replaced token. */
  validUntil: number;
}

function useOf(
  { secret, previous, expiresAt }: SessionRecord,
  token: SessionToken,
  now: number,
): TokenUse {
  if (timingSafeEqual(token.secret, secret)) return { use: 'current', validUntil: expiresAt };
  if (previous && timingSafeEqual(token.secret, previous.secret) && now < previous.graceUntil)
    return { use: 'previous', validUntil: Math.min(expiresAt, previous.graceUntil) };
  return { use: 'replaced', validUntil: 0 };
}

function sessionOf(
  id: string,
  { appId, openid, unionid, issuedAt, loginExpiresAt }: SessionRecord,
  expiresAt: number,
): WechatSession {
  return {
    id,
    appId,
    openid,
    ...(unionid !== undefined && { unionid }),
    issuedAt: new Date(issuedAt),
    expiresAt: new Date(expiresAt),
    loginExpiresAt: new Date(loginExpiresAt),
  };
}
