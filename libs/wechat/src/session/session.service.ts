import { Inject, Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import type { Observable } from 'rxjs';
import { sessionChannel, traced } from '../diagnostics.js';
import { parseDuration } from '../duration.js';
import type { Duration } from '../duration.js';
import { PlatformClient } from '../platform/platform.client.js';
import { SingleFlight } from '../single-flight.js';
import { WechatClock } from '../wechat.clock.js';
import {
  StoreUnavailableError,
  WechatBadRequestError,
  WechatSessionError,
} from '../wechat.errors.js';
import { requireCode } from '../wechat-code.js';
import { WechatEvents } from '../wechat.events.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { code2Session } from './code2session.js';
import type { Code2Session } from './code2session.js';
import { SessionKeys, withSessionKey } from './session-keys.js';
import { hashRequestId } from './session.record.js';
import type { PreviousToken, SessionRecord } from './session.record.js';
import { SessionRecords } from './session-records.js';
import type { StoredSession } from './session-records.js';
import { formatToken, newSecret, newToken } from './session-token.js';
import type { SessionToken } from './session-token.js';
import { SessionTokens } from './session-tokens.js';
import { SessionWatcher } from './session-watcher.js';
import type { UserRecord } from './user.record.js';
import { UserRecords } from './user-records.js';
import type { WechatUserKey } from './user-records.js';
import type { IssuedSession, WechatSession, WechatSessionInfo } from './wechat-session.js';

const MAX_TRIES = 20;
const REQUEST_ID = /^[\x20-\x7e]{1,128}$/;

/**
 * Logins. A login is one record in the store, found by its token: a refresh changes it in one compare-and-set, a logout
 * removes it, and whatever follows finds it changed or gone.
 *
 * @example
 * ```ts
 * const { session_rd, expiresIn } = await sessions.login(code);      // what wx.login gave
 * const session = await sessions.find(session_rd);                   // what SessionGuard does
 * await sessions.revokeAll(session);                                 // logged out everywhere
 * ```
 */
@Injectable()
export class SessionService {
  private readonly exchanges = new SingleFlight<IssuedSession>();

  constructor(
    @Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions,
    @Inject(PlatformClient) private readonly platform: PlatformClient,
    @Inject(WechatClock) private readonly clock: WechatClock,
    @Inject(SessionTokens) private readonly tokens: SessionTokens,
    @Inject(SessionRecords) private readonly records: SessionRecords,
    @Inject(UserRecords) private readonly users: UserRecords,
    @Inject(SessionKeys) private readonly sessionKeys: SessionKeys,
    @Inject(WechatEvents) private readonly events: WechatEvents,
    @Inject(SessionWatcher) private readonly watcher: SessionWatcher,
  ) {}

  /**
   * Logs a user in with the code of `wx.login`. Requests that bring the same code at the same time share one exchange and
   * get the same `session_rd`.
   *
   * @param options.appId which mini program; the first one where it is left out
   * @param options.replaces a `session_rd` that the client still has; it is ended once the new login stands
   * @throws WechatBadRequestError, WechatAppError, WechatCodeError, WechatBlockedError, WechatRateLimitError,
   *   WechatUnavailableError, WechatResponseError, WechatConfigError, StoreUnavailableError
   */
  async login(
    code: string,
    { appId, replaces }: { appId?: string; replaces?: string } = {},
  ): Promise<IssuedSession> {
    requireCode(code, 'wx.login');
    const app = this.options.app('mini-program', appId);
    const issued = await this.exchanges.run(`${app.appId} ${code}`, () =>
      traced(sessionChannel, { operation: 'login' }, () => this.exchange(app.appId, code)),
    );
    if (replaces !== undefined) await this.revoke(replaces);
    return issued;
  }

  /**
   * Whose `session_rd` this is. One read of the store; none for a token that is malformed or not of our making.
   * @throws WechatSessionError, StoreUnavailableError
   */
  find(sessionRd: string): Promise<WechatSession> {
    return traced(sessionChannel, { operation: 'find' }, async () => {
      const token = this.tokens.parse(sessionRd) ?? refuse();
      const { id, record } = (await this.records.get(token.id)) ?? refuse();
      return sessionOf(id, record, this.validUntil(record, token) ?? refuse());
    });
  }

  /**
   * Replaces a `session_rd` by its successor. Guards accept the replaced token until the grace time ends.
   *
   * A client that lost the response repeats the refresh within the grace time and gets the same successor, if it repeats
   * with the same `requestId`. A refresh with a replaced token and another `requestId`, or with a token that was replaced
   * earlier, is reuse: the session is revoked and `reuse` is emitted. If neither the refresh nor its repetition has a
   * `requestId`, a copy of the token cannot be told from the client during the grace time.
   *
   * @param options.requestId made by the client for this refresh, at random; 1 to 128 printable ASCII characters
   * @throws WechatBadRequestError, WechatSessionError, StoreUnavailableError
   */
  refresh(sessionRd: string, { requestId }: { requestId?: string } = {}): Promise<IssuedSession> {
    return traced(sessionChannel, { operation: 'refresh' }, async () => {
      const requestHash = requestHashOf(requestId);
      return this.refreshToken(this.tokens.parse(sessionRd) ?? refuse(), requestHash);
    });
  }

  /**
   * Revokes the session that this `session_rd` belongs to. Does nothing if the token is unknown or no longer valid.
   * @throws StoreUnavailableError
   */
  async revoke(sessionRd: string): Promise<void> {
    const token = this.tokens.parse(sessionRd);
    if (!token) return;
    const stored = await this.records.get(token.id);
    if (!stored || this.validUntil(stored.record, token) !== undefined) await this.remove(token.id); // what is gone may have to be made sure of
  }

  /**
   * Revokes one session of a user in one app.
   * @param user a session of the user, or `{ appId, openid }`
   * @param id the `id` of the session to revoke, as `list` returns it
   * @throws WechatSessionError if the user has no live session with this id, StoreUnavailableError
   */
  async revokeById(user: WechatUserKey, id: string): Promise<void> {
    const record = (await this.users.get(user))?.record;
    const isTheirs = record?.logins.some((login) => login.id === id);
    const live = isTheirs && (await this.info(id));
    if (!isTheirs || !(await this.remove(id)) || !live)
      throw new WechatSessionError('There is no such session.');
  }

  /**
   * Revokes all sessions of the same user in the same app except this one.
   * @returns how many of the revoked sessions were live
   * @throws StoreUnavailableError
   */
  async revokeOthers(session: WechatSession): Promise<number> {
    const record = (await this.users.get(session))?.record;
    const ids = (record?.logins ?? []).map(({ id }) => id).filter((id) => id !== session.id);
    const live = await Promise.all(ids.map((id) => this.info(id)));
    await Promise.all(ids.map((id) => this.remove(id)));
    await this.users.update(session, (now) => withoutLogins(now, ids));
    return live.filter((info) => info !== undefined).length;
  }

  /**
   * Revokes all sessions of a user in one app.
   * @param user a session of the user, which is revoked too, or `{ appId, openid }`
   * @returns how many of the revoked sessions were live
   * @throws StoreUnavailableError
   */
  async revokeAll(user: WechatUserKey & { id?: string }): Promise<number> {
    const record = (await this.users.get(user))?.record;
    const ids = [
      ...new Set([
        ...(user.id === undefined ? [] : [user.id]),
        ...(record?.logins.map(({ id }) => id) ?? []),
      ]),
    ];
    const live = await Promise.all(ids.map((id) => this.info(id)));
    await Promise.all(ids.filter((id) => id !== user.id).map((id) => this.remove(id)));
    if (user.id !== undefined) await this.remove(user.id); // last: who is told that others could not be ended has to come back
    await this.users.update(user, (now) => withoutLogins(now, ids));
    return live.filter((info) => info !== undefined).length;
  }

  /**
   * Lists the live sessions of a user in one app, oldest first.
   * @param user a session of the user, which is marked as `current` in the list, or `{ appId, openid }`
   * @throws StoreUnavailableError
   */
  async list(user: WechatUserKey & { id?: string }): Promise<WechatSessionInfo[]> {
    const record = (await this.users.get(user))?.record;
    const infos = await Promise.all((record?.logins ?? []).map(({ id }) => this.info(id, user.id)));
    return infos.filter((info) => info !== undefined);
  }

  /**
   * Finds a session by its id. Its `session_rd` may have expired; the session itself must not have expired or been revoked.
   * Use it for tokens of your own that are valid as long as the session.
   * @throws WechatSessionError if the session was revoked or has expired, StoreUnavailableError
   */
  async findById(id: string): Promise<WechatSession> {
    const { record } = (await this.records.get(id)) ?? refuse();
    if (record.loginExpiresAt <= this.clock.now()) throw new WechatSessionError();
    return sessionOf(id, record, record.expiresAt);
  }

  /**
   * Returns an Observable for a connection that outlives its request, such as server-sent events or a WebSocket. It emits once and
   * completes when the session is revoked or expires; a refresh in time keeps it open.
   *
   * A revocation by this instance ends it at once. One by another instance, and the expiry, end it at the next look: one read of
   * the store, made on subscription and then every `every`. While the store does not respond it stays open.
   *
   * @param options.every time between two looks; 15 s by default
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
   * Whether WeChat still holds the session_key valid that we keep for this user. If not, open data that is made from now on
   * cannot be decrypted until the mini program calls wx.login again.
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/checkSessionKey.html
   * @throws what WechatApiClient.call throws
   */
  checkSessionKey(session: WechatSession): Promise<boolean> {
    return this.sessionKeys.check(session);
  }

  /**
   * Has WeChat give the user a new session_key; the old one is dead at once. The session itself goes on.
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/ResetUserSessionKey.html
   * @throws WechatSessionError if the key that we keep is not valid any more, and what WechatApiClient.call throws
   */
  resetSessionKey(session: WechatSession): Promise<void> {
    return this.sessionKeys.reset(session);
  }

  private async refreshToken(token: SessionToken, requestHash?: Buffer): Promise<IssuedSession> {
    const { id } = token;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const stored = (await this.records.get(token.id)) ?? refuse();
      const use = useOf(stored.record, token, this.clock.now());
      if (
        use === 'replayed' ||
        (use === 'previous' && !isRepetition(stored.record.previous, requestHash))
      ) {
        this.events.emit('reuse', {
          session: sessionOf(id, stored.record, stored.record.expiresAt),
        });
        await this.remove(id);
        throw new WechatSessionError();
      }
      if (this.validUntil(stored.record, token) === undefined) throw new WechatSessionError();
      if (use === 'previous') return this.issue(token, stored);
      const next = await this.rotate(token, stored, requestHash);
      if (next) return next;
    }
    throw new StoreUnavailableError('A session changed under every attempt to refresh it.');
  }

  private async exchange(appId: string, code: string): Promise<IssuedSession> {
    const user = await code2Session(this.platform, this.options.app('mini-program', appId), code);
    return this.open(appId, user);
  }

  /** The session first, the user's list of logins after it: a session that is not on the list has not been handed out yet. */
  private async open(
    appId: string,
    { openid, unionid, sessionKey }: Code2Session,
  ): Promise<IssuedSession> {
    const token = newToken();
    const { id } = token;
    const now = this.clock.now();
    const loginExpiresAt = now + this.options.session.maxAge;
    const expiresAt = Math.min(now + this.options.session.ttl, loginExpiresAt);
    const times = { issuedAt: now, refreshedAt: now, expiresAt, loginExpiresAt };
    const stored = await this.records.add(id, {
      appId,
      openid,
      unionid,
      ...times,
      secret: token.secret,
    });
    if (!stored)
      throw new StoreUnavailableError('The store holds a new session already; it repeats writes.');
    let first = false;
    await this.users.update({ appId, openid }, async (user) => {
      first = user === undefined;
      const withKey = withSessionKey(user, sessionKey, now, this.clock.now());
      return {
        ...withKey,
        logins: [...(await this.makeRoom(withKey)), { id, issuedAt: now, loginExpiresAt }],
      };
    });
    const issued = this.issue(token, stored);
    this.events.emit('login', { session: issued.session, first });
    return issued;
  }

  private async remove(id: string): Promise<boolean> {
    const removed = await this.records.remove(id);
    if (removed) this.events.emit('end', { id });
    return removed;
  }

  /** The logins that stay when one more comes. Those that have ended go first, then the oldest; nothing unlisted stays alive. */
  private async makeRoom({ logins }: UserRecord): Promise<UserRecord['logins']> {
    const room = this.options.session.maxPerUser - 1;
    const running = logins.filter(({ loginExpiresAt }) => loginExpiresAt > this.clock.now());
    if (running.length <= room) return running;
    const infos = await Promise.all(running.map(({ id }) => this.info(id)));
    const live = running.filter((_, i) => infos[i] !== undefined);
    const staying = live.slice(Math.max(0, live.length - room));
    for (const login of running) if (!staying.includes(login)) await this.remove(login.id);
    return staying;
  }

  private async rotate(
    token: SessionToken,
    stored: StoredSession,
    requestHash: Buffer | undefined,
  ): Promise<IssuedSession | undefined> {
    const { record } = stored;
    const now = this.clock.now();
    const next = await this.records.replace(stored, {
      ...record,
      secret: newSecret(),
      previous: {
        secret: record.secret,
        graceUntil: now + this.options.session.refreshGrace,
        ...(requestHash && { requestHash }),
      },
      refreshedAt: now,
      expiresAt: Math.min(now + this.options.session.ttl, record.loginExpiresAt),
    });
    if (!next) return undefined;
    const issued = this.issue(token, next);
    this.events.emit('refresh', { session: issued.session });
    return issued;
  }

  /** The token that a record holds. Any token of the same login names it. */
  private issue({ login }: SessionToken, { id, record, key }: StoredSession): IssuedSession {
    return {
      session_rd: formatToken('srd', { login, secret: record.secret }, key),
      expiresIn: Math.max(0, Math.round((record.expiresAt - this.clock.now()) / 1000)),
      session: sessionOf(id, record, record.expiresAt),
    };
  }

  /** How long this token is good for, or `undefined` if it is not. */
  private validUntil(record: SessionRecord, token: SessionToken): number | undefined {
    const now = this.clock.now();
    const use = useOf(record, token, now);
    const until =
      use === 'current'
        ? record.expiresAt
        : Math.min(record.expiresAt, record.previous?.graceUntil ?? 0);
    return use !== 'replayed' && until > now ? until : undefined;
  }

  private async info(id: string, currentId?: string): Promise<WechatSessionInfo | undefined> {
    const stored = await this.records.get(id);
    if (!stored || stored.record.expiresAt <= this.clock.now()) return undefined;
    const { issuedAt, refreshedAt, expiresAt } = stored.record;
    return {
      id,
      issuedAt: new Date(issuedAt),
      refreshedAt: new Date(refreshedAt),
      expiresAt: new Date(expiresAt),
      current: id === currentId,
    };
  }
}

function refuse(): never {
  throw new WechatSessionError();
}

/** What a token of this login is: the current one, the one before within its grace time, or an older one that somebody kept. */
function useOf(
  record: SessionRecord,
  { secret }: SessionToken,
  now: number,
): 'current' | 'previous' | 'replayed' {
  if (timingSafeEqual(secret, record.secret)) return 'current';
  const { previous } = record;
  return previous && timingSafeEqual(secret, previous.secret) && now < previous.graceUntil
    ? 'previous'
    : 'replayed';
}

/** Whether a refresh with the replaced token is the refresh that replaced it, sent again: both carry the same id, or none. */
function isRepetition(previous: PreviousToken | undefined, requestHash?: Buffer): boolean {
  const first = previous?.requestHash;
  return first && requestHash ? timingSafeEqual(first, requestHash) : first === requestHash;
}

function requestHashOf(requestId: string | undefined): Buffer | undefined {
  if (requestId === undefined) return undefined;
  if (typeof requestId !== 'string' || !REQUEST_ID.test(requestId)) {
    throw new WechatBadRequestError(
      'requestId (Idempotency-Key) must be 1 to 128 printable ASCII characters',
    );
  }
  return hashRequestId(requestId);
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

function withoutLogins(record: UserRecord | undefined, ended: string[]): UserRecord | undefined {
  const logins = record?.logins.filter(({ id }) => !ended.includes(id)) ?? [];
  return record && logins.length > 0 ? { ...record, logins } : undefined;
}
