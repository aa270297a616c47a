import { AbortablePromise, abortable } from './abortable.js';
import { assign } from './assign.js';
import { serialQueue, singleFlight } from './concurrency.js';
import { DownloadOptions, WxTransfer, createHttpClient } from './http-client.js';
import { IssuedSession, Post, logIn, newRefreshKey, refreshSession } from './login.js';
import { nothing } from './nothing.js';
import { openPaySheet } from './pay.js';
import {
  RequestError,
  isSessionEnded,
  isTransient,
  isUnavailable,
  requestError,
} from './request-error.js';
import { withRetries } from './retry.js';
import { Session, SessionOptions } from './session.types.js';
import { StoredSession, createSessionStorage } from './session-storage.js';
import { RequestPayment, wxOrGlobal } from './wx.js';
import { callWx } from './wx-call.js';

const DEFAULT_REFRESH_EVERY_MS = 20 * 60 * 1000;
const REFRESH_PAUSE_MS = 60 * 1000;
/** After a failed login, requests fail with the same error for this long, so that fifty pages do not log in fifty times. */
const LOGIN_PAUSE_MS = 3000;
const DEFAULT_TIMEOUT_MS = 10000;
/** WeChat's own default. A recording of several minutes takes long on a slow network. */
const TRANSFER_TIMEOUT_MS = 60000;

declare function setTimeout(run: () => void, ms: number): number;
declare function clearTimeout(timer: number | undefined): void;

/**
 * The client of nestjs-wechat's session protocol. Create one per mini program, in its own file.
 *
 * @example
 * const session = createSession({ baseUrl: 'https://api.example.com' });
 * App({ onShow: session.onShow, onHide: session.onHide });
 * const me = await session.request({ url: '/me' }); // { id: '…', openid: '…', nickName: '…' }
 */
export function createSession(options: SessionOptions): Session {
  const wx = wxOrGlobal(options.wx);
  const send = createHttpClient(options.baseUrl, options.unwrap);
  const storage = createSessionStorage(wx, options.storageKey || 'session_rd ' + options.baseUrl);
  const refreshEvery = options.refreshEvery || DEFAULT_REFRESH_EVERY_MS;
  const timeout = options.timeout || DEFAULT_TIMEOUT_MS;
  /** Login, refresh and logout run one after the other. Each sees the result of the one before. */
  const queued = serialQueue();

  let stored: StoredSession | undefined;
  let signedOut = false;
  /** The state in memory is current: it was read from storage, or a login or logout has replaced it. */
  let isLoaded = false;
  let inForeground = false;
  let refreshTimer: number | undefined;
  let failedLogin: { error: RequestError; until: number } | undefined;

  const post: Post = (url, session_rd, data, header) =>
    send(wx.request, { url, method: 'POST' as const, data, header }, timeout, session_rd, {});

  // The stored session

  /** Storage that cannot be read at the start is read again with the next call. */
  function load(): void {
    const found = isLoaded ? undefined : storage.read();
    if (!found) return;
    stored = found.kept;
    signedOut = found.signedOut;
    isLoaded = true;
  }

  function liveSession(): StoredSession | undefined {
    load();
    return !signedOut && stored && Date.now() < stored.expiresAt ? stored : undefined;
  }

  function save(): void {
    isLoaded = true;
    storage.write({ kept: stored, signedOut });
  }

  function store(issued: IssuedSession): StoredSession {
    const now = Date.now();
    const life = issued.expiresIn * 1000;
    stored = {
      session_rd: issued.session_rd,
      expiresAt: now + life,
      refreshAt: now + Math.min(refreshEvery, (life * 2) / 3),
      refreshKey: newRefreshKey(),
    };
    save();
    scheduleRefresh();
    return stored;
  }

  /**
   * Marks a session that the server does not accept as expired. The next login sends its token: if a thief has refreshed
   * the session, the server revokes it then. Does nothing if another request has already replaced `ended`.
   */
  function forget(ended: StoredSession): void {
    if (stored !== ended) return;
    stored = assign({}, ended, { expiresAt: 0 });
    save();
  }

  // Login

  function startLogin(): Promise<StoredSession> {
    if (signedOut)
      throw requestError('ERR_SIGNED_OUT', 'Logged out. Call login() for a new session.');
    const replaced = stored && stored.session_rd; // the server revokes it, so that one phone does not fill the user's list of devices
    return logIn(wx, timeout, (code) =>
      post(options.loginPath || '/auth/login', replaced, { code, appId: options.appId }),
    ).then(
      (response) => {
        if (options.onLogin) void Promise.resolve(response).then(options.onLogin); // separate, so that its exception does not fail the login
        return store(response);
      },
      (error: RequestError) => {
        failedLogin = {
          error,
          until: Date.now() + Math.max(error.retryAfter || 0, LOGIN_PAUSE_MS),
        };
        throw error;
      },
    );
  }

  /** Runs in the queue, so an earlier login in the queue may have created a session. */
  function liveSessionOrLogin(): StoredSession | Promise<StoredSession> {
    const live = liveSession();
    if (live) return live;
    if (failedLogin && Date.now() < failedLogin.until) throw failedLogin.error;
    return startLogin();
  }

  /** The first of many requests without a session logs in. Those behind it in the queue find its session or its failure. */
  function usableSession(): Promise<StoredSession> {
    const live = liveSession();
    return live ? Promise.resolve(live) : queued(liveSessionOrLogin);
  }

  /**
   * `wx.checkSession` checks WeChat's session_key, not the session_rd, and WeChat limits the number of calls. So only `login()` with a
   * live session calls it: the caller is about to fetch `encryptedData`, and the server needs the current session_key to decrypt it.
   */
  const freshSession = singleFlight(() => {
    if (!liveSession()) return usableSession();
    return callWx(wx.checkSession, timeout).then(usableSession, () => queued(startLogin));
  });

  function login(): Promise<void> {
    load();
    isLoaded = true;
    signedOut = false;
    failedLogin = undefined;
    return freshSession().then(nothing);
  }

  // Requests

  /** A session that the server does not accept is replaced once, for all requests that met it. The second 401 goes to the caller. */
  function withSession<T>(
    request: (session_rd: string) => Promise<T>,
    isRetryable: (error: RequestError) => boolean,
  ): Promise<T> {
    function sendWith(session: StoredSession): Promise<T> {
      return withRetries(() => request(session.session_rd), isRetryable);
    }
    return usableSession().then((first) =>
      sendWith(first).catch((error: RequestError) => {
        if (!isSessionEnded(error)) throw error;
        forget(first);
        return usableSession().then(sendWith);
      }),
    );
  }

  function transfer<T, C extends DownloadOptions>(
    wxFunction: WxTransfer<C>,
    call: C,
    timeoutMs: number,
  ): AbortablePromise<T> {
    return abortable((state) =>
      withSession(
        (session_rd) => send(wxFunction, call, timeoutMs, session_rd, state),
        isUnavailable,
      ),
    );
  }

  // Refresh

  function renew(): Promise<StoredSession> {
    const current = liveSession();
    if (!current) return startLogin();
    return refreshSession(post, options.refreshPath || '/auth/refresh', current).then(
      store,
      (error: RequestError) => {
        if (!isSessionEnded(error)) throw error;
        forget(current);
        return startLogin();
      },
    );
  }

  const refreshed = singleFlight(() => {
    load();
    const seen = stored;
    return queued(() => (stored === seen ? renew() : liveSessionOrLogin())); // an earlier login in the queue has replaced it
  });

  function refreshIn(ms: number): void {
    clearTimeout(refreshTimer);
    if (inForeground) refreshTimer = setTimeout(refreshInForeground, ms);
  }

  function scheduleRefresh(): void {
    load();
    if (stored) refreshIn(Math.min(Math.max(stored.refreshAt - Date.now(), 0), refreshEvery)); // bounded, because the phone's clock can be set back
  }

  /** An expired session is left to the next request. Without a request no login is needed. */
  function refreshInForeground(): void {
    if (liveSession())
      refreshed().catch((error: RequestError) =>
        refreshIn(Math.max(error.retryAfter || 0, REFRESH_PAUSE_MS) * (1 + Math.random())),
      );
  }

  // Logout

  function logout(): Promise<void> {
    load();
    signedOut = true;
    save();
    clearTimeout(refreshTimer);
    return queued(() => {
      const last = stored;
      stored = undefined;
      save();
      return last && revokeOnServer(last);
    });
  }

  function revokeOnServer({ session_rd }: StoredSession): Promise<void> {
    return withRetries(
      () => post(options.logoutPath || '/auth/logout', session_rd, {}),
      isTransient,
    ).then(nothing, (error: RequestError) => {
      if (!isSessionEnded(error)) throw error;
    });
  }

  return {
    login,
    // The body is {} by default: wx.request always announces JSON, and a server may refuse an empty text as JSON.
    request: (call) =>
      transfer(wx.request, assign({ method: 'GET' as const, data: {} }, call), timeout),
    uploadFile: (call) =>
      transfer(wx.uploadFile, assign({ name: 'file' }, call), TRANSFER_TIMEOUT_MS),
    downloadFile: (call) => transfer(wx.downloadFile, call, TRANSFER_TIMEOUT_MS),
    pay(order, payOptions) {
      const postTo = <T>(path: string): Promise<T> => {
        const url = path.replace(':id', encodeURIComponent(order.id));
        return withSession((session_rd) => post<T>(url, session_rd, {}), isTransient);
      };
      return postTo<RequestPayment>(options.payPath || '/orders/:id/pay')
        .then((params) => openPaySheet(wx, params, payOptions && payOptions.onFailure))
        .then(() => postTo(options.syncPath || '/orders/:id/sync'));
    },
    refresh: () => refreshed().then(nothing),
    logout,
    onShow() {
      inForeground = true;
      scheduleRefresh();
    },
    onHide() {
      inForeground = false;
      clearTimeout(refreshTimer);
    },
    get state() {
      const live = liveSession();
      return { signedIn: !!live, expiresAt: live && live.expiresAt };
    },
  };
}
