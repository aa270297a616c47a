import { DelegateBackoff, handleWhen, retry } from 'cockatiel';

export interface RetryOptions {
  /**
   * Returns the milliseconds to wait before the next attempt, or `undefined` if no further attempt is allowed.
   * @param attempt the number of the failed attempt, from 1
   */
  delayMs: (error: Error, attempt: number) => number | undefined;
  /** No attempt starts after this time, by `performance.now()`. */
  deadline: number;
  /** Called with the error of each failed attempt that is followed by another attempt. */
  onRetry?: (error: Error) => void;
}

/**
 * Runs `work` until it succeeds or no further attempt is allowed.
 * @param work gets the number of the attempt, from 1
 * @throws the error of the last attempt
 */
export function withRetries<T>(
  work: (attempt: number) => Promise<T>,
  { delayMs, deadline, onRetry }: RetryOptions,
): Promise<T> {
  let attempt = 0;
  let delay = 0;
  const isAllowed = (error: Error): boolean => {
    const next = delayMs(error, attempt);
    if (next === undefined || performance.now() + next >= deadline) return false;
    delay = next;
    onRetry?.(error);
    return true;
  };
  const policy = retry(handleWhen(isAllowed), {
    maxAttempts: Number.POSITIVE_INFINITY, // `delayMs` limits the attempts
    backoff: new DelegateBackoff(() => delay),
  });
  return policy.execute(() => work(++attempt));
}
