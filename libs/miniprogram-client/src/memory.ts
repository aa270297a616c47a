import { Wx } from './wx.js';

/** A session as this phone keeps it. Times are milliseconds of the phone's own clock, counted from when the answer came. */
export interface Kept {
  readonly session_rd: string;
  readonly expiresAt: number;
  readonly refreshAt: number;
  /**
   * The idempotency key of the refresh that will replace this session. It is stored before that refresh is sent, so a retry after a
   * restart carries the same key, and it is overwritten together with the session. Absent if an older version stored the session.
   */
  readonly refreshKey?: string;
}

/** What outlives a restart of the mini program. */
export interface Remembered {
  kept?: Kept;
  /** The user logged out, and no `login()` came since. */
  signedOut: boolean;
}

export interface Memory {
  read(): Remembered;
  write(remembered: Remembered): void;
}

export function createMemory(wx: Wx, key: string): Memory {
  return {
    read() {
      const found = wx.getStorageSync(key);
      return isRemembered(found) ? found : { signedOut: false };
    },
    write(remembered) {
      try {
        wx.setStorageSync(key, remembered);
      } catch {
        // A full storage costs one login at the next start; it must not cost the session that is here now.
      }
    },
  };
}

/** Storage holds '' where nothing was written, and can hold what another version of the app wrote. */
function isRemembered(found: unknown): found is Remembered {
  return typeof found === 'object' && found !== null && 'signedOut' in found;
}
