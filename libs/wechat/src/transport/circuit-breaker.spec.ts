import { CircuitBreaker, MAX_FAILURES, MAX_WAIT_MS } from './circuit-breaker.js';

class Refusal extends Error {}

/** A call that the test ends. */
function pendingCall(): { promise: Promise<string>; respond(): void; fail(): void } {
  let respond!: () => void;
  let fail!: () => void;
  const promise = new Promise<string>((resolve, reject) => {
    respond = () => resolve('ok');
    fail = () => reject(new Error('no response'));
  });
  return { promise, respond, fail };
}

const log: string[] = [];
const newBreaker = (): CircuitBreaker =>
  new CircuitBreaker({
    isFailure: (error) => !(error instanceof Refusal),
    openError: () => new Error('open'),
    onOpen: () => log.push('open'),
    onClose: () => log.push('close'),
  });
const fail = (): Promise<string> => Promise.reject(new Error('no response'));
const refuse = (): Promise<string> => Promise.reject(new Refusal('refused'));
const succeed = (): Promise<string> => Promise.resolve('ok');

let breaker: CircuitBreaker;
beforeEach(() => {
  breaker = newBreaker();
  log.length = 0;
});
const failTimes = async (times: number): Promise<void> => {
  for (let i = 0; i < times; i++)
    await expect(breaker.execute(fail)).rejects.toThrow('no response');
};

describe('CircuitBreaker', () => {
  it('sends every call of a sequential client, before and after it opens', async () => {
    const work = jest.fn(fail);
    for (let i = 0; i < 3 * MAX_FAILURES; i++)
      await expect(breaker.execute(work)).rejects.toThrow('no response');
    expect(work).toHaveBeenCalledTimes(3 * MAX_FAILURES);
    expect(await breaker.execute(succeed)).toBe('ok');
    expect(log).toEqual(['open', 'close']);
  });

  it('sends one call while it is half-open, and fails the others after the maximum wait', async () => {
    await failTimes(MAX_FAILURES);
    const probe = pendingCall();
    const first = breaker.execute(() => probe.promise);
    const other = jest.fn(succeed);
    const startedAt = performance.now();
    await expect(breaker.execute(other)).rejects.toThrow('open');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(MAX_WAIT_MS - 5);
    expect(other).not.toHaveBeenCalled();
    probe.fail();
    await expect(first).rejects.toThrow('no response');
  });

  it('fails the waiting calls when the half-open call fails, without sending them', async () => {
    await failTimes(MAX_FAILURES);
    const probe = pendingCall();
    const first = breaker.execute(() => probe.promise);
    const other = jest.fn(succeed);
    const waiting = [breaker.execute(other), breaker.execute(other)];
    probe.fail();
    await expect(first).rejects.toThrow('no response');
    for (const call of waiting) await expect(call).rejects.toThrow('open');
    expect(other).not.toHaveBeenCalled();
  });

  it('closes when the half-open call gets a response, and sends the waiting calls', async () => {
    await failTimes(MAX_FAILURES);
    const probe = pendingCall();
    const calls = [breaker.execute(() => probe.promise), breaker.execute(succeed), breaker.execute(succeed)]; // prettier-ignore
    probe.respond();
    expect(await Promise.all(calls)).toEqual(['ok', 'ok', 'ok']);
    expect(log).toEqual(['open', 'close']);
  });

  it('counts failures in a row: a refusal is a response and resets the count', async () => {
    await failTimes(MAX_FAILURES - 1);
    await expect(breaker.execute(refuse)).rejects.toThrow('refused');
    await failTimes(MAX_FAILURES - 1);
    expect(log).toEqual([]);
    await failTimes(1);
    expect(log).toEqual(['open']);
    await expect(breaker.execute(refuse)).rejects.toThrow('refused');
    expect(log).toEqual(['open', 'close']);
  });

  it('closes when a call that was sent before it opened gets a response', async () => {
    const late = pendingCall();
    const call = breaker.execute(() => late.promise);
    await failTimes(MAX_FAILURES);
    late.respond();
    await call;
    expect(log).toEqual(['open', 'close']);
  });
});
