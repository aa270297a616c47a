import { withRetries } from './retry.js';

const deadlineIn = (ms: number): number => performance.now() + ms;
const fail = jest.fn((attempt: number) => Promise.reject(new Error(`attempt ${attempt}`)));
beforeEach(() => fail.mockClear());

describe('withRetries', () => {
  it('returns the first success and calls onRetry for each failed attempt before it', async () => {
    const failed: string[] = [];
    const work = (attempt: number): Promise<number> =>
      attempt < 3 ? Promise.reject(new Error(`attempt ${attempt}`)) : Promise.resolve(attempt);
    const onRetry = ({ message }: Error): void => void failed.push(message);
    const options = { delayMs: () => 0, deadline: deadlineIn(1000), onRetry };
    expect([await withRetries(work, options), failed]).toEqual([3, ['attempt 1', 'attempt 2']]);
  });

  it('throws the last error when no further attempt is allowed', async () => {
    const delayMs = (_: Error, attempt: number): number | undefined =>
      attempt > 2 ? undefined : 0;
    await expect(withRetries(fail, { delayMs, deadline: deadlineIn(1000) })).rejects.toThrow(
      'attempt 3',
    );
  });

  it('starts no attempt after the deadline, and fails at once if the next delay would exceed it', async () => {
    const startedAt = performance.now();
    await expect(
      withRetries(fail, { delayMs: () => 500, deadline: deadlineIn(400) }),
    ).rejects.toThrow('attempt 1');
    expect(performance.now() - startedAt).toBeLessThan(300);
    expect(fail).toHaveBeenCalledTimes(1);
  });
});
