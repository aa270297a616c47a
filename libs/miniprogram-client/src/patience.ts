import { RequestError } from './request-error.js';

/** Three tries ride out a restart of the server; more would only hold the user up. */
const TRIES = 3;
const FIRST_PAUSE = 500;
/** Nobody looks at a spinner for longer. A server that asks for more gets its peace, and the caller gets the error. */
const LONGEST_PAUSE = 10000;

/**
 * Tries again, a few times, after failures that pass. Waits at least as long as the server's `Retry-After`, twice as long after
 * each try, and up to as long again by chance, so that phones which failed together do not come back together.
 */
export function patiently<T>(
  attempt: () => Promise<T>,
  passes: (error: RequestError) => boolean,
): Promise<T> {
  function tryFrom(nth: number): Promise<T> {
    return attempt().catch((error: RequestError) => {
      const pause = Math.max(error.retryAfter || 0, FIRST_PAUSE * Math.pow(2, nth - 1));
      if (nth === TRIES || pause > LONGEST_PAUSE || !passes(error)) throw error;
      return wait(pause * (1 + Math.random())).then(() => tryFrom(nth + 1));
    });
  }
  return tryFrom(1);
}

declare function setTimeout(run: () => void, ms: number): number;

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
