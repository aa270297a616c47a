import { assign } from './assign.js';
import { RequestError, isTransient, requestError } from './request-error.js';
import { withRetries } from './retry.js';
import { StoredSession } from './session-storage.js';
import { Wx } from './wx.js';
import { callWx } from './wx-call.js';

/** The server's response to a refresh, and the required part of its response to a login. */
export interface IssuedSession {
  session_rd: string;
  /** Seconds. */
  expiresIn: number;
}

/** The server's response to a login. */
export interface LoginResponse extends IssuedSession {
  /** The server registered this user with this login. */
  isNewUser?: boolean;
  /** The server's own record of the user. */
  user?: unknown;
}

/** POSTs to the server. */
export type Post = <T>(
  url: string,
  session_rd: string | undefined,
  data: object,
  header?: Record<string, string | undefined>,
) => Promise<T>;

/**
 * Calls `wx.login`, then the server. Each attempt gets a new code, because a code works once, and after a lost response or a 503
 * WeChat may have seen it. If the server refuses a code, one more attempt follows.
 *
 * @param timeout the deadline of `wx.login` in milliseconds
 * @param exchange sends a code to the server
 */
export function logIn(
  wx: Wx,
  timeout: number,
  exchange: (code: string) => Promise<LoginResponse>,
): Promise<LoginResponse> {
  let mayReplaceCode = true;

  function attempt(): Promise<LoginResponse> {
    return loginCode(wx, timeout)
      .then(exchange)
      .then(checked)
      .catch((error: RequestError) => {
        if (error.error !== 'ERR_WECHAT_CODE' || !mayReplaceCode) throw error;
        mayReplaceCode = false;
        return attempt();
      });
  }

  return withRetries(attempt, isTransient);
}

function loginCode(wx: Wx, timeout: number): Promise<string> {
  return callWx<{ code: string }>(
    (callbacks) => wx.login(assign({ timeout }, callbacks)),
    timeout,
  ).then((result) => {
    if (result && result.code) return result.code;
    throw requestError('ERR_WX', 'wx.login succeeded without a code');
  });
}

/** Refreshes the session. The server returns the same successor to a repetition with the same key, so a lost response is requested again. */
export function refreshSession(
  post: Post,
  url: string,
  { session_rd, refreshKey }: StoredSession,
): Promise<IssuedSession> {
  const header = { 'Idempotency-Key': refreshKey };
  return withRetries(
    () => post<IssuedSession>(url, session_rd, {}, header).then(checked),
    isTransient,
  );
}

/**
 * A key for one refresh: 128 bits as 32 hexadecimal digits. `Math.random` is the only source that every base library has. That is
 * enough: the server revokes the session on the first wrong key, so a thief has one guess.
 */
export function newRefreshKey(): string {
  let key = '';
  while (key.length < 32) key += ((Math.random() * 16) | 0).toString(16);
  return key;
}

/** The login page of a public network can respond with 200 too. */
function checked<T extends IssuedSession>(response: T): T {
  if (response && response.session_rd && response.expiresIn > 0) return response;
  throw requestError('ERR_ANSWER', 'The response has no session_rd. Is baseUrl right?', 200, 200);
}
