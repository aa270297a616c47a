import { assign } from './assign.js';
import { lane, shared } from './flights.js';
import { Issued, LoginAnswer, Post, logIn, newRefreshKey, refreshSession } from './login.js';
import { Kept, createMemory } from './memory.js';
import { patiently } from './patience.js';
import {
  RequestError,
  isUnavailable,
  mayPass,
  promised,
  requestError,
  sessionIsGone,
} from './request-error.js';
import { DownloadOptions, RequestOptions, UploadOptions, createWire } from './wire.js';
import { Wx, theWx } from './wx.js';

/** What {@link createSession} takes. Only `baseUrl` is required. */
export interface SessionOptions {
  /** The server's address, for example `https://api.example.com`. A `session_rd` is sent nowhere else. */
  baseUrl: string;
  /** Sent with the login, for a server that serves several mini programs. */
  appId?: string;
  /** How long a session is used before it is refreshed, in milliseconds. Never more than two thirds of its life. @default 1200000 (20 minutes) */
  refreshEvery?: number;
  /** Where in `wx` storage the session is kept. @default 'session_rd ' + baseUrl, so that a test server's session stays its own */
  storageKey?: string;
  /** @default '/auth/login' */
  loginPath?: string;
  /** @default '/auth/refresh' */
  refreshPath?: string;
  /** @default '/auth/logout' */
  logoutPath?: string;
  /** Called after every login that reached the server, the silent ones included. */
  onLogin?: (answer: LoginAnswer) => void;
  /** @default WeChat's global `wx` */
  wx?: Wx;
}

/** What is known of the session without asking the server. */
export interface SessionState {
  /** There is a session, and by this phone's clock it has not run out. */
  signedIn: boolean;
  /** When it runs out unless it is refreshed, in milliseconds since 1970. */
  expiresAt?: number;
}

/** One user's session with one server. Every promise rejects with a {@link RequestError}. */
export interface Session {
  /**
   * Makes sure there is a session, on the server and at WeChat. Keeps the one there is if `wx.checkSession` agrees.
   * Call it before you fetch `encryptedData`, and after `logout()`. Requests need no `login()` before them: they log in by themselves.
   */
  login(): Promise<void>;
  /** `wx.request` with the session. Resolves with the envelope's `data`, or with the body if the answer has no envelope. */
  request<T = unknown>(options: RequestOptions): Promise<T>;
  /** `wx.uploadFile` with the session. The answer is parsed, as `request` does. */
  uploadFile<T = unknown>(options: UploadOptions): Promise<T>;
  /** `wx.downloadFile` with the session. Resolves with the temporary path, for example for an audio player that cannot send headers. */
  downloadFile(options: DownloadOptions): Promise<string>;
  /** Exchanges the session for its successor now. Logs in if the server no longer knows it. */
  refresh(): Promise<void>;
  /** Ends the session here at once and on the server as soon as it answers. Until `login()` every request fails with `ERR_SIGNED_OUT`. */
  logout(): Promise<void>;
  /** Call it in `App.onShow`: while the app is in front the session is refreshed, at once if that is overdue. */
  onShow(): void;
  /** Call it in `App.onHide`: WeChat freezes timers in the background and cuts running requests off. */
  onHide(): void;
  readonly state: SessionState;
}

const TWENTY_MINUTES = 20 * 60 * 1000;
const A_MINUTE = 60 * 1000;
/** For this long a failed login answers for everyone, so that fifty pages waiting for a session do not log in fifty times. */
const LOGIN_REST = 3000;

declare function setTimeout(run: () => void, ms: number): number;
declare function clearTimeout(timer: number | undefined): void;

/**
 * The client half of nestjs-wechat's session protocol. Make one per mini program, in a file of its own.
 *
 * @example
 * const session = createSession({ baseUrl: 'https://api.example.com' });
 * App({ onShow: session.onShow, onHide: session.onHide });
 * const me = await session.request({ url: '/me' }); // { id: '…', openid: '…', nickName: '…' }
 */
export function createSession(options: SessionOptions): Session {
  const wx = theWx(options.wx);
  const wire = createWire(options.baseUrl);
  const memory = createMemory(wx, options.storageKey || 'session_rd ' + options.baseUrl);
  const refreshEvery = options.refreshEvery || TWENTY_MINUTES;
  /** Login, refresh and logout take turns. Each sees what the one before left. */
  const inTurn = lane();

  const remembered = memory.read();
  let kept = remembered.kept;
  let signedOut = remembered.signedOut;
  let inFront = false;
  let alarm: number | undefined;
  let failedLogin: { error: RequestError; restsUntil: number } | undefined;

  const post: Post = (url, session_rd, data, header) =>
    wire(wx.request, { url, method: 'POST' as const, data, header }, session_rd);

  // What is kept

  function alive(): Kept | undefined {
    return !signedOut && kept && Date.now() < kept.expiresAt ? kept : undefined;
  }

  function save(): void {
    memory.write({ kept, signedOut });
  }

  function keep(issued: Issued): Kept {
    const now = Date.now();
    const life = issued.expiresIn * 1000;
    kept = {
      session_rd: issued.session_rd,
      expiresAt: now + life,
      refreshAt: now + Math.min(refreshEvery, (life * 2) / 3),
      refreshKey: newRefreshKey(),
    };
    save();
    wakeForRefresh();
    return kept;
  }

  /** Does nothing if another request has replaced `gone` already. */
  function forget(gone: Kept): void {
    if (kept !== gone) return;
    kept = undefined;
    save();
  }

  // Login

  function startLogin(): Promise<Kept> {
    if (signedOut) throw requestError('ERR_SIGNED_OUT', 'Logged out. Call login().', 0, 0);
    const replaces = alive();
    return logIn(wx, post, {
      url: options.loginPath || '/auth/login',
      appId: options.appId,
      replaces: replaces && replaces.session_rd,
    }).then(
      (answer) => {
        if (options.onLogin) void Promise.resolve(answer).then(options.onLogin); // on its own: its exception must not look like a failed login
        return keep(answer);
      },
      (error: RequestError) => {
        failedLogin = {
          error,
          restsUntil: Date.now() + Math.max(error.retryAfter || 0, LOGIN_REST),
        };
        throw error;
      },
    );
  }

  /** Runs in turn, so what was under way may have brought a session. */
  function aliveOrLogin(): Promise<Kept> {
    if (failedLogin && Date.now() < failedLogin.restsUntil) throw failedLogin.error;
    const living = alive();
    return living ? Promise.resolve(living) : startLogin();
  }

  /** The first of many who wait for a session logs in; those behind it find what it left, a session or a failure. */
  function usable(): Promise<Kept> {
    const living = alive();
    return living ? Promise.resolve(living) : inTurn(aliveOrLogin);
  }

  /**
   * `wx.checkSession` speaks of WeChat's session_key, not of our session_rd, and WeChat counts the calls. It is asked here and nowhere
   * else: whoever calls `login()` over a living session is about to fetch `encryptedData`, and that needs a key the server still has.
   */
  const freshSession = shared(() => {
    if (!alive()) return usable();
    return promised(wx.checkSession).then(usable, () => inTurn(startLogin));
  });

  function login(): Promise<void> {
    signedOut = false;
    failedLogin = undefined;
    return freshSession().then(nothing);
  }

  // Requests

  /** A session that is gone is replaced once, together with every other request that found it gone. A second 401 is the caller's. */
  function withSession<T>(send: (session_rd: string) => Promise<T>): Promise<T> {
    function deliver(current: Kept): Promise<T> {
      return patiently(() => send(current.session_rd), isUnavailable);
    }
    return usable().then((first) =>
      deliver(first).catch((error: RequestError) => {
        if (!sessionIsGone(error)) throw error;
        forget(first);
        return usable().then(deliver);
      }),
    );
  }

  // Refresh

  function renew(): Promise<Kept> {
    const current = alive();
    if (!current) return startLogin();
    return refreshSession(post, options.refreshPath || '/auth/refresh', current).then(
      keep,
      (error: RequestError) => {
        if (!sessionIsGone(error)) throw error;
        forget(current);
        return startLogin();
      },
    );
  }

  const refreshed = shared(() => {
    const seen = kept;
    return inTurn(() => (kept === seen ? renew() : aliveOrLogin())); // a login that was under way has done it
  });

  function wakeIn(ms: number): void {
    clearTimeout(alarm);
    if (inFront) alarm = setTimeout(refreshInFront, ms);
  }

  function wakeForRefresh(): void {
    if (kept) wakeIn(Math.min(Math.max(kept.refreshAt - Date.now(), 0), refreshEvery)); // a clock set back must not sleep for days
  }

  /** A session that has run out is left to the next request: without one, nobody needs a login. */
  function refreshInFront(): void {
    if (alive())
      refreshed().catch((error: RequestError) =>
        wakeIn(Math.max(error.retryAfter || 0, A_MINUTE) * (1 + Math.random())),
      );
  }

  // Logout

  function logout(): Promise<void> {
    signedOut = true;
    save();
    clearTimeout(alarm);
    return inTurn(() => {
      const leaving = kept;
      kept = undefined;
      save();
      return leaving ? endOnServer(leaving) : Promise.resolve();
    });
  }

  function endOnServer(leaving: Kept): Promise<void> {
    return patiently(
      () => post(options.logoutPath || '/auth/logout', leaving.session_rd, {}),
      mayPass,
    ).then(nothing, (error: RequestError) => {
      if (!sessionIsGone(error)) throw error;
    });
  }

  return {
    login,
    // With a body even where there is nothing to say: wx.request announces JSON, and a server may refuse an empty text as JSON.
    request: (call) =>
      withSession((session_rd) =>
        wire(wx.request, assign({ method: 'GET' as const, data: {} }, call), session_rd),
      ),
    uploadFile: (call) =>
      withSession((session_rd) => wire(wx.uploadFile, assign({ name: 'file' }, call), session_rd)),
    downloadFile: (call) => withSession((session_rd) => wire(wx.downloadFile, call, session_rd)),
    refresh: () => refreshed().then(nothing),
    logout,
    onShow() {
      inFront = true;
      wakeForRefresh();
    },
    onHide() {
      inFront = false;
      clearTimeout(alarm);
    },
    get state() {
      const living = alive();
      return living ? { signedIn: true, expiresAt: living.expiresAt } : { signedIn: false };
    },
  };
}

function nothing(): void {
  // promises of "done" carry no value
}
