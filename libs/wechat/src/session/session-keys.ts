import { Inject, Injectable } from '@nestjs/common';
import { WechatStore } from '../store/wechat.store.js';
import type { UserRecord } from './user.record.js';
import { UserRecords } from './user-records.js';
import type { WechatSession } from './wechat-session.js';

/** As long as a login code lives: data that was encrypted before a new login arrives within this, or the client gave up. */
const PREVIOUS_KEY_LIFE = 5 * 60_000;

/** The session_keys of users. Kept per user and app, because WeChat holds only one valid: each login replaces it for all devices. */
@Injectable()
export class SessionKeys {
  constructor(
    @Inject(UserRecords) private readonly users: UserRecords,
    @Inject(WechatStore) private readonly store: WechatStore,
  ) {}

  /**
   * The keys that may have encrypted this session's data, the likeliest first. The one before a newer login serves only
   * sessions that are older than that login, and only for a short while.
   */
  async of(session: WechatSession): Promise<string[]> {
    const record = await this.users.read(session);
    if (!record) return [];
    const { sessionKey, since, previous } = record;
    const raced = previous && session.issuedAt.getTime() < since && this.store.now() < previous.until;
    return raced ? [sessionKey, previous.sessionKey] : [sessionKey];
  }

  /** Replaces the key outside of a login, after WeChat has reset it. The old one is dead at once. */
  async replace(session: WechatSession, sessionKey: string): Promise<void> {
    await this.users.change(session, (record) => record && { ...record, sessionKey, previous: undefined });
  }
}

/** The record with the key of a new login, which was fetched at `since`. A login that was overtaken by a newer one keeps the newer key. */
export function withSessionKey(record: UserRecord | undefined, sessionKey: string, since: number, now: number): UserRecord {
  if (!record) return { sessionKey, since, logins: [] };
  if (record.sessionKey === sessionKey) return { ...record, since: Math.max(since, record.since) };
  const until = now + PREVIOUS_KEY_LIFE;
  if (since < record.since) return { ...record, previous: { sessionKey, until } };
  return { ...record, sessionKey, since, previous: { sessionKey: record.sessionKey, until } };
}
