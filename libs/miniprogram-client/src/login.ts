import { Kept } from './memory.js';
import { patiently } from './patience.js';
import { RequestError, mayPass, promised, requestError } from './request-error.js';
import { Wx } from './wx.js';

/** What the server answers to a refresh, and the least it answers to a login. */
export interface Issued {
  session_rd: string;
  /** Seconds. */
  expiresIn: number;
}

/** What the server answers to a login. */
export interface LoginAnswer extends Issued {
  /** The server met this user for the first time. */
  isNewUser?: boolean;
  /** The server's own record of the user. */
  user?: unknown;
}

/** POSTs to the server. */
export type Post = <T>(
  url: string,
  session_rd: string | undefined,
  data: object,
  header?: Record<string, string>,
) => Promise<T>;

export interface LoginCall {
  url: string;
  appId?: string;
  /** The session this login replaces; the server ends it, so that one phone does not fill the user's list of devices. */
  replaces?: string;
}

/**
 * `wx.login`, then the server. Every try takes a code of its own: a code works once, and after a lost answer or a 503 nobody knows
 * whether WeChat has seen it. A code that the server calls invalid is replaced once; a second refusal is a fault that codes don't cure.
 */
export function logIn(wx: Wx, post: Post, call: LoginCall): Promise<LoginAnswer> {
  let mayReplaceCode = true;

  function attempt(): Promise<LoginAnswer> {
    return promised(wx.login)
      .then((result) =>
        post<LoginAnswer>(call.url, call.replaces, { code: result.code, appId: call.appId }),
      )
      .then(checked)
      .catch((error: RequestError) => {
        if (error.error !== 'ERR_WECHAT_CODE' || !mayReplaceCode) throw error;
        mayReplaceCode = false;
        return attempt();
      });
  }

  return patiently(attempt, mayPass);
}

/** Refreshes the session. The server returns the same successor to a repetition with the same key, so a lost response is requested again. */
export function refreshSession(
  post: Post,
  url: string,
  { session_rd, refreshKey }: Kept,
): Promise<Issued> {
  const header: Record<string, string> = refreshKey ? { 'Idempotency-Key': refreshKey } : {};
  return patiently(() => post<Issued>(url, session_rd, {}, header).then(checked), mayPass);
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

/** A 200 from a hotel's login page is no session. */
function checked<T extends Issued>(answer: T): T {
  if (answer && answer.session_rd && answer.expiresIn > 0) return answer;
  throw requestError('ERR_ANSWER', 'The response has no session_rd. Is baseUrl right?', 200, 200);
}
