import { Wx } from './wx.js';

/** A session as it is stored. Times are milliseconds of the phone's own clock, counted from the response. */
export interface StoredSession {
  readonly session_rd: string;
  readonly expiresAt: number;
  readonly refreshAt: number;
  /**
   * The idempotency key of the refresh that will replace this session. It is stored before that refresh is sent, so a retry after a
   * restart carries the same key. The successor overwrites it. Absent if an older version stored the session.
   */
  readonly refreshKey?: string;
}

/** What survives a restart of the mini program. */
export interface StoredState {
  kept?: StoredSession;
  /** The user logged out, and `login()` was not called since. */
  signedOut: boolean;
}

export interface SessionStorage {
  /** `undefined` if the storage cannot be read now. */
  read(): StoredState | undefined;
  write(state: StoredState): void;
}

/** Storage can throw: some Android phones refuse to read it at the start, and a full storage refuses to write. */
export function createSessionStorage(wx: Wx, key: string): SessionStorage {
  return {
    read() {
      try {
        const found = wx.getStorageSync(key);
        return isStoredState(found) ? found : { signedOut: false };
      } catch {
        return undefined;
      }
    },
    write(state) {
      try {
        wx.setStorageSync(key, state);
      } catch {
        // The session stays in memory. The next start of the mini program costs one login.
      }
    },
  };
}

/** Storage returns '' for an unknown key, and it can hold what another version of the app wrote. */
function isStoredState(found: unknown): found is StoredState {
  return !!found && typeof (found as StoredState).signedOut === 'boolean';
}
