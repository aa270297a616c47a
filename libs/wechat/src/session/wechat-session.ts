/**
 * Who is calling, from a valid `session_rd`. It has no session_key, and never will: that stays inside the library.
 *
 * @example
 * ```ts
 * me(@CurrentSession() { openid, unionid }: WechatSession) { … }
 * ```
 */
export interface WechatSession {
  /** Names the login, not the token: it stays the same over refreshes and is no secret. */
  id: string;
  appId: string;
  /** The user in this one app. */
  openid: string;
  /** The user in all apps of one open-platform account, where the app is bound to one. */
  unionid?: string;
  /** When the user logged in. */
  issuedAt: Date;
  /** When this `session_rd` runs out unless it is refreshed. */
  expiresAt: Date;
  /** When the login runs out, however often it is refreshed. */
  loginExpiresAt: Date;
}

/**
 * One live login of a user, for a page that lists devices.
 *
 * @example
 * ```ts
 * const devices = (await sessions.list(session)).map(({ id, refreshedAt, current }) => ({ id, refreshedAt, current }));
 * ```
 */
export interface WechatSessionInfo {
  id: string;
  issuedAt: Date;
  /** When it was last refreshed; the login itself where it never was. */
  refreshedAt: Date;
  expiresAt: Date;
  /** Whether it is the one that asks. */
  current: boolean;
}

/**
 * A `session_rd` for the client and what it stands for.
 *
 * @example
 * ```ts
 * const { session_rd, expiresIn }: IssuedSession = await sessions.login(code);
 * ```
 */
export interface IssuedSession {
  session_rd: string;
  /** Seconds until `session_rd` runs out. */
  expiresIn: number;
  session: WechatSession;
}
