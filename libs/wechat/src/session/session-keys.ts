import { Inject, Injectable } from '@nestjs/common';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import type { WechatApiCall } from '../access-token/wechat-api.client.js';
import { WechatClock } from '../wechat.clock.js';
import { WechatError, WechatResponseError, WechatSessionError } from '../wechat.errors.js';
import { WechatEvents } from '../wechat.events.js';
import { isSessionKey } from './code2session.js';
import { signWithSessionKey } from './session-key-signature.js';
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
    @Inject(WechatClock) private readonly clock: WechatClock,
    @Inject(WechatApiClient) private readonly api: WechatApiClient,
    @Inject(WechatEvents) private readonly events: WechatEvents,
  ) {}

  /**
   * The keys that may have encrypted this session's data, the likeliest first. The one before a newer login serves only
   * sessions that are older than that login, and only for a short while.
   */
  async of(session: WechatSession): Promise<string[]> {
    const record = (await this.users.get(session))?.record;
    if (!record) return [];
    const { sessionKey, since, previous } = record;
    const raced =
      previous && session.issuedAt.getTime() < since && this.clock.now() < previous.until;
    return raced ? [sessionKey, previous.sessionKey] : [sessionKey];
  }

  /** Whether WeChat still holds the key valid. */
  async check(session: WechatSession): Promise<boolean> {
    const record = (await this.users.get(session))?.record;
    if (!record) return false;
    try {
      await this.api.call({
        ...signedCall('/wxa/checksession', session, record.sessionKey),
        retry: 'idempotent',
      });
      return true;
    } catch (error) {
      if (!isStale(error)) throw error;
      this.events.emit('sessionKeyStale', { session });
      return false;
    }
  }

  /** Has WeChat replace the key; the old one is dead at once. */
  async reset(session: WechatSession): Promise<void> {
    const record = (await this.users.get(session))?.record;
    if (!record) throw new WechatSessionError();
    const call = signedCall('/wxa/resetusersessionkey', session, record.sessionKey);
    const { openid, session_key: sessionKey } = await this.api
      .call<Record<string, unknown>>(call)
      .catch((error: unknown) => {
        throw isStale(error) ? new WechatSessionError() : error;
      });
    if (openid !== session.openid || !isSessionKey(sessionKey)) {
      throw new WechatResponseError(
        'WeChat answered a reset without a proper openid and session_key.',
        { endpoint: call.path },
      );
    }
    await this.users.update(session, (now) => now && { ...now, sessionKey, previous: undefined });
  }
}

/** The key is missing, outdated, or not the one that signed. */
function isStale(error: unknown): boolean {
  return error instanceof WechatError && (error.errcode === 87007 || error.errcode === 87009);
}

function signedCall(
  path: string,
  { appId, openid }: WechatSession,
  sessionKey: string,
): WechatApiCall {
  return {
    method: 'GET',
    path,
    appId,
    query: { openid, signature: signWithSessionKey(sessionKey), sig_method: 'hmac_sha256' },
  };
}

/** The record with the key of a new login, which was fetched at `since`. A login that was overtaken by a newer one keeps the newer key. */
export function withSessionKey(
  record: UserRecord | undefined,
  sessionKey: string,
  since: number,
  now: number,
): UserRecord {
  if (!record) return { sessionKey, since, logins: [] };
  if (record.sessionKey === sessionKey) return { ...record, since: Math.max(since, record.since) };
  const until = now + PREVIOUS_KEY_LIFE;
  if (since < record.since) return { ...record, previous: { sessionKey, until } };
  return { ...record, sessionKey, since, previous: { sessionKey: record.sessionKey, until } };
}
