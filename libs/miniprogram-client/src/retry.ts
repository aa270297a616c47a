import { RequestError } from './request-error.js';

/** Three attempts outlast a restart of the server. */
const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 500;
/** The longest pause that a user waits for. If the server asks for more, the caller gets the error at once. */
const LONGEST_PAUSE_MS = 10000;

declare function setTimeout(run: () => void, ms: number): number;

/**
 * Retries after a transient failure. A pause is at least the server's `Retry-After`, doubles with each attempt, and is extended
 * by a random part, so that phones which failed together do not retry together.
 */
export function withRetries<T>(
  attempt: () => Promise<T>,
  isRetryable: (error: RequestError) => boolean,
): Promise<T> {
  function tryFrom(nth: number): Promise<T> {
    return attempt().catch((error: RequestError) => {
      const pause = Math.max(error.retryAfter || 0, FIRST_PAUSE_MS * Math.pow(2, nth - 1));
      if (nth === ATTEMPTS || pause > LONGEST_PAUSE_MS || !isRetryable(error)) throw error;
      return wait(pause * (1 + Math.random())).then(() => tryFrom(nth + 1));
    });
  }
  return tryFrom(1);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
