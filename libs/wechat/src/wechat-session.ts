/**
 * A session: a login of one user in one app, until it expires or is revoked. It never contains the session_key.
 *
 * @example
 * ```ts
 * me(@CurrentSession() { openid, unionid }: WechatSession) { … }
 * ```
 */
export interface WechatSession {
  /** The id of the session. It stays the same over refreshes and is no secret. */
  id: string;
  appId: string;
  /** The user in this one app. */
  openid: string;
  /** The user in all apps of one open-platform account, if the app is bound to one. */
  unionid?: string;
  /** When the user logged in. */
  issuedAt: Date;
  /** When this `session_rd` expires unless it is refreshed. */
  expiresAt: Date;
  /** When the session expires, however often it is refreshed. */
  loginExpiresAt: Date;
}

/**
 * One live session of a user, for a page that lists devices.
 *
 * @example
 * ```ts
 * const devices = (await sessions.list(session)).map(({ id, refreshedAt, current }) => ({ id, refreshedAt, current }));
 * ```
 */
export interface WechatSessionInfo {
  id: string;
  issuedAt: Date;
  /** When it was last refreshed, or issued if it was never refreshed. */
  refreshedAt: Date;
  expiresAt: Date;
  /** Whether it is the session that was passed to `list`. */
  current: boolean;
}

/**
 * A `session_rd` for the client, and its session.
 *
 * @example
 * ```ts
 * const { session_rd, expiresIn }: IssuedSession = await sessions.login(code);
 * ```
 */
export interface IssuedSession {
  session_rd: string;
  /** Seconds until `session_rd` expires. */
  expiresIn: number;
  session: WechatSession;
}

/**
 * A user of one app.
 *
 * @example
 * ```ts
 * const user: WechatUserKey = { appId: 'wx…', openid: 'o…' };
 * await sessions.revokeAll(user);      // needs no session
 * ```
 */
export interface WechatUserKey {
  appId: string;
  openid: string;
}
