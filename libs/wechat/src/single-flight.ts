/**
 * Shares one promise among all callers that ask for the same key while it is pending. It is forgotten when it settles, so
 * the next caller starts new work.
 */
export class SingleFlight<T> {
  private readonly pending = new Map<string, Promise<T>>();

  /**
   * Returns the pending promise of this key, or starts `work`.
   * @throws what `work` rejects with; every caller that shares the promise gets the same error
   */
  run(key: string, work: () => Promise<T>): Promise<T> {
    const shared = this.pending.get(key);
    if (shared) return shared;
    const started = work().finally(() => this.pending.delete(key));
    this.pending.set(key, started);
    return started;
  }

  /** Resolves when all work that is pending now has settled. Never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.pending.values());
  }
}
