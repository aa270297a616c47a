import { Injectable } from '@nestjs/common';
import type { WechatSessionInfo, WechatUserKey } from '../wechat-session.js';
import { WechatClock } from '../wechat.clock.js';
import { WechatSessionError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { SessionRepository } from './session.repository.js';
import { UserRepository, withSessionKey } from './user.repository.js';
import type { ListedSession, UserRecord } from './user.repository.js';

/** A user, and optionally one session of this user. */
type UserWithSession = WechatUserKey & { id?: string };

/** The sessions of one user in one app. They are listed in the record of the user. */
@Injectable()
export class UserSessions {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly users: UserRepository,
    private readonly clock: WechatClock,
    private readonly options: ResolvedWechatOptions,
  ) {}

  /**
   * Lists a new session of a user and stores the session_key of its login. Revokes the oldest sessions if the user has too many.
   * @param written resolves when the record of the session is in the store. It is listed only then, but the user is read meanwhile
   * @returns whether the user had no record
   */
  async add(
    user: WechatUserKey,
    session: ListedSession,
    sessionKey: string,
    written: Promise<unknown>,
  ): Promise<boolean> {
    let isFirst = false;
    await this.users.update(user, async (record) => {
      await written;
      isFirst = record === undefined;
      const next = withSessionKey(record, sessionKey, session.issuedAt, this.clock.now());
      return { ...next, sessions: [...(await this.makeRoom(next.sessions)), session] };
    });
    return isFirst;
  }

  /** Returns the live sessions, oldest first. The session `user.id` is marked as `current`. */
  async list(user: UserWithSession): Promise<WechatSessionInfo[]> {
    const ids = await this.idsOf(user);
    const infos = await Promise.all(ids.map((id) => this.info(id, user.id)));
    return infos.filter((info) => info !== undefined);
  }

  /** @throws WechatSessionError if the user has no live session with this id */
  async revokeById(user: WechatUserKey, id: string): Promise<void> {
    const isListed = (await this.idsOf(user)).includes(id);
    const live = isListed && (await this.info(id));
    if (!isListed || !(await this.sessions.remove(id)) || !live)
      throw new WechatSessionError('There is no such session.');
  }

  /**
   * Revokes all sessions except the one with `user.id`. With `includingOwn` that one is revoked too.
   * @returns how many of the revoked sessions were live
   */
  async revokeAll(
    user: UserWithSession,
    { includingOwn }: { includingOwn: boolean },
  ): Promise<number> {
    const others = (await this.idsOf(user)).filter((id) => id !== user.id);
    const own = includingOwn && user.id !== undefined ? [user.id] : [];
    const ids = [...others, ...own];
    const live = await Promise.all(ids.map((id) => this.info(id)));
    await Promise.all(others.map((id) => this.sessions.remove(id)));
    // The caller's own session is removed last, so that the caller can repeat the call if one of the others fails.
    await Promise.all(own.map((id) => this.sessions.remove(id)));
    await this.users.update(user, (record) => withoutSessions(record, ids));
    return live.filter((info) => info !== undefined).length;
  }

  private async idsOf(user: WechatUserKey): Promise<string[]> {
    const stored = await this.users.get(user);
    return stored?.record.sessions.map(({ id }) => id) ?? [];
  }

  private async info(id: string, currentId?: string): Promise<WechatSessionInfo | undefined> {
    const stored = await this.sessions.get(id);
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

  /** Revokes sessions until there is room for one more, the oldest first. Returns the sessions that stay. */
  private async makeRoom(listed: ListedSession[]): Promise<ListedSession[]> {
    const room = this.options.session.maxPerUser - 1;
    const unexpired = listed.filter(({ loginExpiresAt }) => loginExpiresAt > this.clock.now());
    if (unexpired.length <= room) return unexpired;
    const infos = await Promise.all(unexpired.map(({ id }) => this.info(id)));
    const live = unexpired.filter((_, i) => infos[i] !== undefined);
    const staying = live.slice(Math.max(0, live.length - room));
    for (const session of unexpired)
      if (!staying.includes(session)) await this.sessions.remove(session.id);
    return staying;
  }
}

function withoutSessions(record: UserRecord | undefined, ids: string[]): UserRecord | undefined {
  const sessions = record?.sessions.filter(({ id }) => !ids.includes(id)) ?? [];
  return record && sessions.length > 0 ? { ...record, sessions } : undefined;
}
