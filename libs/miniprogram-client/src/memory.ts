import { Wx } from './wx.js';

/** A session as this phone keeps it. Times are milliseconds of the phone's own clock, counted from when the answer came. */
export interface Kept {
  readonly session_rd: string;
  readonly expiresAt: number;
  readonly refreshAt: number;
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
